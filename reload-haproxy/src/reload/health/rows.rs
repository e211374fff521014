//! Rows of a server-state file: with what health each server of the new configuration begins.
//!
//! HAProxy's own dump is not handed on as it is. A row's port overrides the configuration's while the
//! address does not (haproxy#1412, #2103), and what was set by hand at the socket would come back after
//! every reload. So a row is written anew: address and port from the configuration, from the dump only what
//! the checks have found. The loader goes by position, not by the line with the names of the columns, and
//! needs the first 20 columns of version 1; those left out are TLS and the checks' addresses, which it would
//! take from a row too.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};

/// What the file begins with, and all that it holds between reloads: HAProxy 2.6 warns of one that is missing
/// or empty.
pub(crate) const HEAD: &str =
    "1\n# Written by reload-haproxy for the moment of a reload; at other times it names no server.\n";

/// A server of the new configuration, as far as its health matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Server {
    pub(crate) backend: String,
    pub(crate) name: String,
    pub(crate) address: SocketAddr,
    /// Whether HAProxy checks it. Nobody would bring one up that begins DOWN and is not checked.
    pub(crate) has_check: bool,
    /// Whether the configuration itself puts it into maintenance.
    pub(crate) is_disabled: bool,
}

/// What HAProxy says of a server: numbers, as it wrote them.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen<'a> {
    address: Option<SocketAddr>,
    state: &'a str,
    /// Seconds since it last came up or went down.
    age: &'a str,
    check_status: &'a str,
    check_result: &'a str,
    check_health: &'a str,
}

/// Columns of `show servers state`, in the order of `Seen`'s fields; the first four say who it is.
const COLUMNS: [&str; 9] = [
    "be_name",
    "srv_name",
    "srv_addr",
    "srv_port",
    "srv_op_state",
    "srv_time_since_last_change",
    "srv_check_status",
    "srv_check_result",
    "srv_check_health",
];

/// HAProxy's numbers (srv_op_state, srv_check_result), the same in all versions.
const STOPPED: &str = "0";
const UNKNOWN: &str = "0";
const PASSED: [&str; 2] = ["3", "4"];

/// How a server begins.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Start<'a> {
    /// As it was seen.
    Seen(Seen<'a>),
    /// As HAProxy begins without a row: up, until a check fails.
    Up,
    /// DOWN until its checks have passed: nobody knows yet whether it serves.
    Unproven,
    /// Not at all.
    Disabled,
}

/// The file for the start of `servers`, from the answer to `show servers state`; `None` if `answer` is none.
pub(crate) fn text(answer: &str, servers: &[Server]) -> Option<String> {
    let seen = parse(answer)?;
    let starts: Vec<(&Server, Start)> = servers
        .iter()
        .map(|server| (server, start(server, seen.get(&(server.backend.as_str(), server.name.as_str())))))
        .collect();
    let serving: HashSet<&str> = starts
        .iter()
        .filter(|(_, start)| start.serves())
        .map(|(server, _)| server.backend.as_str())
        .collect();
    // Where nobody else serves, an unproven server can only do better than a 503.
    let rows = starts
        .iter()
        .filter_map(|(server, start)| row(server, start, serving.contains(server.backend.as_str())));
    Some(std::iter::once(HEAD.to_owned()).chain(rows).collect())
}

impl Start<'_> {
    fn serves(&self) -> bool {
        match self {
            Start::Seen(seen) => seen.state != STOPPED,
            Start::Up => true,
            Start::Unproven | Start::Disabled => false,
        }
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
    match seen.filter(|seen| seen.address == Some(server.address)) {
        None => Start::Unproven,
        Some(seen) if seen.state == STOPPED => {
            // In maintenance it is not checked, and one that was DOWN from its first moment was not yet.
            let is_proven_down = seen.check_result != UNKNOWN && !PASSED.contains(&seen.check_result);
            if is_proven_down { Start::Seen(seen.clone()) } else { Start::Unproven }
        }
        // A row would give it back its full health, and with a reload a second it would never go down.
        Some(seen) if !PASSED.contains(&seen.check_result) => Start::Up,
        Some(seen) => Start::Seen(seen.clone()),
    }
}

