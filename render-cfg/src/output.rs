//! The file that is rendered to: found, locked, compared and replaced.
//!
//! The lock is taken before anything is read and held to the end, so of two runs at once the later one
//! has also read later: an older state never wins.

use std::fs::{File, Metadata, Permissions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::regular_file;
use common::replace::Staged;
use common::rewrite::{self, Written};
use common::rollback_marks;
use nix::fcntl::Flock;

use crate::target::{OutputError, find, io_error};

/// The mode of a file that was not there before: HAProxy's own user need not own it.
const NEW_MODE: u32 = 0o644;

/// The output file, locked or not, as it stood when it was opened.
#[derive(Debug)]
pub(crate) struct Output {
    /// As the operator named it.
    name: PathBuf,
    /// What the name leads to.
    path: PathBuf,
    old: Option<(Vec<u8>, Metadata)>,
    /// Held until the end.
    _lock: Option<Flock<File>>,
}

impl Output {
    /// Locks the output against other runs, waiting at most `timeout`. It must not be `template`.
    pub(crate) fn lock(name: &Path, template: &Path, timeout: Duration) -> Result<Output, OutputError> {
        let path = find(name, template)?;
        let lock = rewrite::lock(&path, timeout).map_err(io_error("lock", name))?;
        if lock.is_none() {
            return Err(OutputError::Locked { path: name.to_owned(), waited: timeout });
        }
        Output::open(name, path, lock)
    }

    /// Looks at the output without locking it, for a run that writes nothing. It must not be `template`.
    pub(crate) fn look(name: &Path, template: &Path) -> Result<Output, OutputError> {
        Output::open(name, find(name, template)?, None)
    }

    fn open(name: &Path, path: PathBuf, lock: Option<Flock<File>>) -> Result<Output, OutputError> {
        let old = match regular_file::open(&path) {
            Err(err) if err.kind() == ErrorKind::NotFound => None,
            opened => Some(opened.and_then(read_with_metadata).map_err(io_error("read", name))?),
        };
        Ok(Output { name: name.to_owned(), path, old, _lock: lock })
    }

    /// The output's name as the operator knows it.
    pub(crate) fn name(&self) -> &Path {
        &self.name
    }

    /// What stands there; `None` if there is no file.
    pub(crate) fn old(&self) -> Option<&[u8]> {
        self.old.as_ref().map(|(bytes, _)| &bytes[..])
    }

    /// Whether `text` stands there, and not because reload-haproxy put it back: written anew, it is wanted.
    pub(crate) fn is_settled(&self, text: &str) -> bool {
        self.old() == Some(text.as_bytes()) && !rollback_marks::is_put_back(&self.path)
    }

    /// Puts `text` beside the output, with the old file's mode and owner, for a check to look at.
    pub(crate) fn stage(&self, text: &str) -> Result<Staged, OutputError> {
        let staged =
            Staged::write(&self.path, text.as_bytes(), 0o600).map_err(io_error("write", &self.name))?;
        let kept = match &self.old {
            None => staged.file().set_permissions(Permissions::from_mode(NEW_MODE)),
            Some((_, old)) => rewrite::keep(staged.file(), old),
        };
        kept.map_err(io_error("keep mode and owner of", &self.name))?;
        Ok(staged)
    }

    /// Has the disk write what is staged, which others may read meanwhile: beside HAProxy's check, the sync costs
    /// no time. The system tells a file's error only once, so it is heeded here.
    pub(crate) fn sync(&self, staged: &Staged) -> Result<(), OutputError> {
        staged.file().sync_all().map_err(io_error("write", &self.name))
    }

    /// Gives what is staged (and is `text`) the output's name, durably.
    pub(crate) fn install(&self, staged: Staged, text: &str) -> Result<Written, OutputError> {
        rewrite::install(staged, self.old(), text.as_bytes()).map_err(io_error("write", &self.name))
    }
}

fn read_with_metadata(mut file: File) -> io::Result<(Vec<u8>, Metadata)> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok((bytes, file.metadata()?))
}
