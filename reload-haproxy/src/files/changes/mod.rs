//! What has changed in the files that the configuration names, and what that needs: a change without a reload, or a
//! reload. Nothing here opens anything.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::{Duration, SystemTime};

use common::failure::Code;

use crate::config::files::named::FileKind;
use crate::files::change::{Bad, Change};
use crate::files::list_diff::list_changes;
use crate::servers::reason::Reason;
use crate::state::loaded_files::{Item, LoadedFiles, Part};

/// A file counts as loaded by a worker that no earlier run saw if it had not changed for this long before the worker
/// started: HAProxy reads for a few seconds at most.
const REST: Duration = Duration::from_secs(10);

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FileChanges {
    pub(crate) changes: Vec<Change>,
    /// Changes that only a reload can load.
    pub(crate) reloads: Vec<Reason>,
    pub(crate) bad: Vec<Bad>,
    /// Maps and lists that have changed, but that HAProxy itself writes.
    pub(crate) left_alone: Vec<(String, usize)>,
    /// The files as they are.
    pub(crate) found: LoadedFiles,
    /// The files that HAProxy has loaded, as far as is known: changed ones as they were.
    pub(crate) loaded: LoadedFiles,
}

/// The worker that may have loaded the files.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Since {
    pub(crate) pid: i32,
    /// Its start, on the clock of files.
    pub(crate) born: SystemTime,
}

/// Compares the files as they were `found` with those that the worker has loaded (`old`), if that is known. Those in
/// `written` are changed by HAProxy itself.
pub(crate) fn changes(
    found: LoadedFiles,
    old: Option<&LoadedFiles>,
    written: &BTreeSet<String>,
    since: Since,
) -> FileChanges {
    let known = old.iter().flat_map(|old| &old.items).map(|item| ((item.kind, item.name.as_str()), item));
    let known: HashMap<_, _> = known.collect();
    let mut result = FileChanges::default();
    for item in &found.items {
        let before = known.get(&(item.kind, item.name.as_str())).copied();
        if let Some(other) = turned(item, &known).filter(|_| before.is_none()) {
            result.add_turned(item, since);
            result.loaded.items.push(other.clone());
            continue;
        }
        let is_written = written.contains(&item.name) && matches!(item.kind, FileKind::Map | FileKind::Acl);
        let kept = match (before, compare(item, before, old.is_some(), since)) {
            (_, Seen::Same) => item,
            (_, Seen::Changed) if is_written => {
                result.left_alone.push((item.name.clone(), item.line));
                item
            }
            (None, Seen::Changed) => {
                result.add(item, None, &found, since);
                item
            }
            (Some(before), Seen::Changed) => {
                result.add(item, Some(before), &found, since);
                before
            }
            (before, Seen::Bad(bad)) => {
                result.bad.push(bad);
                before.unwrap_or(item)
            }
        };
        result.loaded.items.push(kept.clone());
    }
    // The certificates that are to be added are not loaded yet.
    let added = |item: &Item| result.changes.iter().any(|change| change.adds(item));
    result.loaded.items.retain(|item| !added(item));
    if !result.bad.is_empty() {
        result.keep_unseen(old);
    }
    let (items, directories) = (result.loaded.items, found.directories.clone());
    let compared = old.map_or(0, |old| old.compared);
    let loaded = LoadedFiles { items, directories, compared, ..LoadedFiles::default() };
    FileChanges { found, loaded, ..result }
}

/// What was loaded under the name of a certificate that is a directory now, or of a directory that is not one now.
fn turned<'o>(item: &Item, known: &HashMap<(FileKind, &str), &'o Item>) -> Option<&'o Item> {
    let other = match item.kind {
        FileKind::Certificate => FileKind::CertificateList,
        FileKind::CertificateList => FileKind::Certificate,
        _ => return None,
    };
    known.get(&(other, item.name.trim_end_matches('/'))).copied()
}

enum Seen {
    Same,
    Changed,
    Bad(Bad),
}

