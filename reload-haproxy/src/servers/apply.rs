//! Makes server changes through the stats socket. It fails with a reason, and a reload follows, if an answer
//! is not understood, another worker answers, or the servers do not match the file afterwards.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::time::Duration;

use common::haproxy_socket::ask;
use common::servers_state::Row;

use crate::config::sections::{Layout, Sections};
use crate::haproxy::answers::parse_info;
use crate::haproxy::instance::Worker;
use crate::haproxy::version::Version;
use crate::servers::change::{Action, Change, Changes};
use crate::servers::commands::{deletion, deletions, lines};
use crate::servers::compare::{Known, changes, read_rows};
use crate::servers::read_back;
use crate::servers::reason::Reason;
use crate::servers::scope::Scope;
use crate::state::note::Parked;

/// Asks for all servers, and who answers.
pub(crate) const SERVERS: &str = "show info;show servers state";

/// A worker's stats socket.
pub(crate) struct Runtime<'a> {
    pub(crate) socket: &'a Path,
    pub(crate) worker: &'a Worker,
    pub(crate) version: Version,
    /// How long an answer may take.
    pub(crate) patience: Duration,
}

/// What changes have left.
pub(crate) struct Applied {
    /// The servers that are now parked.
    pub(crate) parked: Parked,
    /// Whether the changed servers were found by their predicted ids.
    pub(crate) has_ids: bool,
}

impl Runtime<'_> {
    /// The answer of this worker to `show servers state`.
    pub(crate) fn servers(&self) -> Result<String, Reason> {
        let mut answer = self.ask(SERVERS)?;
        let at = state_at(&answer);
        self.check_info(&answer[..at])?;
        answer.drain(..at);
        // Rows missing at the end would look like missing servers.
        if answer.ends_with("\n\n") { Ok(answer) } else { Err(Reason::Incomplete) }
    }

    /// Fails if another worker answers by now.
    pub(crate) fn check_worker(&self) -> Result<(), Reason> {
        self.check_info(&self.ask("show info")?)
    }

    /// Fails if `info`, an answer to `show info`, is from another worker.
    pub(crate) fn check_info(&self, info: &str) -> Result<(), Reason> {
        check_info(info, self.worker.pid)
    }

    /// Its answer to `add server help`: the keywords that it takes, from 3.2 on.
    pub(crate) fn keywords(&self) -> Result<String, Reason> {
        self.ask("add server help")
    }

    /// Makes the changes that make the servers those of `wanted`, and proves it. Fails with the reason for a reload.
    pub(crate) fn apply(&self, found: &Changes, wanted: &Layout, parked: &Parked) -> Result<Applied, Reason> {
        let replaced = self.replace_moved(&found.changes)?;
        for line in lines(&replaced, self.version)? {
            self.send(&line)?;
        }
        if self.version.can_delete() {
            self.delete(found)?;
        }
        if let Some(parked) = self.prove_few(found, parked) {
            return Ok(Applied { parked, has_ids: true });
        }
        let answer = self.servers()?;
        let (wanted, rows) = (wanted.sections(), read_rows(&answer)?);
        let left = left(found, parked, &rows);
        let (version, scope) = (self.version, &found.scope);
        let known = Known { layout: wanted, rows: &rows, parked: &left, version, scope };
        match changes(wanted, &known)?.changes.first() {
            None => Ok(Applied { parked: left, has_ids: false }),
            Some(change) => Err(Reason::NotApplied(change.key())),
        }
    }

    /// Proves a few changes by the figures of those servers alone. The others matched the file at the last look at all,
    /// and this run has not touched them. Returns the servers that are now parked, or `None` if nothing is proven.
    fn prove_few(&self, found: &Changes, parked: &Parked) -> Option<Parked> {
        let answer = self.ask(&read_back::question(&found.stat_ids)?).ok()?;
        let info = parse_info(&answer).filter(|info| !info.is_stopping)?;
        let is_same = info.pid == self.worker.pid;
        is_same.then(|| read_back::prove(found, &answer, parked, self.version.can_delete())).flatten()
    }

    /// Whether the servers differ from the file; false if there is no answer.
    pub(crate) fn differs(&self, layout: &Sections) -> bool {
        let Ok(answer) = self.servers() else { return false };
        let Ok(rows) = read_rows(&answer) else { return false };
        let (version, scope) = (self.version, &Scope::All);
        let known = Known { layout, rows: &rows, parked: &Parked::new(), version, scope };
        changes(layout, &known).is_ok_and(|found| !found.changes.is_empty())
    }

    /// Deletes servers that move, if that is possible at once, so that they are added again: the first check
    /// of a moved server may come up to `inter` later than that of a new one.
    fn replace_moved<'t>(&self, changes: &[Change<'t>]) -> Result<Vec<Change<'t>>, Reason> {
        let mut changes = changes.to_vec();
        for change in changes.iter_mut().filter(|_| self.version.can_delete()) {
            let key = change.key();
            let (Action::Move { settings } | Action::Return { settings }) = &change.action else { continue };
            // An added server is the last one, and only the first backup server serves.
            if settings.options.has("backup") {
                continue;
            }
            let answer = self.ask(&format!("disable server {key};{}", deletion(&key)))?;
            if answer.lines().any(|line| line == "Server deleted.") {
                change.action = Action::Add { settings: settings.clone(), has_dynamic_cookie: true };
            }
        }
        Ok(changes)
    }

    /// Sends commands, each of which must succeed.
    fn send(&self, line: &str) -> Result<(), Reason> {
        let answer = self.ask(line)?;
        match answer.lines().map(str::trim).find(|line| !is_success(line)) {
            Some(refusal) => Err(Reason::Rejected(refusal.to_owned())),
            None => Ok(()),
        }
    }

    /// Deletes removed servers. One that still has connections stays in maintenance.
    fn delete(&self, found: &Changes) -> Result<(), Reason> {
        let removed = found.changes.iter().filter(|change| matches!(change.action, Action::Remove { .. }));
        let keys: Vec<String> =
            removed.map(|change| change.key()).chain(found.parked.iter().cloned()).collect();
        for line in deletions(keys.iter().map(String::as_str)) {
            self.ask(&line)?;
        }
        Ok(())
    }

    /// Its answer to a line of commands.
    pub(crate) fn ask(&self, line: &str) -> Result<String, Reason> {
        ask(self.socket, line, self.patience).map_err(|err| socket_failed(self.socket, &err))
    }
}

