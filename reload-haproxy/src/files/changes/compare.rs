//! Compares one item with what the worker has loaded.

use std::rc::Rc;
use std::time::{Duration, SystemTime};

use common::failure::Code;

use crate::config::files::named::FileKind;
use crate::files::change::Bad;
use crate::state::by_name::ByName;
use crate::state::loaded_files::{Item, Part};

/// A file counts as loaded by a worker that no earlier run saw if it had not changed for this long before the worker
/// started: HAProxy reads for a few seconds at most.
const REST: Duration = Duration::from_secs(10);

/// The worker that may have loaded the files.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Since {
    pub(crate) pid: i32,
    /// Its start, on the clock of files.
    pub(crate) born: SystemTime,
}

/// The item that was loaded under this name, if a file has become a directory of certificates or the other way round.
pub(super) fn turned<'o>(item: &Item, known: &ByName<'o>) -> Option<&'o Rc<Item>> {
    let other = match item.kind {
        FileKind::Certificate => FileKind::CertificateList,
        FileKind::CertificateList => FileKind::Certificate,
        _ => return None,
    };
    known.get(other, item.name.trim_end_matches('/'))
}

/// What a comparison found.
pub(super) enum Seen {
    Same,
    Changed,
    Bad(Bad),
}

/// Compares an item with what it was. `is_known` tells whether the worker's files are known at all.
pub(super) fn compare(item: &Item, before: Option<&Item>, is_known: bool, since: Since) -> Seen {
    let was = |part: &Part| before.and_then(|before| before.parts.iter().find(|old| old.role == part.role));
    for part in &item.parts {
        // A file that could not be read before either is not an error: perhaps only HAProxy may read it.
        if let (Some(why), Some(_)) = (&part.error, was(part).and_then(|old| old.digest)) {
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
        // The line that names it is new, so a reload or a new server loads it.
        None if is_known => true,
        None => item.parts.iter().all(|part| is_older(part, since)),
    };
    if is_same { Seen::Same } else { Seen::Changed }
}

fn is_like(old: &Part, part: &Part) -> bool {
    match (old.digest, part.digest) {
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
