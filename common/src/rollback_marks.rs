//! How reload-haproxy marks that HAProxy rejected a configuration and that the last good one has been put back. Besides
//! the configuration itself, this is all that render-cfg and reload-haproxy agree on.
//!
//! reload-haproxy moves the rejected file to `CONFIG.refused` and gives both files the same modification time.
//! render-cfg then writes the configuration again, even if the bytes are equal.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

/// The path of the rejected configuration while the last good one is at `path`.
pub fn refused_path(path: &Path) -> PathBuf {
    let mut refused = OsString::from(path);
    refused.push(".refused");
    refused.into()
}

/// Whether the file at `path` is the last good one, put back by reload-haproxy: then it has the same modification time as
/// the rejected file. Writing it again, even with the same bytes, clears the mark.
pub fn is_put_back(path: &Path) -> bool {
    let modified = |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    modified(path).is_some_and(|time| modified(&refused_path(path)) == Some(time))
}
