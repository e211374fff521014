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
            names.push((beginning(&name), name));
        }
    }
    names.sort_unstable();
    Ok(names.into_iter().map(|(_, name)| name).collect())
}

/// The first 16 bytes of a name, as a number that is ordered as they are. Numbers are compared much faster than texts.
fn beginning(name: &OsStr) -> u128 {
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(name.as_bytes()).for_each(|(byte, of_name)| *byte = *of_name);
    u128::from_be_bytes(bytes)
}

/// Whether a file of this name is a record: `*.json`, and not hidden.
pub fn is_record_name(name: &OsStr) -> bool {
    let bytes = name.as_bytes();
    bytes.ends_with(b".json") && !bytes.starts_with(b".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_by_their_bytes() {
        let directory = tempfile::tempdir().unwrap();
        let long = "a-name-of-more-than-16-bytes";
        let mut names: Vec<OsString> =
            ["", "-", "a", "a-", "aa", "\u{e9}", long, &format!("{long}1"), &format!("{long}0")]
                .map(|name| OsString::from(format!("n{name}.json")))
                .into();
        names.iter().for_each(|name| drop(fs::File::create_new(directory.path().join(name)).unwrap()));
        names.sort_unstable();
        assert_eq!(record_names(directory.path(), |_| true).unwrap(), names);
    }
}
