//! The path of the output: the file behind its symlinks, and whether it may be replaced.
//!
//! This is decided before any file is created. So no lock file appears beside a device, and the template is not
//! overwritten, even if it is given under another name.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::failure::{Code, Fault};
use common::regular_file;
use common::replace::beside;
use thiserror::Error;

use crate::path_walk::walk;

/// Why the output could not be read, locked or written.
#[derive(Debug, Error)]
pub(crate) enum OutputError {
    /// The file system returned an error.
    #[error("cannot {verb} '{}': {err}", .path.display())]
    Io {
        /// The operation.
        verb: &'static str,
        /// The output.
        path: PathBuf,
        /// The system's error.
        err: io::Error,
    },
    /// Its directory does not exist.
    #[error("cannot write '{}': the directory '{directory}' does not exist; create it with mkdir -p '{directory}'", .path.display())]
    NoDirectory {
        /// The output.
        path: PathBuf,
        /// Its directory.
        directory: String,
    },
    /// It is not a regular file.
    #[error("cannot replace '{}': {what}", .path.display())]
    NotAFile {
        /// The output.
        path: PathBuf,
        /// What it is.
        what: String,
    },
    /// Writing the output would lose the template.
    #[error("cannot replace '{}': it is the template", .path.display())]
    Template {
        /// The output.
        path: PathBuf,
    },
    /// Another run holds the lock.
    #[error("cannot lock '{}': another run has held it for {waited:?}; see --lock-timeout", .path.display())]
    Locked {
        /// The output.
        path: PathBuf,
        /// How long this run waited.
        waited: Duration,
    },
}

impl Fault for OutputError {
    fn code(&self) -> Code {
        match self {
            OutputError::Io { .. } | OutputError::NoDirectory { .. } | OutputError::NotAFile { .. } => {
                Code::Files
            }
            OutputError::Template { .. } => Code::Usage,
            OutputError::Locked { .. } => Code::Lock,
        }
    }
}

/// Wraps an error of the file system.
pub(crate) fn io_error(verb: &'static str, path: &Path) -> impl FnOnce(io::Error) -> OutputError {
    let path = path.to_owned();
    move |err| OutputError::Io { verb, path, err }
}

/// Follows `name` to its file. Refuses anything that is not a regular file, and `template`.
pub(crate) fn find(name: &Path, template: &Path) -> Result<PathBuf, OutputError> {
    let path = walk(name, |_, _| {}).map_err(io_error("follow", name))?;
    match fs::metadata(&path) {
        Err(err) if err.kind() == ErrorKind::NotFound => has_directory(name, &path)?,
        Err(err) => return Err(io_error("read", name)(err)),
        Ok(metadata) => regular_file::check(metadata.file_type())
            .map_err(|err| OutputError::NotAFile { path: name.to_owned(), what: err.to_string() })?,
    }
    let hidden = [".tmp", ".lock"].map(|suffix| beside(&path, suffix).ok());
    match [Some(path.clone())].iter().chain(&hidden).flatten().any(|written| is_same(written, template)) {
        true => Err(OutputError::Template { path: name.to_owned() }),
        false => Ok(path),
    }
}

/// Fails if the directory of a new file is missing. Its lock cannot be created either, but that is not the cause.
fn has_directory(name: &Path, path: &Path) -> Result<(), OutputError> {
    match path.parent().filter(|directory| !directory.as_os_str().is_empty() && !directory.exists()) {
        None => Ok(()),
        Some(directory) => Err(OutputError::NoDirectory {
            path: name.to_owned(),
            directory: directory.display().to_string(),
        }),
    }
}

/// Whether two paths lead to the same file.
fn is_same(one: &Path, other: &Path) -> bool {
    match (fs::metadata(one), fs::metadata(other)) {
        (Ok(one), Ok(other)) => (one.dev(), one.ino()) == (other.dev(), other.ino()),
        _ => false,
    }
}
