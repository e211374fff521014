//! The servers that HAProxy has, from its answer to `show servers state`.
//!
//! The first line of the answer is the format's version, and the second names the columns. Columns are found by
//! their names, because newer versions append some.

mod columns;

use std::fmt::{self, Display};
use std::net::SocketAddr;

use memchr::memchr_iter;
use serde::Serialize;

use columns::{CheckColumns, Columns, Values, number};

use crate::ip_address;
use crate::text_lines::text_lines;

/// SRV_ADMF_FMAINT: set through the socket, or by `disabled` in the configuration.
const FORCED_MAINT: u32 = 0x01;

/// SRV_ADMF_FDRAIN: set through the socket.
const FORCED_DRAIN: u32 = 0x08;
/// SRV_ST_STOPPED: it is down, or in maintenance.
pub const STOPPED: u32 = 0;
/// HCHK_STATUS_START: a check with a higher status has ended.
const CHECK_BEGAN: u32 = 2;
/// CHK_ST_ENABLED
const CHECK_ENABLED: u32 = 0x04;

/// The state of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It takes requests.
    Up,
    /// It keeps its sessions and gets no new ones.
    Drain,
    /// It is down.
    Down,
    /// It is in maintenance.
    Maint,
    /// It is no longer in the file, and in maintenance until the next reload.
    Parked,
}

impl Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format!("{self:?}").to_lowercase())
    }
}

/// What HAProxy's checks find of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Finding {
    /// A check has ended, and the server is up. A drained server is up.
    Up,
    /// It gets requests and is checked, but no check has ended yet, as after a reload.
    Starting,
    /// It is checked, and gets no requests.
    Down,
    /// It is not checked, or it is in maintenance.
    Unknown,
}

impl Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format!("{self:?}").to_lowercase())
    }
}

/// A server of the running HAProxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row<'a> {
    /// Its backend.
    pub backend: &'a str,
    /// Its name.
    pub name: &'a str,
    /// As HAProxy wrote it.
    address: &'a str,
    port: u16,
    /// The weight that it was last given.
    pub weight: u32,
    admin: u32,
    operational: u32,
    /// All of it, and where to find what is rarely needed. Ten thousand rows are kept at once.
    line: &'a str,
    id_columns: [u8; 2],
    check_columns: Option<CheckColumns>,
}

/// What the checks of a server have found: numbers, as HAProxy printed them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Check<'a> {
    /// The status of its last check.
    pub status: &'a str,
    /// The result of its last check.
    pub result: &'a str,
    /// How many checks in a row have passed or failed, from 0.
    pub health: &'a str,
    /// Flags: whether checks are configured, enabled, paused.
    state: &'a str,
    /// Seconds since the server last came up or went down.
    pub age: &'a str,
}

impl<'a> Row<'a> {
    /// The row of a server that is up and whose checks are not known. `endpoint` is an address and a port.
    pub fn new(backend: &'a str, name: &'a str, endpoint: &'a str, weight: u32, admin: u32) -> Row<'a> {
        let (address, port) = endpoint.rsplit_once(':').unwrap_or((endpoint, "0"));
        let (address, port) = (address.trim_matches(['[', ']']), port.parse().unwrap_or(0));
        let (line, id_columns, check_columns) = ("1", [0, 0], None);
        Row { backend, name, address, port, weight, admin, operational: 2, line, id_columns, check_columns }
    }

    /// What its checks have found; `None` if this version does not print it.
    pub fn check(&self) -> Option<Check<'a>> {
        Some(Check::read(self.line, self.check_columns?))
    }

    /// The numbers of its backend and of itself, as HAProxy wrote them.
    pub fn ids(&self) -> [&'a str; 2] {
        let values = Values::all(self.line);
        self.id_columns.map(|column| values.get(column.into()).unwrap_or_default())
    }
}

impl Row<'_> {
    /// Where it is; `None` if it has no IP address: a socket, or a name that is not resolved.
    pub fn endpoint(&self) -> Option<SocketAddr> {
        Some(SocketAddr::new(ip_address::parse(self.address)?, self.port))
    }

    /// Whether `word` is its address, a colon and its port, as they are usually written.
    pub fn is_at(&self, word: &str) -> bool {
        let port = word.strip_prefix(self.address).and_then(|rest| rest.strip_prefix(':'));
        port.is_some_and(|port| !port.starts_with(['0', '+']) && port.parse() == Ok(self.port))
    }

    /// Whether it was put into maintenance, by the configuration or through the socket.
    pub fn is_in_maintenance(&self) -> bool {
        self.admin & FORCED_MAINT != 0
    }

    /// What its checks find.
    pub fn finding(&self) -> Finding {
        let number = |text: &str| text.parse().unwrap_or(0_u32);
        let is_checked = |check: &Check<'_>| number(check.state) & CHECK_ENABLED != 0;
        match (self.check().filter(is_checked), self.state()) {
            (None, _) | (_, State::Maint | State::Parked) => Finding::Unknown,
            (_, State::Down) => Finding::Down,
            (Some(check), _) if number(check.status) <= CHECK_BEGAN => Finding::Starting,
            (_, State::Up | State::Drain) => Finding::Up,
        }
    }

    /// Whether HAProxy considers it down, which it is in maintenance too.
    pub fn is_stopped(&self) -> bool {
        self.operational == STOPPED
    }

    /// Its operational state, as HAProxy numbers it.
    pub fn operational(&self) -> u32 {
        self.operational
    }

    /// Its state.
    pub fn state(&self) -> State {
        state(self.admin, self.operational, self.weight)
    }

    /// Its name at the socket: `backend/server`.
    pub fn key(&self) -> String {
        format!("{}/{}", self.backend, self.name)
    }
}

