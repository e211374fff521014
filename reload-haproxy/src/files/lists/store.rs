//! One map or list in the running HAProxy.

use crate::files::lists::commands::Commands;
use crate::files::lists::held::{HeldEntry, Versions, held_entries, row_of, versions};
use crate::files::lists::list::{Entry, List, ListKind};
use crate::files::lists::refusal::refusal;
use crate::servers::apply::Runtime;
use crate::servers::reason::Reason;

/// HAProxy 3.4 does not clear a version that is not in use. Entries are then removed by their numbers, for which it
/// searches all of them.
const DELETIONS_MAX: usize = 100;

/// A map or a list in HAProxy.
pub(super) struct Store<'a> {
    runtime: &'a Runtime<'a>,
    list: &'a List<'a>,
    pub(super) commands: Commands,
}

/// What HAProxy holds.
pub(super) struct Found {
    /// `None` before HAProxy 2.4.
    pub(super) versions: Option<Versions>,
    /// Its answer with the entries.
    pub(super) entries: String,
}

impl<'a> Store<'a> {
    pub(super) fn new(runtime: &'a Runtime<'a>, list: &'a List<'a>) -> Result<Store<'a>, Reason> {
        Ok(Store { runtime, list, commands: Commands::new(list)? })
    }

    pub(super) fn kind(&self) -> ListKind {
        self.list.kind
    }

    /// Reads the entries that are in use, from the worker that is to be changed.
    pub(super) fn read(&self) -> Result<Found, Reason> {
        let question = format!("show info;{};{}", self.commands.show_all(), self.commands.show(None));
        let mut answer = self.runtime.ask(&question)?;
        let (info, rest) = answer.split_once("\n\n").ok_or(Reason::Incomplete)?;
        self.runtime.check_info(info)?;
        let (listing, entries) = rest.split_once("\n\n").ok_or(Reason::Incomplete)?;
        let row = row_of(listing, self.list.name).ok_or_else(|| rejected(entries))?;
        let (versions, before) = (versions(row), answer.len() - entries.len());
        answer.drain(..before);
        Ok(Found { versions, entries: answer })
    }

    /// The same without the entries.
    pub(super) fn versions(&self) -> Result<Option<Versions>, Reason> {
        let answer = self.runtime.ask(&format!("show info;{}", self.commands.show_all()))?;
        let (info, listing) = answer.split_once("\n\n").ok_or(Reason::Incomplete)?;
        self.runtime.check_info(info)?;
        Ok(versions(row_of(listing, self.list.name).ok_or_else(|| self.not_applied())?))
    }

    /// The entries of a version.
    pub(super) fn read_version(&self, version: u32) -> Result<String, Reason> {
        self.runtime.ask(&self.commands.show(Some(version)))
    }

    /// Sends lines, each of which must succeed. Returns HAProxy's message if it says that an entry is bad.
    pub(super) fn send(&self, lines: &[String]) -> Result<Option<String>, Reason> {
        for line in lines {
            let answer = self.runtime.ask(line)?;
            if let Some(message) = refusal(&answer) {
                return Ok(Some(message));
            }
            // An answer that is empty altogether is one to a line that was too long.
            if answer.is_empty() || !answer.trim().is_empty() {
                return Err(rejected(&answer));
            }
        }
        Ok(None)
    }

    /// Makes a version to which entries can be added.
    pub(super) fn prepare(&self) -> Result<u32, Reason> {
        let answer = self.runtime.ask(&self.commands.prepare())?;
        let version =
            answer.trim().strip_prefix("New version created: ").and_then(|version| version.parse().ok());
        version.ok_or_else(|| rejected(&answer))
    }

    /// Removes what a killed run has left: the entries of a version that was never committed. Returns whether that
    /// worked; the commit of a later version removes them in any case.
    pub(super) fn clear_abandoned(&self, versions: Option<Versions>) -> Result<bool, Reason> {
        match versions {
            Some(Versions { current, last }) if current != last => self.clear(last),
            _ => Ok(true),
        }
    }

    /// Removes the entries of a version that is not in use. Returns whether that worked.
    pub(super) fn clear(&self, version: u32) -> Result<bool, Reason> {
        let clear_and_show =
            format!("{};{}", self.commands.clear(version), self.commands.show(Some(version)));
        let answer = self.runtime.ask(&clear_and_show)?;
        // The first line is the answer to the first command.
        let left = held_entries(self.kind(), answer.strip_prefix('\n').unwrap_or(&answer));
        let left = left.ok_or_else(|| rejected(&answer))?;
        if left.len() > DELETIONS_MAX {
            return Ok(false);
        }
        self.send(&self.commands.deletions(left.iter().map(|held| held.id)))?;
        Ok(true)
    }

    /// Fails if another worker answers by now, or if it holds other entries.
    pub(super) fn prove(&self, is_same: impl Fn(&[HeldEntry]) -> bool) -> Result<(), Reason> {
        let found = self.read()?;
        let held = held_entries(self.kind(), &found.entries).ok_or(Reason::Incomplete)?;
        if is_same(&held) { Ok(()) } else { Err(self.not_applied()) }
    }

    /// Whether an answer shows exactly these entries, in this order.
    pub(super) fn shows(&self, answer: &str, wanted: &[Entry]) -> bool {
        let held = held_entries(self.kind(), answer);
        held.is_some_and(|held| held.iter().map(|held| &held.entry).eq(wanted))
    }

    pub(super) fn not_applied(&self) -> Reason {
        Reason::ListNotApplied(self.list.name.to_owned())
    }
}

fn rejected(answer: &str) -> Reason {
    let line = answer.lines().map(str::trim).find(|line| !line.is_empty());
    Reason::Rejected(line.unwrap_or_default().to_owned())
}
