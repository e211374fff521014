//! Loads all entries as a new version, and puts it in the place of the one that is in use.

use crate::files::applied::Applied;
use crate::files::lists::held::{HeldEntry, Versions, held_entries};
use crate::files::lists::list::Entry;
use crate::files::lists::store::Store;
use crate::servers::reason::Reason;

/// Replaces all entries at once. On any failure those in use stay.
pub(super) fn replace(store: &Store, held: &[HeldEntry], wanted: &[Entry]) -> Result<Applied, Reason> {
    let version = store.prepare()?;
    let filled = fill(store, version, wanted);
    if !matches!(filled, Ok(None)) {
        // If it cannot be cleared, the commit of a later version does it.
        drop(store.clear(version));
    }
    if let Some(message) = filled? {
        return Ok(Applied::Refused(message));
    }
    store.send(&[store.commands.commit(version)])?;
    if held.is_empty() {
        forget_misses(store, wanted)?;
    }
    match store.versions()? {
        // Its entries have been compared before.
        Some(Versions { current, .. }) if current == version => Ok(Applied::Done),
        _ => Err(store.not_applied()),
    }
}

/// Adds the entries to a version, and compares them with what HAProxy shows of it. Returns its message if it says that
/// one is bad.
fn fill(store: &Store, version: u32, wanted: &[Entry]) -> Result<Option<String>, Reason> {
    if let Some(message) = store.send(&store.commands.add(Some(version), wanted))? {
        return Ok(Some(message));
    }
    let is_whole = store.shows(&store.read_version(version)?, wanted);
    if is_whole { Ok(None) } else { Err(store.not_applied()) }
}

/// Makes HAProxy forget what it has not found. It remembers for which requests no pattern of `map_reg` and its kind
/// fits until an entry comes or goes, but a commit is neither if no entry was there before (seen on 2.6 to 3.4).
fn forget_misses(store: &Store, wanted: &[Entry]) -> Result<(), Reason> {
    let version = store.prepare()?;
    let first = &wanted[..wanted.len().min(1)];
    let refusal = store.send(&store.commands.add(Some(version), first))?;
    let is_cleared = store.clear(version)?;
    let left = store.read_version(version)?;
    let is_empty = held_entries(store.kind(), &left).is_some_and(|left| left.is_empty());
    if refusal.is_none() && is_cleared && is_empty { Ok(()) } else { Err(store.not_applied()) }
}
