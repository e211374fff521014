//! Finds maps and lists that were changed at the socket, so that the entries of the file are put back.
//!
//! Small ones are compared with HAProxy at each run, large ones only once a minute, because that takes longer.

use std::time::{Duration, SystemTime};

use crate::config::files::named::{FileKind, NamedFiles};
use crate::files::change::Change;
use crate::files::changes::FileChanges;
use crate::files::lists::{List, ListKind, matches};
use crate::files::read::content;
use crate::servers::apply::Runtime;
use crate::state::digest::Digest;
use crate::state::loaded_files::Item;

/// The size of a small file, in bytes, and how many of them are compared at each run.
const SMALL: u64 = 64 << 10;
const SMALL_MAX: usize = 50;
/// How often the others are compared.
const PERIOD: Duration = Duration::from_secs(60);

impl FileChanges {
    /// Adds the maps and lists whose entries in HAProxy differ from the file, although HAProxy has loaded it. An answer
    /// that is not understood adds nothing, because a reload for it might be repeated at every run.
    pub(crate) fn add_changes_by_hand(&mut self, named: &NamedFiles, runtime: &Runtime, now: SystemTime) {
        let lists = self.unchanged_lists().filter(|item| !named.written.contains(&item.name));
        let (small, large): (Vec<&Item>, Vec<&Item>) = lists.partition(|item| item.size() <= SMALL);
        let differing = |lists: Vec<&Item>| {
            let lists = lists.into_iter().filter(|item| differs(item, runtime));
            lists.cloned().map(Change::Restore).collect::<Vec<_>>()
        };
        let mut changes = differing(small.into_iter().take(SMALL_MAX).collect());
        let large: Vec<Item> = large.into_iter().cloned().collect();
        if !large.is_empty() && self.is_time_to_compare(now, PERIOD) {
            changes.extend(differing(large.iter().collect()));
        }
        self.changes.extend(changes);
    }
}

fn kind(item: &Item) -> Option<ListKind> {
    match item.kind {
        FileKind::Map => Some(ListKind::Map),
        FileKind::Acl => Some(ListKind::Acl),
        _ => None,
    }
}

fn differs(item: &Item, runtime: &Runtime) -> bool {
    let (Some(kind), [part]) = (kind(item), &item.parts[..]) else { return false };
    let Ok((bytes, _)) = content(&part.path) else { return false };
    let is_unchanged = part.digest == Some(Digest::of(&bytes));
    is_unchanged && matches(runtime, &List { kind, name: &item.name, bytes: &bytes }) == Ok(false)
}