/// Compares an item with what it was. `is_known` tells whether the worker's files are known at all.
fn compare(item: &Item, before: Option<&Item>, is_known: bool, since: Since) -> Seen {
    let was = |part: &Part| before.and_then(|before| before.parts.iter().find(|old| old.role == part.role));
    for part in &item.parts {
        // A file that never could be read may be HAProxy's alone, or not be loaded at all.
        if let (Some(why), Some(_)) = (&part.error, was(part).and_then(|old| old.digest.as_ref())) {
            let path = part.path.display().to_string();
            return Seen::Bad(Bad { code: Code::Files, path, line: item.line, why: why.clone() });
        }
    }
    let is_same = match before {
        Some(before) => {
            let parts = item.parts.iter();
            before.parts.len() == item.parts.len()
                && before.entries == item.entries
                && parts.clone().all(|part| was(part).is_some_and(|old| is_like(old, part)))
        }
        // The line that names it is new, and brings a reload or a server with it.
        None if is_known => true,
        None => item.parts.iter().all(|part| is_older(part, since)),
    };
    if is_same { Seen::Same } else { Seen::Changed }
}

fn is_like(old: &Part, part: &Part) -> bool {
    match (&old.digest, &part.digest) {
        (Some(old), Some(now)) => old == now,
        (None, None) => old.stamp == part.stamp,
        _ => false,
    }
}

fn is_older(part: &Part, since: Since) -> bool {
    match part.stamp {
        Some(stamp) => stamp.changed() + REST <= since.born,
        // It is missing, or has just changed.
        None => part.digest.is_none(),
    }
}

impl FileChanges {
    /// Adds what the change of an item needs.
    fn add(&mut self, item: &Item, before: Option<&Item>, found: &LoadedFiles, since: Since) {
        let is_readable = item.parts.iter().all(|part| part.digest.is_some());
        match (item.kind, before) {
            (FileKind::CertificateList, Some(before)) => match list_changes(item, before, found) {
                Some(changes) => self.changes.extend(changes),
                None => self.reload_for(item, true, since),
            },
            (FileKind::CertificateList | FileKind::Other, before) => {
                self.reload_for(item, before.is_some(), since);
            }
            // A directory of certificate authorities has several parts.
            (FileKind::Authorities | FileKind::Revocations, before) if item.parts.len() != 1 => {
                self.reload_for(item, before.is_some(), since);
            }
            (_, before) if !is_readable => self.reload_for(item, before.is_some(), since),
            _ => self.changes.push(Change::Replace(item.clone())),
        }
    }

    /// Adds what a file needs that was a directory, or the other way round.
    fn add_turned(&mut self, item: &Item, since: Since) {
        match item.parts.iter().find_map(|part| part.error.as_ref()) {
            Some(why) => {
                let (path, line, why) = (item.name.clone(), item.line, why.clone());
                self.bad.push(Bad { code: Code::Files, path, line, why });
            }
            None => self.reload_for(item, true, since),
        }
    }

    /// Keeps what was loaded and was not found now: a list that cannot be read names no certificates, but HAProxy goes
    /// on with them.
    fn keep_unseen(&mut self, old: Option<&LoadedFiles>) {
        let seen: HashSet<(FileKind, String)> =
            self.loaded.items.iter().map(|item| (item.kind, item.name.clone())).collect();
        let unseen = old.iter().flat_map(|old| &old.items);
        let unseen = unseen.filter(|item| !seen.contains(&(item.kind, item.name.clone())));
        self.loaded.items.extend(unseen.cloned());
    }

    /// `is_certain`: whether the file has certainly changed.
    fn reload_for(&mut self, item: &Item, is_certain: bool, since: Since) {
        let (path, line, pid) = (item.name.clone(), item.line, since.pid);
        self.reloads.push(if is_certain {
            Reason::File { path, line }
        } else {
            Reason::FileMayHaveChanged { path, line, pid }
        });
    }

    /// What differs, a line for each file.
    pub(crate) fn differences(&self) -> Vec<String> {
        let reloads = self.reloads.iter().map(Reason::to_string);
        let bad =
            self.bad.iter().map(|bad| format!("{}, which line {} names: {}", bad.path, bad.line, bad.why));
        self.changes.iter().map(Change::to_string).chain(reloads).chain(bad).collect()
    }

    /// The first change, and how many more there are.
    pub(crate) fn summary(&self) -> Option<String> {
        let first = self.changes.first()?;
        Some(match self.changes.len() - 1 {
            0 => first.to_string(),
            1 => format!("{first}, and 1 more file"),
            more => format!("{first}, and {more} more files"),
        })
    }
}

#[cfg(test)]
mod tests;
