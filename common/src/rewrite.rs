//! Rewriting a file that belongs to others: it keeps its mode and owner, and runs that rewrite it wait for each other.
//!
//! The lock is a separate file beside it, because every change replaces the file itself. A bind-mounted single file, such
//! as a configuration in a container, cannot be replaced by a rename: it is written in place, and a reader may see half
//! of it.

use std::fs::{File, Metadata, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::Path;
use std::time::Duration;

use nix::fcntl::{Flock, OFlag};

use crate::lock;
use crate::replace::{Staged, beside};

/// How a file was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// By a rename: a reader sees the old or the new content.
    Replaced,
    /// Into the existing file, because it is a mount point and cannot be replaced.
    InPlace,
}

/// Locks the file at `path` (symlinks resolved) for rewriting, waiting at most `timeout`. `Ok(None)` means that the wait
/// timed out.
pub fn lock(path: &Path, timeout: Duration) -> io::Result<Option<Flock<File>>> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let file = options.custom_flags(OFlag::O_NOFOLLOW.bits()).open(beside(path, ".lock")?)?;
    lock::exclusive(file, timeout)
}

/// Gives `file` the owner and the mode of the file that it will replace.
pub fn keep(file: &File, old: &Metadata) -> io::Result<()> {
    let new = file.metadata()?;
    if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
        fchown(file, Some(old.uid()), Some(old.gid()))?;
    }
    file.set_permissions(Permissions::from_mode(old.mode() & 0o7777))
}

/// Installs `staged`, whose content is `new`, durably. `old` is the content of the file that it replaces, if any.
pub fn install(staged: Staged, old: Option<&[u8]>, new: &[u8]) -> io::Result<Written> {
    let path = staged.target().to_owned();
    match (staged.commit(), old) {
        (Ok(()), _) => Ok(Written::Replaced),
        (Err(err), Some(old)) if err.kind() == ErrorKind::ResourceBusy => {
            write_in_place(&path, old, new).map(|()| Written::InPlace)
        }
        (Err(err), _) => Err(err),
    }
}

/// Writes `new` over `old` in the file at `path`. If that fails, writes `old` back.
fn write_in_place(path: &Path, old: &[u8], new: &[u8]) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(path)?;
    overwrite(&file, new).inspect_err(|_| {
        // Its blocks are still allocated, so a full disk has room for it. If this fails too, nothing else can be done.
        let _ = overwrite(&file, old);
    })
}

fn overwrite(mut file: &File, bytes: &[u8]) -> io::Result<()> {
    io::Seek::rewind(&mut file)?;
    file.write_all(bytes)?;
    file.set_len(bytes.len() as u64)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::fs;

    use crate::replace::replace;

    #[test]
    fn a_file_is_written_in_place_completely_whether_longer_or_shorter() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        replace(&path, b"old text", 0o600).unwrap();
        for new in [&b"longer than the old text"[..], b"short", b""] {
            write_in_place(&path, b"old text", new).unwrap();
            assert_eq!(fs::read(&path).unwrap(), new);
        }
    }

    #[test]
    fn a_rewritten_file_keeps_its_mode() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        replace(&path, b"old", 0o604).unwrap();
        let staged = Staged::write(&path, b"new", 0o600).unwrap();
        keep(staged.file(), &fs::metadata(&path).unwrap()).unwrap();
        assert_eq!(install(staged, Some(b"old"), b"new").unwrap(), Written::Replaced);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o604);
    }
}
