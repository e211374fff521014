//! Maps and lists that were changed at the socket: what the file has is put back.
//!
//! Small ones are compared with HAProxy at each run. Large ones take longer, so they are compared once in a while.

use std::time::{Duration, SystemTime};

use crate::config::content::fingerprint;
use crate::config::files::named::{FileKind, NamedFiles};
use crate::files::change::Change;
use crate::files::changes::FileChanges;
use crate::files::lists::{List, ListKind, matches};
use crate::files::read::content;
use crate::servers::apply::Runtime;
use crate::state::loaded_files::Item;

/// The size of a small file, in bytes, and how many of them are compared at each run.
const SMALL: u64 = 64 << 10;
const SMALL_MAX: usize = 50;
/// How often the others are compared.
const PERIOD: Duration = Duration::from_secs(60);

impl FileChanges {
    /// Adds the maps and lists that HAProxy has with other entries than the file, which it has loaded. An answer that is
    /// not understood adds nothing: waiting loses nothing, and a reload for it might be repeated again and again.
    pub(crate) fn add_changes_by_hand(&mut self, named: &NamedFiles, runtime: &Runtime, now: SystemTime) {
        let is_list = |item: &&Item| kind(item).is_some() && !named.written.contains(&item.name);
        let lists = self.found.items.iter().filter(is_list).filter(|item| self.loaded.items.contains(item));
        let (small, large): (Vec<&Item>, Vec<&Item>) = lists.partition(|item| item.size() <= SMALL);
        let is_due = !large.is_empty() && self.loaded.are_due(now, PERIOD);
        let large = large.into_iter().filter(|_| is_due);
        let compared = small.into_iter().take(SMALL_MAX).chain(large);
        let changed = compared.filter(|item| differs(item, runtime));
        let changes: Vec<Change> = changed.map(|item| Change::Restore(item.clone())).collect();
        self.changes.extend(changes);
        if is_due {
            self.loaded.compared_at(now);
        }
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
    let is_it = part.digest.as_ref() == Some(&fingerprint(&bytes));
    is_it && matches(runtime, &List { kind, name: &item.name, bytes: &bytes }) == Ok(false)
}