pub(super) fn socket_failed(path: &Path, err: &io::Error) -> Reason {
    Reason::Socket { path: path.display().to_string(), error: err.to_string() }
}

/// Where the state of the servers begins in an answer to `SERVERS`; its end if there is none.
pub(super) fn state_at(answer: &str) -> usize {
    answer.find("\n1\n# ").map_or(answer.len(), |at| at + 1)
}

/// Fails if `info`, an answer to `show info`, is not from the worker `pid`.
pub(super) fn check_info(info: &str, pid: i32) -> Result<(), Reason> {
    match parse_info(info).filter(|info| !info.is_stopping) {
        Some(info) if info.pid == pid => Ok(()),
        Some(info) => Err(Reason::OtherWorker { now: info.pid, before: pid }),
        None => Err(Reason::Answer { command: "show info", answer: first_line(info).to_owned() }),
    }
}

/// Whether a line reports success; most commands answer nothing.
fn is_success(line: &str) -> bool {
    // 2.6 and 3.x report changed and unchanged addresses differently.
    const BEGINNINGS: [&str; 3] = ["IP changed from '", "port changed from '", "no need to change the addr"];
    let is_new_address = BEGINNINGS.iter().any(|beginning| line.starts_with(beginning));
    line.is_empty() || is_new_address || line == "nothing changed" || line == "New server registered."
}

/// The removed servers that are in maintenance, with their options.
fn left(found: &Changes, parked: &Parked, rows: &[Row]) -> Parked {
    let mut options: HashMap<String, &str> = HashMap::new();
    options.extend(parked.iter().map(|(key, options)| (key.clone(), options.as_str())));
    for change in &found.changes {
        match &change.action {
            Action::Remove { options: Some(text) } => drop(options.insert(change.key(), text)),
            _ => drop(options.remove(&change.key())),
        }
    }
    let mut left = Parked::new();
    for row in rows.iter().filter(|row| row.is_in_maintenance()) {
        let key = row.key();
        if let Some(options) = options.get(&key) {
            left.insert(key, (*options).to_owned());
        }
    }
    left
}

fn first_line(text: &str) -> &str {
    text.lines().find(|line| !line.is_empty()).unwrap_or_default()
}
