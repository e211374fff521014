//! What has changed in the files that the configuration names, and what that needs: a change without a reload, or a
//! reload. Nothing here opens anything.

mod compare;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use common::failure::Code;

use crate::config::files::named::FileKind;
use crate::files::change::{Bad, Change};
use crate::files::changes::compare::{Seen, compare, turned};
use crate::files::list_diff::list_changes;
use crate::servers::reason::Reason;
use crate::state::by_name::ByName;
use crate::state::loaded_files::{Item, LoadedFiles};

pub(crate) use crate::files::changes::compare::Since;

/// The result of a comparison.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FileChanges {
    pub(crate) changes: Vec<Change>,
    /// Reasons for a reload, one for each file that only a reload can load.
    pub(crate) reloads: Vec<Reason>,
    pub(crate) bad: Vec<Bad>,
    /// Maps and lists that have changed, but that HAProxy itself writes.
    pub(crate) left_alone: Vec<(String, usize)>,
    /// The files as they are.
    pub(crate) found: LoadedFiles,
    /// For each item that differs, by its index in `found`: the item as HAProxy has loaded it.
    before: HashMap<usize, Rc<Item>>,
    /// Items that HAProxy has loaded and that were not found, because the list that names them cannot be read.
    unseen: Vec<Rc<Item>>,
    /// When large maps and lists were last compared with HAProxy's.
    compared: u64,
    /// Whether the state directory must be updated.
    pub(crate) is_unsaved: bool,
}

/// Compares the files as they were `found` with those that the worker has loaded (`old`), if that is known. Those in
/// `written` are changed by HAProxy itself.
pub(crate) fn changes(
    found: LoadedFiles,
    old: Option<&LoadedFiles>,
    written: &BTreeSet<String>,
    since: Since,
) -> FileChanges {
    let known = ByName::new(old.map_or(&[][..], |old| &old.items));
    let compared = old.map_or(0, |old| old.compared);
    let mut result = FileChanges { compared, ..FileChanges::default() };
    let is_list = |item: &Item| matches!(item.kind, FileKind::Map | FileKind::Acl);
    for (place, item) in found.items.iter().enumerate() {
        let before = known.get(item.kind, &item.name);
        result.is_unsaved |= before.is_none_or(|before| !before.is_remembered_as(item));
        if let Some(other) = before.is_none().then(|| turned(item, &known)).flatten() {
            result.add_turned(item, since);
            result.before.insert(place, Rc::clone(other));
            continue;
        }
        match compare(item, before.map(Rc::as_ref), old.is_some(), since) {
            Seen::Same => continue,
            Seen::Changed if is_list(item) && written.contains(&item.name) => {
                result.left_alone.push((item.name.clone(), item.line));
                continue;
            }
            Seen::Changed => result.add(item, before.map(Rc::as_ref), &found, since),
            Seen::Bad(bad) => result.bad.push(bad),
        }
        result.before.insert(place, before.map_or_else(|| Rc::new(item.unknown()), Rc::clone));
    }
    result.is_unsaved |= old.is_none_or(|old| old.has_other_names(&found));
    if let Some(old) = old.filter(|_| !result.bad.is_empty()) {
        result.unseen = result.unseen(old, &found);
    }
    FileChanges { found, ..result }
}

impl FileChanges {
    /// The files that HAProxy has loaded, as far as is known: changed ones as they were.
    pub(crate) fn loaded(&self) -> LoadedFiles {
        // The certificates that are to be added are not loaded yet.
        let is_added = |item: &Item| self.changes.iter().any(|change| change.adds(item));
        let items = self.found.items.iter().enumerate().filter(|(_, item)| !is_added(item));
        let items = items.map(|(place, item)| self.before.get(&place).unwrap_or(item));
        let items = items.chain(&self.unseen).cloned().collect();
        let (directories, compared) = (self.found.directories.clone(), self.compared);
        LoadedFiles { items, directories, compared, ..LoadedFiles::default() }
    }

    /// The certificates, each as HAProxy has loaded it, as far as is known.
    pub(crate) fn loaded_certificates(&self) -> impl Iterator<Item = &Item> {
        let items = self.found.items.iter().enumerate();
        items
            .filter(|(_, item)| item.kind == FileKind::Certificate)
            .map(|(place, item)| &**self.before.get(&place).unwrap_or(item))
    }

    /// Whether one line names both certificates, and neither is to be removed.
    pub(crate) fn are_rivals(&self, one: &str, other: &str) -> bool {
        let both = || self.certificate(one).zip(self.certificate(other));
        one != other && both().is_some_and(|(one, other)| one.shares_a_line_with(other))
    }

    /// The certificate of this name, as it was found.
    pub(crate) fn certificate(&self, name: &str) -> Option<&Item> {
        let mut items = self.found.items.iter().map(Rc::as_ref);
        items.find(|item| item.kind == FileKind::Certificate && item.name == name)
    }

    /// The maps and lists that HAProxy has loaded and that have not changed since.
    pub(crate) fn unchanged_lists(&self) -> impl Iterator<Item = &Item> {
        let items = self.found.items.iter().enumerate().filter(|(place, _)| !self.before.contains_key(place));
        items.map(|(_, item)| &**item).filter(|item| matches!(item.kind, FileKind::Map | FileKind::Acl))
    }

    /// Whether large maps and lists were last compared at least `period` ago. If so, they count as compared now.
    pub(crate) fn is_time_to_compare(&mut self, now: SystemTime, period: Duration) -> bool {
        let now = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let is_time = now.abs_diff(self.compared) >= period.as_secs();
        if is_time {
            self.compared = now;
            self.is_unsaved = true;
        }
        is_time
    }

    /// Adds what the change of an item needs.
    fn add(&mut self, item: &Item, before: Option<&Item>, found: &LoadedFiles, since: Since) {
        let is_readable = item.parts.iter().all(|part| part.digest.is_some());
        match (item.kind, before) {
            (FileKind::CertificateList, Some(before)) => match list_changes(item, before, found) {
                Some(changes) => self.changes.extend(changes),
                None => self.reload_for(item, true, since),
            },
            (FileKind::CertificateList | FileKind::DefaultCertificate | FileKind::Other, before) => {
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

    /// Adds what an item needs that has become a directory, or a file. See `turned`.
    fn add_turned(&mut self, item: &Item, since: Since) {
        match item.parts.iter().find_map(|part| part.error.as_ref()) {
            Some(why) => {
                let (path, line, why) = (item.name.clone(), item.line, why.clone());
                self.bad.push(Bad { code: Code::Files, path, line, why });
            }
            None => self.reload_for(item, true, since),
        }
    }

    /// What was loaded and was not found: if a list cannot be read, HAProxy still has its certificates.
    fn unseen(&self, old: &LoadedFiles, found: &LoadedFiles) -> Vec<Rc<Item>> {
        let seen = found.items.iter().chain(self.before.values());
        let seen: HashSet<(FileKind, &str)> = seen.map(|item| (item.kind, item.name.as_str())).collect();
        let is_unseen = |item: &&Rc<Item>| !seen.contains(&(item.kind, item.name.as_str()));
        old.items.iter().filter(is_unseen).cloned().collect()
    }

    /// Adds a reload. `is_certain`: whether the file has certainly changed.
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
