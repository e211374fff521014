//! Maps and lists of an ACL: makes HAProxy's entries those of the file, without a reload.
//!
//! One entry that differs is changed by one command. More are loaded as a new version beside the current one, compared
//! with the file, and then put in its place at once, so that no request sees a part of them. Before 2.4 HAProxy has no
//! versions: each entry is changed by a command. The proof is always what HAProxy shows afterwards.

mod by_entry;
mod by_version;
mod commands;
mod differences;
mod held;
mod list;
mod refusal;
mod store;

use crate::files::applied::Applied;
use crate::servers::apply::Runtime;
use crate::servers::reason::Reason;

use differences::{differences, is_same};
use held::held_entries;
use store::Store;

pub(crate) use list::{List, ListKind};

/// Makes HAProxy's entries those of the file. Fails with the reason for a reload.
pub(crate) fn replace(runtime: &Runtime, list: &List) -> Result<Applied, Reason> {
    let wanted = list.entries()?;
    let store = Store::new(runtime, list)?;
    let found = store.read()?;
    let held = held_entries(list.kind, &found.entries).ok_or(Reason::Incomplete)?;
    let is_clean = store.clear_abandoned(found.versions)?;
    let edits = differences(list.kind, &held, &wanted);
    match (&edits[..], found.versions) {
        ([], _) => Ok(Applied::Done),
        ([edit], _) if is_clean && edit.has_command() => by_entry::one(&store, edit, &wanted),
        (_, Some(_)) => by_version::replace(&store, &held, &wanted),
        (edits, None) => by_entry::all(&store, edits, &held, &wanted),
    }
}

/// Whether HAProxy's entries are those of the file.
pub(crate) fn matches(runtime: &Runtime, list: &List) -> Result<bool, Reason> {
    let wanted = list.entries()?;
    let found = Store::new(runtime, list)?.read()?;
    let held = held_entries(list.kind, &found.entries).ok_or(Reason::Incomplete)?;
    Ok(is_same(list.kind, &held, &wanted))
}
