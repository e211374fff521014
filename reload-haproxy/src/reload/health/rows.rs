//! Rows of a server-state file: the health with which each server of the new configuration begins.
//!
//! HAProxy's own dump is not used as it is. A row's port overrides the configuration's, but its address does not
//! (haproxy#1412, #2103), and what was set by hand at the socket would come back after every reload. So each row
//! is written new: address and port are the configuration's, and only what the checks have found is the dump's.
//! The loader reads by position, not by the names of the columns. It needs the first 20 columns of version 1.
//! Those left out are TLS and the addresses of checks, which it would take from a row too.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;

use common::servers_state::{Check, Row, STOPPED, rows};

/// The first lines of the file, and all of it between reloads: HAProxy 2.6 warns if the file is missing or
/// empty.
pub(crate) const HEAD: &str =
    "1\n# Written by reload-haproxy for the moment of a reload; at other times it names no server.\n";

/// A server of the new configuration, as far as its health matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Server {
    pub(crate) backend: String,
    pub(crate) name: String,
    pub(crate) address: SocketAddr,
    /// Whether HAProxy checks it. A server that begins DOWN without checks would stay down.
    pub(crate) has_check: bool,
    /// Whether the configuration itself puts it into maintenance.
    pub(crate) is_disabled: bool,
}

/// HAProxy's numbers (srv_check_result), the same in all versions.
const UNKNOWN: &str = "0";
const PASSED: [&str; 2] = ["3", "4"];

/// A server of the running HAProxy, with what its checks have found.
type Seen<'a> = (Row<'a>, Check<'a>);

/// A backend, a server and its address.
type Key<'a> = (&'a str, &'a str, Option<SocketAddr>);

/// How a server begins.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Start<'a> {
    /// As it was.
    Seen { operational: u32, check: Check<'a> },
    /// As HAProxy begins without a row: up, until a check fails.
    Up,
    /// DOWN until its checks have passed: it is not known yet whether it serves.
    Unproven,
    /// In maintenance.
    Disabled,
}

/// The file with which `servers` begin, from the answer to `show servers state`. `None` if `answer` cannot be
/// read.
pub(crate) fn text(answer: &str, servers: &[Server]) -> Option<String> {
    let seen = seen(answer)?;
    let starts: Vec<(&Server, Start)> =
        servers.iter().map(|server| (server, start(server, seen.get(&server.key())))).collect();
    let serving: HashSet<&str> = starts
        .iter()
        .filter(|(_, start)| start.serves())
        .map(|(server, _)| server.backend.as_str())
        .collect();
    // If no other server of the backend serves, requests go to an unproven one: without it they would get a 503.
    let rows = starts
        .iter()
        .filter_map(|(server, start)| row(server, start, serving.contains(server.backend.as_str())));
    Some(std::iter::once(HEAD.to_owned()).chain(rows).collect())
}

impl Start<'_> {
    fn serves(&self) -> bool {
        match self {
            Start::Seen { operational, .. } => *operational != STOPPED,
            Start::Up => true,
            Start::Unproven | Start::Disabled => false,
        }
    }
}

impl Server {
    fn key(&self) -> Key<'_> {
        (&self.backend, &self.name, Some(self.address))
    }
}

/// How `server` is to begin.
fn start<'a>(server: &Server, seen: Option<&Seen<'a>>) -> Start<'a> {
    if server.is_disabled {
        return Start::Disabled;
    }
    if !server.has_check {
        return Start::Up;
    }
    match seen {
        None => Start::Unproven,
        Some((row, check)) => {
            let has_passed = PASSED.contains(&check.result);
            let seen = Start::Seen { operational: row.operational(), check: *check };
            match row.is_stopped() {
                // A server in maintenance is not checked, and one that began DOWN may not be checked yet.
                true if check.result == UNKNOWN || has_passed => Start::Unproven,
                // A row would give it back its full health, and with a reload a second it would never go down.
                false if !has_passed => Start::Up,
                _ => seen,
            }
        }
    }
}

fn row(server: &Server, start: &Start, others_serve: bool) -> Option<String> {
    let Server { backend, name, address, .. } = server;
    let (state, age, check) = match start {
        Start::Seen { operational, check } => {
            (*operational, check.age, [check.status, check.result, check.health].join(" "))
        }
        // "Initializing", no result, no health.
        Start::Unproven if others_serve => (STOPPED, "0", "1 0 0".to_owned()),
        Start::Unproven | Start::Up | Start::Disabled => return None,
    };
    // Ids are 0: servers are found by their names. The administrative state is 0: nothing that was set by hand.
    // Two equal weights keep the configuration's weight. 6: checks are configured and enabled.
    let (ip, port) = (address.ip(), address.port());
    Some(format!("0 {backend} 0 {name} {ip} {state} 0 1 1 {age} {check} 6 0 0 0 - {port} -\n"))
}