fn row(server: &Server, start: &Start, others_serve: bool) -> Option<String> {
    let Server { backend, name, address, .. } = server;
    let (state, age, check) = match start {
        Start::Seen(seen) => {
            (seen.state, seen.age, [seen.check_status, seen.check_result, seen.check_health].join(" "))
        }
        // "Initializing", no result, no health.
        Start::Unproven if others_serve => (STOPPED, "0", "1 0 0".to_owned()),
        Start::Unproven | Start::Up | Start::Disabled => return None,
    };
    // No ids: servers are found by their names. No state that somebody set: 0. Two equal weights, whichever,
    // leave the configuration's alone. 6: checks are configured and switched on.
    let (ip, port) = (address.ip(), address.port());
    Some(format!("0 {backend} 0 {name} {ip} {state} 0 1 1 {age} {check} 6 0 0 0 - {port} -\n"))
}

/// What each server, by backend and name, was seen to be. A row that cannot be read is passed over.
fn parse(answer: &str) -> Option<HashMap<(&str, &str), Seen<'_>>> {
    let mut lines = answer.lines().filter(|line| !line.is_empty());
    lines.next().filter(|version| version.trim() == "1")?;
    let header: Vec<&str> = lines.next()?.strip_prefix('#')?.split_whitespace().collect();
    let positions = COLUMNS.map(|column| header.iter().position(|name| *name == column));
    positions
        .iter()
        .all(Option::is_some)
        .then(|| lines.filter_map(|line| parse_row(line, &positions)).collect())
}

fn parse_row<'a>(line: &'a str, positions: &[Option<usize>]) -> Option<((&'a str, &'a str), Seen<'a>)> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let word = |index: usize| words.get(positions[index]?).copied();
    let number = |index| word(index).filter(|word| word.bytes().all(|b| b.is_ascii_digit()));
    let ip = word(2)?.parse::<IpAddr>().ok();
    let seen = Seen {
        address: ip.zip(word(3)?.parse().ok()).map(SocketAddr::from),
        state: number(4)?,
        age: number(5)?,
        check_status: number(6)?,
        check_result: number(7)?,
        check_health: number(8)?,
    };
    Some(((word(0)?, word(1)?), seen))
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
    fn a_new_server_is_tried_at_once_where_nobody_else_serves() {
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
    fn one_that_is_disabled_or_no_longer_checked_has_no_row() {
        for answer in ANSWERS {
            let down = server("down", "127.9.9.3:8000");
            assert_eq!(row_beside(answer, Server { has_check: false, ..down.clone() }), None);
            assert_eq!(row_beside(answer, Server { is_disabled: true, ..down }), None);
        }
    }

    #[test]
    fn columns_are_found_by_their_names() {
        let answer = "1\n# srv_port srv_check_health srv_check_result srv_check_status new srv_name be_name \
                      srv_time_since_last_change srv_op_state srv_addr\n\n8000 0 2 8 x down nodes 7 0 127.9.9.3\n";
        assert_eq!(row_of(answer, &[server("down", "127.9.9.3:8000")]), found("0", "8 2 0"));
    }

    #[test]
    fn what_is_no_answer_gives_no_text() {
        for answer in ["", "Permission denied\n", "2\n# be_name\n", "1\n", "1\n# be_name srv_name\n"] {
            assert_eq!(text(answer, &[]), None);
        }
        let cut = &ANSWERS[0][..ANSWERS[0].find("127.9.9.3").unwrap()];
        assert_eq!(row_beside(cut, server("down", "127.9.9.3:8000")), found("0", "1 0 0"));
    }
}
