//! A file that carries something over a reload: it is filled just before, and emptied just after.
//!
//! HAProxy reads such a file at a cold start, too, when what it carries is out of date.

use std::io;
use std::path::Path;

use common::messages::Messages;
use common::regular_file;
use common::replace::replace;
use thiserror::Error;

/// The rows of a million servers are shorter.
const FILE_MAX: u64 = 256 << 20;

/// Everyone who may run `haproxy -c` must be able to read it. It holds no more than the stats page shows.
const MODE: u32 = 0o644;

/// Why a file was not written.
#[derive(Debug, Error)]
#[error("cannot write '{path}': {err}")]
pub(crate) struct Unwritten {
    path: String,
    err: io::Error,
}

/// Reloads with the filled file, and empties it then: it holds `head`.
pub(crate) fn reload_with<T>(
    path: &Path,
    head: &str,
    messages: &mut Messages,
    reload: impl FnOnce(&mut Messages) -> T,
) -> T {
    let result = reload(messages);
    // A cold start would load what is out of date.
    if let Err(unwritten) = put(path, head) {
        messages.warn(format!("{unwritten}; remove this file before HAProxy is started again"));
    }
    result
}

/// Writes the file, unless it has this text already.
pub(crate) fn put(path: &Path, text: &str) -> Result<(), Unwritten> {
    if regular_file::read(path, FILE_MAX).is_ok_and(|present| present == text.as_bytes()) {
        return Ok(());
    }
    replace(path, text.as_bytes(), MODE).map_err(|err| Unwritten { path: path.display().to_string(), err })
}

/// Makes the file if it is missing, and empties it if a run was killed in the middle of a reload: then it begins
/// with `head`, which is all that it holds between reloads. Reports no failure: the next reload does.
pub(crate) fn tidy(path: &Path, head: &str) {
    let is_ours = match regular_file::read(path, FILE_MAX) {
        Ok(text) => text.starts_with(head.as_bytes()),
        Err(err) => err.kind() == io::ErrorKind::NotFound,
    };
    if is_ours {
        let _ = put(path, head);
    }
}