/// Each server with what its checks have found. Rows that cannot be read are left out.
fn seen(answer: &str) -> Option<HashMap<Key<'_>, Seen<'_>>> {
    let mut seen = HashMap::new();
    for row in rows(answer).ok()?.flatten() {
        let check = row.check()?;
        if [check.status, check.result, check.health, check.age].into_iter().all(is_number) {
            seen.insert((row.backend, row.name, row.endpoint()), (row, check));
        }
    }
    Some(seen)
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Captured from real HAProxys.
    const ANSWERS: [&str; 3] = [
        include_str!("../../../tests/fixtures/servers-state-2.6.12.txt"),
        include_str!("../../../tests/fixtures/servers-state-3.0.11.txt"),
        include_str!("../../../tests/fixtures/servers-state-3.2.26.txt"),
    ];

    fn server(name: &str, address: &str) -> Server {
        let address = address.parse().unwrap();
        Server { backend: "nodes".into(), name: name.into(), address, has_check: true, is_disabled: false }
    }

    /// The row of the first of `servers`, its state and what its checks have found.
    fn row_of(answer: &str, servers: &[Server]) -> Option<(String, String)> {
        let text = text(answer, servers).unwrap();
        let rows: Vec<Vec<&str>> =
            text.strip_prefix(HEAD).unwrap().lines().map(|line| line.split(' ').collect()).collect();
        assert!(rows.iter().all(|row| row.len() == 20 && row[6..9] == ["0", "1", "1"]), "{text}");
        let row = rows.iter().find(|row| row[1] == servers[0].backend && row[3] == servers[0].name)?;
        assert_eq!(
            (row[4], row[18]),
            (&*servers[0].address.ip().to_string(), &*servers[0].address.port().to_string())
        );
        Some((row[5].to_owned(), row[10..13].join(" ")))
    }

    /// The same beside a server that is up.
    fn row_beside(answer: &str, server: Server) -> Option<(String, String)> {
        row_of(answer, &[server, self::server("up", "127.9.9.20:8000")])
    }

    fn found(state: &str, check: &str) -> Option<(String, String)> {
        Some((state.to_owned(), check.to_owned()))
    }

    #[test]
    fn what_the_checks_have_found_is_kept() {
        for answer in ANSWERS {
            assert_eq!(row_beside(answer, server("down", "127.9.9.3:8000")), found("0", "8 2 0"));
            assert_eq!(row_of(answer, &[server("up", "127.9.9.20:8000")]), found("2", "6 3 4"));
            let six = Server { backend: "other".into(), ..server("six", "[::1]:8000") };
            assert_eq!(row_of(answer, &[six]), found("0", "8 2 0"));
        }
    }

    /// HAProxy 3.4.0 to 3.4.2 start with two servers of one name.
    #[test]
    fn two_servers_with_one_name_are_told_apart_by_their_addresses() {
        for answer in ANSWERS {
            let both = answer.replace(" down 127.9.9.3 ", " up 127.9.9.3 ");
            assert!(both != answer);
            assert_eq!(row_beside(&both, server("up", "127.9.9.3:8000")), found("0", "8 2 0"));
            assert_eq!(row_of(&both, &[server("up", "127.9.9.20:8000")]), found("2", "6 3 4"));
        }
    }

    #[test]
    fn what_was_set_by_hand_is_forgotten_and_a_server_from_maintenance_is_checked_first() {
        for answer in ANSWERS {
            for name in ["drain", "weighty", "moved"] {
                assert_eq!(row_beside(answer, server(name, "127.9.9.20:8000")), found("2", "6 3 4"));
            }
            assert_eq!(row_beside(answer, server("maint", "127.9.9.20:8000")), found("0", "1 0 0"));
        }
    }

    #[test]
    fn a_new_server_and_one_at_another_address_or_port_begin_down() {
        for answer in ANSWERS {
            for server in
                [server("new", "127.9.9.9:8000"), server("up", "127.9.9.20:8001"), server("up", "[::1]:8000")]
            {
                let other = self::server("drain", "127.9.9.20:8000");
                assert_eq!(row_of(answer, &[server, other]), found("0", "1 0 0"));
            }
        }
    }

    #[test]
    fn a_new_server_gets_requests_at_once_if_no_other_serves() {
        for answer in ANSWERS {
            let new = server("new", "127.9.9.9:8000");
            assert_eq!(row_of(answer, &[new.clone(), server("down", "127.9.9.3:8000")]), None);
            let elsewhere = Server { backend: "other".into(), ..server("unchecked", "127.9.9.20:8000") };
            assert_eq!(row_of(answer, &[new.clone(), Server { has_check: false, ..elsewhere }]), None);
            let unchecked = Server { has_check: false, ..server("unchecked", "127.9.9.20:8000") };
            assert_eq!(row_of(answer, &[new, unchecked]), found("0", "1 0 0"));
        }
    }

    #[test]
    fn a_server_that_is_failing_does_not_get_back_its_full_health() {
        for answer in ANSWERS {
            assert_eq!(row_beside(answer, server("failing", "127.9.9.20:8001")), None);
        }
    }

    #[test]
    fn a_server_that_is_disabled_or_not_checked_has_no_row() {
        for answer in ANSWERS {
            let down = server("down", "127.9.9.3:8000");
            assert_eq!(row_beside(answer, Server { has_check: false, ..down.clone() }), None);
            assert_eq!(row_beside(answer, Server { is_disabled: true, ..down }), None);
        }
    }

    #[test]
    fn an_answer_that_cannot_be_read_gives_no_text() {
        for answer in ["", "Permission denied\n", "2\n# be_name\n", "1\n", "1\n# be_name srv_name\n"] {
            assert_eq!(text(answer, &[]), None);
        }
        let cut = &ANSWERS[0][..ANSWERS[0].find("127.9.9.3").unwrap()];
        assert_eq!(row_beside(cut, server("down", "127.9.9.3:8000")), found("0", "1 0 0"));
    }
}
