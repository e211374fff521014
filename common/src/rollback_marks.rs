//! The one thing on which render-cfg and reload-haproxy agree beside the configuration itself: how it is marked
//! that HAProxy rejected a file and that the last good one is back in its place.
//!
//! reload-haproxy moves the rejected file to `CONFIG.refused` and gives both files one modification time.
//! render-cfg writes the configuration again when it sees that, although the bytes may be equal.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

/// Where the configuration that HAProxy rejected is kept while the last good one is at `path`.
pub fn refused_path(path: &Path) -> PathBuf {
    let mut refused = OsString::from(path);
    refused.push(".refused");
    refused.into()
}

/// Whether the file at `path` is the last good one that reload-haproxy put back: then it has the same modification
/// time as the rejected file. Anyone who writes it again, even with the same bytes, ends that.
pub fn is_put_back(path: &Path) -> bool {
    let modified = |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    modified(path).is_some_and(|time| modified(&refused_path(path)) == Some(time))
}
