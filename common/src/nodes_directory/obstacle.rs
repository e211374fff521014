//! Explains why the nodes directory cannot be made, opened or written, and what to do.
//!
//! The system's error does not name the cause: it is `File exists` for a link to a missing directory, and `Not a
//! directory` for a file anywhere on the path.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use crate::records::NodesError;

/// Whether nothing is at `path` and the directory could be made: then no node has been recorded. Fails if something
/// else is in its place, or if that cannot be found out.
pub fn is_missing(path: &Path) -> Result<bool, NodesError> {
    match fs::metadata(path) {
        Ok(_) => Ok(false),
        Err(err) if err.kind() == ErrorKind::NotFound && obstacle(path).is_none() => Ok(true),
        Err(err) => Err(explained("open", path, path)(err)),
    }
}

/// Makes the error of an operation on `object`, which is the nodes directory or a file in it.
pub(super) fn explained(
    verb: &'static str,
    object: &Path,
    directory: &Path,
) -> impl FnOnce(io::Error) -> NodesError {
    let (path, directory) = (object.to_owned(), directory.to_owned());
    move |err| NodesError::Directory { verb, path, reason: reason(&directory, &err) }
}

fn reason(directory: &Path, err: &io::Error) -> String {
    if let Some(obstacle) = obstacle(directory) {
        return format!("{obstacle}; see --nodes");
    }
    match err.kind() {
        ErrorKind::PermissionDenied => {
            let nearest = nearest(directory).display();
            format!("{err}; run this as the owner of '{nearest}', or change its owner or mode")
        }
        ErrorKind::ReadOnlyFilesystem => format!("{err}; mount it writable, or see --nodes"),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => format!("{err}; free some space"),
        _ => err.to_string(),
    }
}

/// What else is in the place of the directory, or of a directory above it.
fn obstacle(directory: &Path) -> Option<String> {
    let nearest = nearest(directory);
    let what = match nearest.metadata() {
        Ok(metadata) if metadata.is_dir() => return None,
        Ok(_) => "not a directory",
        Err(_) => "a link to a directory that does not exist",
    };
    Some(match nearest == directory {
        true => format!("it is {what}"),
        false => format!("'{}' is {what}", nearest.display()),
    })
}

/// The directory, or the nearest one above it that exists.
fn nearest(directory: &Path) -> &Path {
    let exists = |path: &&Path| path.symlink_metadata().is_ok();
    directory.ancestors().find(exists).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_permission_names_the_directory_whose_owner_may_give_it() {
        let scratch = tempfile::tempdir().unwrap();
        let line = |path: &Path| reason(path, &ErrorKind::PermissionDenied.into());
        let owner = |path: &Path| {
            format!("run this as the owner of '{}', or change its owner or mode", path.display())
        };
        assert!(line(scratch.path()).ends_with(&owner(scratch.path())));
        assert!(line(&scratch.path().join("a/nodes")).ends_with(&owner(scratch.path())));
        assert!(line(Path::new("not-here")).ends_with(&owner(Path::new("."))));
    }
}
