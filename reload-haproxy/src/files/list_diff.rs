//! The difference between two states of a list or a directory of certificates.
//!
//! The first certificate is the one for unknown names, and the order decides between two certificates for one name. So
//! only entries behind the first are added or removed without a reload. Entries are added before others are removed, so a
//! name that moves from one certificate to another is always served. A changed line needs a reload, because it would have
//! to be removed before it is added.

use std::collections::HashSet;

use crate::config::files::named::FileKind;
use crate::files::change::Change;
use crate::state::loaded_files::{Item, LoadedFiles};

/// The changes that turn the list `before` into `now`; `None` if only a reload can.
pub(crate) fn list_changes(now: &Item, before: &Item, found: &LoadedFiles) -> Option<Vec<Change>> {
    let (old, new) = (&before.entries, &now.entries);
    let (in_old, in_new): (HashSet<&String>, HashSet<&String>) = (old.iter().collect(), new.iter().collect());
    let kept = |entries: &'_ [String], other: &HashSet<&String>| {
        entries.iter().filter(|entry| other.contains(entry)).cloned().collect::<Vec<_>>()
    };
    let is_in_order = kept(old, &in_new) == kept(new, &in_old);
    if old.first() != new.first() || !is_in_order || !has_each_once(before) || !has_each_once(now) {
        return None;
    }
    let removed: Vec<&str> =
        old.iter().filter(|entry| !in_new.contains(entry)).map(|entry| before.file_of(entry)).collect();
    let mut changes = Vec::new();
    for entry in new.iter().filter(|entry| !in_old.contains(entry)) {
        if removed.contains(&now.file_of(entry)) {
            return None;
        }
        let is_it = |item: &Item| item.kind == FileKind::Certificate && item.name == now.file_of(entry);
        // A bundle or a stored certificate has no file of that name.
        let certificate = Item::clone(found.items.iter().find(|item| is_it(item))?);
        changes.push(Change::Add { list: now.name.clone(), line: entry.clone(), certificate });
    }
    changes.extend(removed.into_iter().map(|name| Change::Remove {
        list: now.name.clone(),
        name: name.to_owned(),
        number: now.line,
    }));
    Some(changes)
}

/// Whether each certificate is in the list once, so that its name is enough to remove it.
fn has_each_once(list: &Item) -> bool {
    let mut seen = HashSet::new();
    list.entries.iter().all(|entry| seen.insert(list.file_of(entry)))
}