fn state(admin: u32, operational: u32, weight: u32) -> State {
    match operational {
        _ if admin & FORCED_MAINT != 0 => State::Maint,
        STOPPED => State::Down,
        _ if admin & FORCED_DRAIN != 0 || weight == 0 => State::Drain,
        _ => State::Up,
    }
}

/// Reads the answer to `show servers state`. Fails with the first line that cannot be read.
pub fn parse(answer: &str) -> Result<Vec<Row<'_>>, &str> {
    let (table, rest) = Table::begin(answer)?;
    let mut rows = Vec::new();
    table.read(rest, &mut rows).map(|()| rows)
}

/// Reads the answer to `show servers state` row by row: a row, or the line that cannot be read. Fails with the
/// first line if it is not such an answer.
pub fn rows(answer: &str) -> Result<impl Iterator<Item = Result<Row<'_>, &str>>, &str> {
    let (table, rest) = Table::begin(answer)?;
    Ok(lines(rest).map(move |line| table.row(line).ok_or(line)))
}

/// Counts the servers in the answer to `show servers state`. Returns `None` unless all can be read, are up, and belong
/// to `backend`. It reads only four columns, in a tenth of the time that `rows` takes.
pub fn count_up(answer: &str, backend: &str) -> Option<u32> {
    let (table, rest) = Table::begin(answer).ok()?;
    let is_up = |line: &str| table.is_up(line.as_bytes(), backend.as_bytes()) == Some(true);
    lines(rest).try_fold(0_u32, |count, line| is_up(line).then_some(count + 1))
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text_lines(text).filter(|line| !line.is_empty())
}

/// The table that an answer to `show servers state` is. It can be read while its later parts are still on their way.
pub struct Table(Columns);

impl Table {
    /// Reads the first two lines of an answer. Returns what follows them. Fails with the first line.
    pub fn begin(answer: &str) -> Result<(Table, &str), &str> {
        let mut lines = lines(answer);
        let version = lines.next().unwrap_or_default();
        let header = lines.next().filter(|_| version == "1").ok_or(version)?;
        let columns = header.strip_prefix("# ").and_then(Columns::find).ok_or(version)?;
        let end = header.as_ptr() as usize - answer.as_ptr() as usize + header.len();
        Ok((Table(columns), &answer[end..]))
    }

    /// Adds the rows in a part of the answer, which ends with a line. Fails with the first line that cannot be read.
    pub fn read<'a>(&self, part: &'a str, rows: &mut Vec<Row<'a>>) -> Result<(), &'a str> {
        // Rows are large, and are not moved again and again while they become more.
        rows.reserve(memchr_iter(b'\n', part.as_bytes()).count());
        for line in lines(part) {
            rows.push(self.row(line).ok_or(line)?);
        }
        Ok(())
    }

    fn row<'a>(&self, line: &'a str) -> Option<Row<'a>> {
        let (Table(columns), values) = (self, self.0.values(line));
        // They are there, but are not kept.
        values.get(columns.ids[0].into()).and(values.get(columns.ids[1].into()))?;
        Some(Row {
            backend: values.get(columns.backend)?,
            name: values.get(columns.name)?,
            address: values.get(columns.address)?,
            port: values.number(columns.port)?.try_into().ok()?,
            weight: values.number(columns.weight)?,
            admin: values.number(columns.admin)?,
            operational: values.number(columns.operational)?,
            line,
            id_columns: columns.ids,
            check_columns: columns.check,
        })
    }

    /// Whether the server of this line is up and belongs to `backend`; `None` if that cannot be read.
    fn is_up(&self, line: &[u8], backend: &[u8]) -> Option<bool> {
        let Table(columns) = self;
        let (mut is_of_backend, mut admin, mut operational, mut weight) = (false, None, None, None);
        let last = columns.backend.max(columns.admin).max(columns.operational).max(columns.weight);
        for (column, value) in line.split(|byte| *byte == b' ').take(last + 1).enumerate() {
            let number = || number(std::str::from_utf8(value).ok()?);
            if column == columns.backend {
                is_of_backend = value == backend;
            } else if column == columns.admin {
                admin = number();
            } else if column == columns.operational {
                operational = number();
            } else if column == columns.weight {
                weight = number();
            }
        }
        Some(state(admin?, operational?, weight?) == State::Up && is_of_backend)
    }
}

impl<'a> Check<'a> {
    /// What is in these columns of a line.
    fn read(line: &'a str, columns: CheckColumns) -> Check<'a> {
        let values = Values::all(line);
        let [status, result, health, state, age] = columns.map(|at| values.get(at.into()).unwrap_or("0"));
        Check { status, result, health, state, age }
    }
}

#[cfg(test)]
mod tests;
