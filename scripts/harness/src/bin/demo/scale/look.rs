//! One look at the running demo: what HAProxy reports, what runs, and what autoscale wants.

use std::collections::BTreeMap;
use std::time::Duration;

/// The state of the pool at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Look {
    /// The time since the load began.
    pub at: Duration,
    /// Requests that had ended by then.
    pub requests: u64,
    /// Those of them that failed.
    pub failed: u64,
    /// Requests that ended in the second before.
    pub rate: f64,
    /// Sessions in the backend, including those in its queue.
    pub sessions: u64,
    /// Servers that get requests.
    pub serving: u64,
    /// Servers that run or start, and were not asked to leave.
    pub running: u64,
    /// Servers that are leaving.
    pub stopping: u64,
    /// The number that autoscale printed last, if it has printed one.
    pub wanted: Option<u64>,
}

impl Look {
    /// Sessions for each server that serves.
    pub fn per_server(&self) -> f64 {
        if self.serving == 0 { 0.0 } else { self.sessions as f64 / self.serving as f64 }
    }

    /// Whether anything in the table has changed, apart from the load.
    pub fn differs(&self, other: &Look) -> bool {
        let numbers = |look: &Look| (look.wanted, look.serving, look.running, look.stopping, look.failed);
        numbers(self) != numbers(other)
    }
}

/// The sessions of the backend `nodes`, and how many of its servers get requests, by `show stat`.
pub fn pool(rows: &[BTreeMap<String, String>]) -> (u64, u64) {
    let text = |row: &BTreeMap<String, String>, column: &str| row.get(column).cloned().unwrap_or_default();
    let rows = || rows.iter().filter(|row| text(row, "pxname") == "nodes");
    let sessions = rows().find(|row| text(row, "svname") == "BACKEND").map(|row| text(row, "scur"));
    let serves = |row: &&BTreeMap<String, String>| {
        text(row, "type") == "2" && text(row, "status").starts_with("UP") && text(row, "weight") != "0"
    };
    (sessions.and_then(|number| number.parse().ok()).unwrap_or(0), rows().filter(serves).count() as u64)
}

/// The last number in the output of autoscale-run -v, and the reason.
pub fn last_decision(output: &str) -> Option<(u64, &str)> {
    output.lines().rev().find_map(|line| {
        let (number, reason) = line.strip_prefix("autoscale: ")?.split_once(": ")?;
        Some((number.parse().ok()?, reason))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, kind: &str, status: &str, weight: &str) -> BTreeMap<String, String> {
        let columns =
            [("pxname", "nodes"), ("svname", name), ("type", kind), ("status", status), ("scur", "7")];
        let columns = columns.into_iter().chain([("weight", weight)]);
        columns.map(|(column, value)| (column.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn only_servers_that_get_requests_serve() {
        let rows = [
            row("s1", "2", "UP", "1"),
            row("s2", "2", "UP 1/2", "1"),
            row("s3", "2", "UP", "0"),
            row("s4", "2", "DOWN", "1"),
            row("s5", "2", "MAINT", "1"),
            row("BACKEND", "1", "UP", "2"),
        ];
        assert_eq!(pool(&rows), (7, 2));
        assert_eq!(pool(&[]), (0, 0));
    }

    #[test]
    fn the_last_number_is_found_among_other_lines() {
        let output = "autoscale: 2: 2 servers carry 7 sessions; as before\n\
                      autoscale: 4: 2 servers carry 31 sessions; up from 2\n\
                      autoscale: cannot ask '/x': it is silent\n\
                      autoscale-apply: runs demo scale-to 4, to scale from 2 to 4: up from 2\n";
        assert_eq!(last_decision(output), Some((4, "2 servers carry 31 sessions; up from 2")));
        assert_eq!(last_decision(""), None);
    }
}
