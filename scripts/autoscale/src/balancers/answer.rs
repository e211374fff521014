//! Reads the answers to `show info`, `show stat` and `show servers state`, in the forms of all versions.
//!
//! Columns are found by their names, because each version adds some. A cell can hold what a server answered to a check, so
//! it may be quoted. A backend's own row comes after those of its servers, and HAProxy ends each answer with an empty line.
//! An answer without that row or that line was cut off.

use std::collections::HashMap;

use common::servers_state::{self, State};
use csv::{ReaderBuilder, StringRecord};

use crate::sizing::look::{Report, Server, ServerState};

/// What is wrong with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// HAProxy has no backend of that name; its index in the question.
    NoBackend(usize),
    /// It ends too early.
    Incomplete,
    /// It is something else.
    Strange,
}

/// Values of the column `type`.
const BACKEND: &str = "1";
const SERVER: &str = "2";

/// Reads the answer to `show info;show stat BACKEND 6 -1;...`, and adds up the backends.
pub(super) fn read(answer: &str, backends: &[String]) -> Result<Report, Flaw> {
    let mut parts = parts(answer);
    let mut report = info(parts.next().ok_or(Flaw::Incomplete)?)?;
    for (index, backend) in backends.iter().enumerate() {
        let table = parts.next().ok_or(Flaw::Incomplete)?;
        if table.starts_with("No such proxy") {
            return Err(Flaw::NoBackend(index));
        }
        let is_whole = add_table(&mut report, table, backend)?.is_some();
        match (is_whole, is_ended(answer)) {
            (true, _) => {}
            // A frontend of that name has no rows here.
            (false, true) => return Err(Flaw::NoBackend(index)),
            (false, false) => return Err(Flaw::Incomplete),
        }
    }
    if is_ended(answer) { Ok(report) } else { Err(Flaw::Incomplete) }
}

/// Reads the answer to `show info;show stat BACKEND 2 -1;show servers state BACKEND;...`. Returns `None` if a server is not
/// up, or if anything else is unusual: then the whole question must be asked.
pub(super) fn read_brief(answer: &str, backends: &[String]) -> Option<Report> {
    let mut parts = parts(answer);
    let mut report = info(parts.next()?).ok()?;
    for backend in backends {
        let active = add_table(&mut report, parts.next()?, backend).ok()??;
        let rows = servers_state::parse(parts.next()?).ok()?;
        // A backup server is up too, but not active.
        let are_up = rows.iter().all(|row| row.state() == State::Up && row.backend == backend);
        if !are_up || rows.len() as u64 != active {
            return None;
        }
        report.servers.extend(rows.iter().map(|row| Server {
            name: row.name.to_owned(),
            state: ServerState::Up,
            sessions: 0,
            maxconn: None,
        }));
    }
    is_ended(answer).then_some(report)
}

/// The answers to the commands of one line.
fn parts(answer: &str) -> impl Iterator<Item = &str> {
    answer.split("\n\n").map(|part| part.trim_matches('\n')).filter(|part| !part.is_empty())
}

fn is_ended(answer: &str) -> bool {
    answer.ends_with("\n\n")
}

fn info(part: &str) -> Result<Report, Flaw> {
    let field = |name: &str| {
        part.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).ok_or(Flaw::Strange)
    };
    let pid = field("Pid")?.parse().map_err(|_| Flaw::Strange)?;
    let uptime = field("Uptime_sec")?.parse().map_err(|_| Flaw::Strange)?;
    Ok(Report { pid, uptime, ..Report::default() })
}

/// Adds a backend's rows to the report. Returns how many of its servers are active, or `None` if its own row is missing.
fn add_table(report: &mut Report, table: &str, backend: &str) -> Result<Option<u64>, Flaw> {
    let table = table.strip_prefix("# ").ok_or(Flaw::Strange)?;
    let mut reader = ReaderBuilder::new().flexible(true).from_reader(table.as_bytes());
    let head = reader.headers().map_err(|_| Flaw::Strange)?.clone();
    let columns: HashMap<&str, usize> = head.iter().enumerate().map(|(index, name)| (name, index)).collect();
    let mut active = None;
    for cells in reader.records() {
        let row = Row { columns: &columns, cells: cells.map_err(|_| Flaw::Strange)? };
        if row.text("pxname") != backend {
            return Err(Flaw::Strange);
        }
        match row.text("type") {
            SERVER => report.servers.extend(row.server()?),
            BACKEND => active = Some(row.add_backend(report)?),
            _ => return Err(Flaw::Incomplete),
        }
    }
    Ok(active)
}

