//! The one way in which Rollcall makes a file that others read: whole, or not at all.
//!
//! The bytes go to a temporary file beside the target, are synced, and get the target's name in one
//! rename; then the directory is synced. The temporary name is fixed (`.NAME.tmp`): callers hold a lock,
//! so whatever stands there is left over from a run that was killed, and is replaced.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// A file's bytes, written and synced beside their target, not yet under its name. Dropped without
/// `commit`, it leaves nothing behind.
#[derive(Debug)]
pub struct Staged {
    temporary: PathBuf,
    target: PathBuf,
    /// Open until `close`.
    file: Option<File>,
    committed: bool,
}

impl Staged {
    /// Writes `bytes` beside `target` with `mode`, whatever the umask, and does not sync yet.
    pub fn write(target: &Path, bytes: &[u8], mode: u32) -> io::Result<Staged> {
        let temporary = beside(target, ".tmp")?;
        match fs::remove_file(&temporary) {
            Err(err) if err.kind() != io::ErrorKind::NotFound => return Err(err),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        let written =
            file.write_all(bytes).and_then(|()| file.set_permissions(fs::Permissions::from_mode(mode)));
        // From here on a failure leaves nothing behind: it is dropped.
        let staged = Staged { temporary, target: target.to_owned(), file: Some(file), committed: false };
        written.map(|()| staged)
    }

    /// The temporary file, for looking at the content before it goes live, or changing its owner. It must
    /// not have been closed.
    pub fn file(&self) -> &File {
        self.file.as_ref().expect("who closes it does not ask for it")
    }

    /// Closes the temporary file: a batch of thousands would run out of descriptors.
    pub fn close(&mut self) {
        self.file = None;
    }

    /// Where the content stands until it is committed.
    pub fn path(&self) -> &Path {
        &self.temporary
    }

    /// The name that the content will have.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// Gives the content its name. What was synced before is durable once the directory is synced too.
    pub fn rename(mut self) -> io::Result<()> {
        fs::rename(&self.temporary, &self.target)?;
        self.committed = true;
        Ok(())
    }

    /// Syncs, renames, syncs the directory: from here on the content is there, even after a power cut.
    pub fn commit(self) -> io::Result<()> {
        self.file().sync_all()?;
        let directory = directory_of(&self.target).to_owned();
        self.rename()?;
        File::open(directory)?.sync_all()
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.committed {
            // A leftover does no harm: nobody reads it, and the next run replaces it.
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// Replaces `target` by `bytes` with `mode`, durably.
pub fn replace(target: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    Staged::write(target, bytes, mode)?.commit()
}

/// The hidden name beside `path` that ends in `suffix`.
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_file_is_replaced_with_its_mode_and_nothing_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("f");
        replace(&target, b"one", 0o640).unwrap();
        replace(&target, b"two", 0o600).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"two");
        assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o7777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_leftover_of_a_killed_run_is_replaced_and_a_planted_link_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("f");
        symlink("/nonexistent/elsewhere", dir.path().join(".f.tmp")).unwrap();
        replace(&target, b"new", 0o600).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"new");
    }

    #[test]
    fn staged_content_that_is_dropped_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        drop(Staged::write(&dir.path().join("f"), b"x", 0o600).unwrap());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
