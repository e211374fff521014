//! Which files of the nodes directory are records.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::error::{NodesError, io_error};

/// The names of the records in the directory at `path` that `is_wanted` accepts, sorted.
pub(super) fn record_names(
    path: &Path,
    is_wanted: impl Fn(&OsStr) -> bool,
) -> Result<Vec<OsString>, NodesError> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path).map_err(io_error("read", path))? {
        let name = entry.map_err(io_error("read", path))?.file_name();
        if is_record_name(&name) && is_wanted(&name) {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// Whether a file of this name is a record: `*.json`, and not hidden.
pub fn is_record_name(name: &OsStr) -> bool {
    let bytes = name.as_bytes();
    bytes.ends_with(b".json") && !bytes.starts_with(b".")
}