/// A row, with the columns' positions.
struct Row<'a> {
    columns: &'a HashMap<&'a str, usize>,
    cells: StringRecord,
}

impl Row<'_> {
    /// A cell, empty if there is none.
    fn text(&self, column: &str) -> &str {
        self.columns.get(column).and_then(|index| self.cells.get(*index)).unwrap_or_default()
    }

    fn number(&self, column: &str) -> Result<u64, Flaw> {
        self.text(column).parse().map_err(|_| Flaw::Strange)
    }

    /// Adds what the backend's own row reports. Returns how many of its servers are active.
    fn add_backend(&self, report: &mut Report) -> Result<u64, Flaw> {
        let add = |sum: &mut u64, column: &str| {
            *sum = sum.saturating_add(self.number(column)?);
            Ok(())
        };
        add(&mut report.sessions, "scur")?;
        add(&mut report.queued, "qcur")?;
        // In TCP mode a session is a request.
        add(&mut report.requests, if self.text("req_tot").is_empty() { "stot" } else { "req_tot" })?;
        for column in ["econ", "wretr", "wredis"] {
            add(&mut report.errors, column)?;
        }
        self.number("act")
    }

    /// The server of this row, unless it is a backup server or out of service.
    fn server(&self) -> Result<Option<Server>, Flaw> {
        let sessions = self.number("scur")?;
        let is_in_maintenance = self.text("status").starts_with("MAINT");
        if self.number("bck")? > 0 || (is_in_maintenance && sessions == 0) {
            return Ok(None);
        }
        let maxconn = self.text("slim").parse().ok().filter(|maxconn| *maxconn > 0);
        Ok(Some(Server { name: self.text("svname").to_owned(), state: self.state()?, sessions, maxconn }))
    }

    fn state(&self) -> Result<ServerState, Flaw> {
        let status = self.text("status");
        Ok(if status.starts_with("MAINT") || status == "DRAIN" || self.text("uweight") == "0" {
            ServerState::Draining
        } else if !status.starts_with("DOWN") {
            ServerState::Up
        } else if self.number("stot")? == 0 {
            // `chkdown` would not do: it is above 0 for each server that reload-haproxy adds, because it marks it DOWN at first.
            ServerState::Starting
        } else {
            ServerState::Failed
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Captured from real HAProxys of these versions.
    const WHOLE: [&str; 4] = [
        include_str!("../../tests/fixtures/whole-2.6.12.txt"),
        include_str!("../../tests/fixtures/whole-3.0.11.txt"),
        include_str!("../../tests/fixtures/whole-3.2.26.txt"),
        include_str!("../../tests/fixtures/whole-3.4.7.txt"),
    ];
    const BRIEF: [&str; 4] = [
        include_str!("../../tests/fixtures/brief-2.6.12.txt"),
        include_str!("../../tests/fixtures/brief-3.0.11.txt"),
        include_str!("../../tests/fixtures/brief-3.2.26.txt"),
        include_str!("../../tests/fixtures/brief-3.4.7.txt"),
    ];
    const NONE: [&str; 4] = [
        include_str!("../../tests/fixtures/none-2.6.12.txt"),
        include_str!("../../tests/fixtures/none-3.0.11.txt"),
        include_str!("../../tests/fixtures/none-3.2.26.txt"),
        include_str!("../../tests/fixtures/none-3.4.7.txt"),
    ];

    fn named(backend: &str) -> Vec<String> {
        vec![backend.to_owned()]
    }

    #[test]
    fn the_backends_row_is_read() {
        for answer in WHOLE {
            let report = read(answer, &named("nodes")).unwrap();
            assert_eq!((report.sessions, report.queued + report.errors), (10, 7));
            assert!(report.pid > 0);
        }
    }

    #[test]
    fn each_server_is_read_except_those_in_maintenance_and_the_backup_server() {
        for answer in WHOLE {
            let report = read(answer, &named("nodes")).unwrap();
            let seen: Vec<(&str, ServerState, u64, Option<u64>)> = report
                .servers
                .iter()
                .map(|server| (server.name.as_str(), server.state, server.sessions, server.maxconn))
                .collect();
            let expected = [
                ("s1", ServerState::Up, 3, Some(3)),
                // Its last check has commas and quotation marks.
                ("s2", ServerState::Starting, 0, None),
                ("s3", ServerState::Draining, 0, None),
                ("s6", ServerState::Draining, 0, Some(4)),
                ("s7", ServerState::Failed, 0, None),
            ];
            assert_eq!(seen, expected);
        }
    }

    #[test]
    fn a_server_that_has_served_and_is_down_has_failed() {
        let head = "Pid: 5\nUptime_sec: 9\n\n# pxname,svname,qcur,scur,stot,status,bck,act,type,uweight,econ,wretr,wredis,";
        let rows = "n,s1,0,0,0,DOWN,0,1,2,1,0,0,0,\nn,s2,0,0,7,DOWN 1/2,0,1,2,1,0,0,0,\nn,s3,0,2,7,MAINT,0,1,2,1,0,0,0,\n\
                    n,BACKEND,1,4,9,UP,0,0,1,0,3,2,1,\n\n";
        let report = read(&format!("{head}\n{rows}"), &named("n")).unwrap();
        let states: Vec<ServerState> = report.servers.iter().map(|server| server.state).collect();
        assert_eq!(states, [ServerState::Starting, ServerState::Failed, ServerState::Draining]);
        assert_eq!((report.sessions, report.queued, report.requests, report.errors), (4, 1, 9, 6));
    }

    #[test]
    fn the_brief_answer_says_as_much_if_all_servers_are_up() {
        for answer in BRIEF {
            let report = read_brief(answer, &named("plain")).unwrap();
            assert_eq!((report.sessions, report.servers.len()), (0, 2));
            assert!(report.servers.iter().all(|server| server.state == ServerState::Up));
            // Not all are up, or one is a backup server.
            assert_eq!(
                read_brief(&answer.replace(" p2 127.0.0.1 2 0 ", " p2 127.0.0.1 0 0 "), &named("plain")),
                None
            );
            assert_eq!(
                read_brief(&answer.replace(" p2 127.0.0.1 2 0 ", " p2 127.0.0.1 2 8 "), &named("plain")),
                None
            );
            let more = answer.trim_end().lines().last().unwrap().replace("p2", "p3");
            assert_eq!(read_brief(&format!("{}\n{more}\n\n", answer.trim_end()), &named("plain")), None);
        }
    }

    #[test]
    fn an_answer_that_was_cut_off_anywhere_is_not_read() {
        for answer in WHOLE {
            for end in (0..answer.len() - 1).rev().step_by(13) {
                let cut = answer.get(..end).unwrap();
                assert!(read(cut, &named("nodes")).is_err(), "{end}");
                assert_eq!(read_brief(cut, &named("nodes")), None);
            }
        }
        for answer in BRIEF {
            for end in (0..answer.len() - 1).rev().step_by(13) {
                assert_eq!(read_brief(answer.get(..end).unwrap(), &named("plain")), None, "{end}");
            }
        }
    }

    #[test]
    fn a_backend_that_is_not_there_is_named() {
        for answer in NONE {
            assert_eq!(read(answer, &named("nope")), Err(Flaw::NoBackend(0)));
        }
        for answer in WHOLE {
            assert_eq!(read(answer, &named("other")), Err(Flaw::Strange));
            assert_eq!(read(answer, &["nodes".to_owned(), "more".to_owned()]), Err(Flaw::Incomplete));
        }
        for other in ["", "Permission denied\n\n", "Pid: x\n\n", "\n\n\n"] {
            assert!(read(other, &named("nodes")).is_err(), "{other}");
        }
    }
}
