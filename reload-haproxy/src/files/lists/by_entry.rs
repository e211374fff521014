//! Changes entries one by one.

use std::collections::HashSet;

use crate::files::applied::Applied;
use crate::files::lists::differences::{Edit, differences, is_same};
use crate::files::lists::held::{HeldEntry, held_entries};
use crate::files::lists::list::Entry;
use crate::files::lists::store::Store;
use crate::servers::reason::Reason;

/// Makes the one change that is needed, and proves it.
pub(super) fn one(store: &Store, edit: &Edit, wanted: &[Entry]) -> Result<Applied, Reason> {
    if let Some(message) = store.send(&[store.commands.edit(edit)])? {
        return Ok(Applied::Refused(message));
    }
    store.prove(|held| is_same(store.kind(), held, wanted)).map(|()| Applied::Done)
}

/// Makes several changes, one after the other. If HAProxy refuses one, those before it are taken back.
pub(super) fn all(
    store: &Store,
    edits: &[Edit],
    held: &[HeldEntry],
    wanted: &[Entry],
) -> Result<Applied, Reason> {
    if let Some(message) = send(store, edits, held)? {
        take_back(store, held)?;
        return Ok(Applied::Refused(message));
    }
    store.prove(|held| is_same(store.kind(), held, wanted)).map(|()| Applied::Done)
}

/// Sends the edits, removals last: what was removed could only be put back at the end.
fn send(store: &Store, edits: &[Edit], held: &[HeldEntry]) -> Result<Option<String>, Reason> {
    if edits.iter().any(|edit| !edit.has_command()) || has_gap(edits, held) {
        return Err(store.not_applied());
    }
    let (removals, others): (Vec<&Edit>, Vec<&Edit>) =
        edits.iter().partition(|edit| edit.removed().is_some());
    let lines: Vec<String> =
        others.into_iter().chain(removals).map(|edit| store.commands.edit(edit)).collect();
    store.send(&lines)
}

/// Whether a key is removed and added again, so that it would be missing in between.
fn has_gap(edits: &[Edit], held: &[HeldEntry]) -> bool {
    let ids: HashSet<&str> = edits.iter().filter_map(Edit::removed).collect();
    let removed: HashSet<&str> =
        held.iter().filter(|held| ids.contains(held.id)).map(|held| held.entry.key).collect();
    edits.iter().any(|edit| matches!(edit, Edit::Add(entry) if removed.contains(entry.key)))
}

/// Makes the entries those of before.
fn take_back(store: &Store, before: &[HeldEntry]) -> Result<(), Reason> {
    let found = store.read()?;
    let now = held_entries(store.kind(), &found.entries).ok_or(Reason::Incomplete)?;
    let before: Vec<Entry> = before.iter().map(|held| held.entry).collect();
    let edits = differences(store.kind(), &now, &before);
    let lines: Vec<String> = edits.iter().map(|edit| store.commands.edit(edit)).collect();
    store.send(&lines)?;
    store.prove(|held| is_same(store.kind(), held, &before))
}
