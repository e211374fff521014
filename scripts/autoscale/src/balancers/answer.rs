//! Reads the answers to `show info`, `show stat` and `show servers state`, in the forms of all versions.
//!
//! Columns are found by their names, because each version adds some. A cell can hold what a server answered to a check, so
//! it may be quoted. A backend's own row comes after those of its servers, and HAProxy ends each answer with an empty line.
//! An answer without that row or that line was cut off.

use std::collections::HashMap;

use common::servers_state;
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
        let is_whole = add_table(&mut report, table, backend)?;
        match (is_whole, is_ended(answer)) {
            (true, _) => {}
            // A frontend of that name has no rows here.
            (false, true) => return Err(Flaw::NoBackend(index)),
            (false, false) => return Err(Flaw::Incomplete),
        }
    }
    if is_ended(answer) { Ok(report) } else { Err(Flaw::Incomplete) }
}

/// Reads the answer to `show info;show stat BACKEND 2 -1`: the traffic, and how many servers are active. Returns `None` if
/// anything is unusual.
pub(super) fn read_row(answer: &str, backend: &str) -> Option<Report> {
    let mut parts = parts(answer);
    let mut report = info(parts.next()?).ok()?;
    let is_whole = add_table(&mut report, parts.next()?, backend).ok()?;
    (is_whole && is_ended(answer)).then_some(report)
}

/// Reads the answer to `show info;show stat BACKEND 2 -1;show servers state BACKEND`. Returns `None` if a server is not up,
/// or if anything else is unusual.
pub(super) fn read_list(answer: &str, backend: &str) -> Option<Report> {
    // The list of servers is long, so it is not searched for the end of its part, as `parts` would.
    let (first, rest) = answer.split_once("\n\n")?;
    let (table, servers) = rest.split_once("\n\n")?;
    let mut report = info(first).ok()?;
    let is_whole = add_table(&mut report, table.trim_matches('\n'), backend).ok()?;
    report.unnamed = servers_state::count_up(servers, backend)?;
    // A backup server is up too, but not active.
    (is_whole && u64::from(report.unnamed) == report.active && is_ended(answer)).then_some(report)
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

/// Adds a backend's rows to the report. Returns whether its own row is among them.
fn add_table(report: &mut Report, table: &str, backend: &str) -> Result<bool, Flaw> {
    let table = table.strip_prefix("# ").ok_or(Flaw::Strange)?;
    let mut reader = ReaderBuilder::new().flexible(true).from_reader(table.as_bytes());
    let head = reader.headers().map_err(|_| Flaw::Strange)?.clone();
    let columns: HashMap<&str, usize> = head.iter().enumerate().map(|(index, name)| (name, index)).collect();
    let mut is_whole = false;
    for cells in reader.records() {
        let row = Row { columns: &columns, cells: cells.map_err(|_| Flaw::Strange)? };
        if row.text("pxname") != backend {
            return Err(Flaw::Strange);
        }
        match row.text("type") {
            SERVER => report.servers.extend(row.server()?),
            BACKEND => {
                row.add_backend(report)?;
                is_whole = true;
            }
            _ => return Err(Flaw::Incomplete),
        }
    }
    Ok(is_whole)
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

    /// Adds what the backend's own row reports.
    fn add_backend(&self, report: &mut Report) -> Result<(), Flaw> {
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
        add(&mut report.active, "act")?;
        add(&mut report.weight, "weight")
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
mod tests;
