//! Writes every file that others read: completely or not at all.
//!
//! The bytes are written to a temporary file beside the target and synced. It is renamed to the target, and the directory
//! is synced. The temporary name is fixed (`.NAME.tmp`): callers hold a lock, so an existing temporary file was left by a
//! run that was killed, and is replaced.

use std::cell::Cell;
use std::ffi::OsString;
use std::fs::{self, File, FileType, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// A temporary file beside its target. If it is dropped before it is renamed, it is removed.
#[derive(Debug)]
pub struct Staged {
    temporary: PathBuf,
    target: PathBuf,
    /// Open until `close`.
    file: Option<File>,
    is_synced: Cell<bool>,
    committed: bool,
}

impl Staged {
    /// Writes `bytes` beside `target` with `mode`, regardless of the umask. Does not sync.
    pub fn write(target: &Path, bytes: &[u8], mode: u32) -> io::Result<Staged> {
        // `/dev/null` must stay what it is, also if root names it.
        if fs::symlink_metadata(target).is_ok_and(|old| is_device(old.file_type())) {
            return Err(io::Error::other("it is a device"));
        }
        let temporary = beside(target, ".tmp")?;
        match fs::remove_file(&temporary) {
            Err(err) if err.kind() != io::ErrorKind::NotFound => return Err(err),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        let written =
            file.write_all(bytes).and_then(|()| file.set_permissions(fs::Permissions::from_mode(mode)));
        // If the write failed, this is dropped and removes the file.
        let (file, is_synced) = (Some(file), Cell::new(false));
        let staged = Staged { temporary, target: target.to_owned(), file, is_synced, committed: false };
        written.map(|()| staged)
    }

    /// The temporary file, for example to change its owner. It must not have been closed.
    pub fn file(&self) -> &File {
        self.file.as_ref().expect("a caller that closes the file does not use it")
    }

    /// Closes the temporary file, for batches of thousands, which would run out of descriptors.
    pub fn close(&mut self) {
        self.file = None;
    }

    /// The path of the temporary file.
    pub fn path(&self) -> &Path {
        &self.temporary
    }

    /// The path that the file will have.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// Renames the file to its target. That is durable when the file and then the directory have been synced.
    pub fn rename(mut self) -> io::Result<()> {
        fs::rename(&self.temporary, &self.target)?;
        self.committed = true;
        Ok(())
    }

    /// Syncs the file, after which it must not be changed. `commit` does not sync it again.
    pub fn sync(&self) -> io::Result<()> {
        self.file().sync_all().inspect(|()| self.is_synced.set(true))
    }

    /// Syncs, renames, and syncs the directory, so that the content survives a power cut.
    pub fn commit(self) -> io::Result<()> {
        if !self.is_synced.get() {
            self.sync()?;
        }
        let directory = directory_of(&self.target).to_owned();
        self.rename()?;
        File::open(directory)?.sync_all()
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.committed {
            // A leftover is harmless: nothing reads it, and the next run replaces it.
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// Replaces `target` by `bytes` with `mode`, durably.
pub fn replace(target: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    Staged::write(target, bytes, mode)?.commit()
}

/// The path beside `path` whose name is `.NAME` and `suffix`.
pub fn beside(path: &Path, suffix: &str) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or_else(|| io::Error::from(ErrorKind::InvalidInput))?;
    let mut hidden = OsString::from(".");
    hidden.push(name);
    hidden.push(suffix);
    Ok(path.with_file_name(hidden))
}

/// The directory that holds `path`, `.` for a bare name.
pub fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => path,
    }
}

fn is_device(kind: FileType) -> bool {
    kind.is_char_device() || kind.is_block_device()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_device_is_not_replaced() {
        let refused = Staged::write(Path::new("/dev/null"), b"x", 0o600).unwrap_err();
        assert_eq!(refused.to_string(), "it is a device");
    }

    #[test]
    fn a_file_is_replaced_with_its_mode_and_no_temporary_file_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("f");
        replace(&target, b"one", 0o640).unwrap();
        replace(&target, b"two", 0o600).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"two");
        assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o7777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_leftover_of_a_killed_run_is_replaced_and_a_symlink_in_its_place_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("f");
        symlink("/nonexistent/elsewhere", dir.path().join(".f.tmp")).unwrap();
        replace(&target, b"new", 0o600).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"new");
    }

    #[test]
    fn a_staged_file_that_is_dropped_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        drop(Staged::write(&dir.path().join("f"), b"x", 0o600).unwrap());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
