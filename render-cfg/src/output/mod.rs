//! The output file: finding, locking, comparing and replacing it. A new text is staged, which means written to a file
//! beside the output, and later renamed over it.
//!
//! The lock is taken before anything is read, and held to the end. So of two runs at the same time, the one that writes
//! last has also read last, and an older state never replaces a newer one.

pub(crate) mod diff;
pub(crate) mod target;

use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use common::regular_file;
use common::replace::{self, Staged};
use common::rewrite::{self, Written};
use common::rollback_marks;
use nix::fcntl::Flock;

use crate::output::target::{OutputError, find, io_error};
use crate::side_files::{self, SideFile};

/// The mode of a new file. HAProxy's user can read it without owning it.
const NEW_MODE: u32 = 0o644;

/// The output file as it was when it was opened.
#[derive(Debug)]
pub(crate) struct Output {
    /// The name that the operator gave.
    name: PathBuf,
    /// The path without symlinks.
    path: PathBuf,
    old: Option<(Vec<u8>, Metadata)>,
    /// Held until this is dropped; `None` for a run that writes nothing.
    _lock: Option<Flock<File>>,
}

impl Output {
    /// Opens the output and locks it, waiting at most `timeout` for other runs. It must not be `template`.
    pub(crate) fn lock(name: &Path, template: &Path, timeout: Duration) -> Result<Output, OutputError> {
        let path = find(name, template)?;
        let lock = rewrite::lock(&path, timeout).map_err(io_error("lock", name))?;
        if lock.is_none() {
            return Err(OutputError::Locked { path: name.to_owned(), waited: timeout });
        }
        Output::open(name, path, lock)
    }

    /// Opens the output without a lock, for a run that writes nothing. It must not be `template`.
    pub(crate) fn open_unlocked(name: &Path, template: &Path) -> Result<Output, OutputError> {
        Output::open(name, find(name, template)?, None)
    }

    fn open(name: &Path, path: PathBuf, lock: Option<Flock<File>>) -> Result<Output, OutputError> {
        let old = match regular_file::open(&path) {
            Err(err) if err.kind() == ErrorKind::NotFound => None,
            opened => Some(opened.and_then(read_with_metadata).map_err(io_error("read", name))?),
        };
        Ok(Output { name: name.to_owned(), path, old, _lock: lock })
    }

    /// The name that the operator gave.
    pub(crate) fn name(&self) -> &Path {
        &self.name
    }

    /// The path without symlinks.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The content; `None` if there is no file.
    pub(crate) fn old(&self) -> Option<&[u8]> {
        self.old.as_ref().map(|(bytes, _)| &bytes[..])
    }

    /// When the content was written; `None` if there is no file.
    pub(crate) fn written_at(&self) -> Option<SystemTime> {
        self.old.as_ref().and_then(|(_, metadata)| metadata.modified().ok())
    }

    /// Whether the content is `text` and need not be written again. The exception is a text that reload-haproxy has put
    /// back after a failed reload: writing it again shows that it is wanted.
    pub(crate) fn is_current(&self, text: &str) -> bool {
        self.old() == Some(text.as_bytes()) && !rollback_marks::is_put_back(&self.path)
    }

    /// Writes `text` to a file beside the output, with the old file's mode and owner.
    pub(crate) fn stage(&self, text: &str) -> Result<Staged, OutputError> {
        // An excerpt of a run that was killed; the check of the next one can be long in coming.
        let _ = replace::beside(&self.excerpt(), ".tmp").and_then(fs::remove_file);
        self.stage_at(&self.path, text)
    }

    /// The path of an excerpt, which is only staged.
    fn excerpt(&self) -> PathBuf {
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(".excerpt");
        self.path.with_file_name(name)
    }

    fn stage_at(&self, path: &Path, text: &str) -> Result<Staged, OutputError> {
        let name = if path == self.path { &self.name } else { path };
        let staged = Staged::write(path, text.as_bytes(), 0o600).map_err(io_error("write", name))?;
        let kept = match &self.old {
            None => staged.file().set_permissions(Permissions::from_mode(NEW_MODE)),
            Some((_, old)) => rewrite::keep(staged.file(), old),
        };
        kept.map_err(io_error("keep mode and owner of", name))?;
        Ok(staged)
    }

    /// Writes an excerpt of a text to a file beside the output, for a check: HAProxy may resolve paths from there.
    pub(crate) fn stage_excerpt(&self, excerpt: &str) -> Result<Staged, OutputError> {
        self.stage_at(&self.excerpt(), excerpt)
    }

    /// Writes the files that a text names, with the output's mode and owner. Those that are there are kept.
    pub(crate) fn write_beside(&self, files: &[SideFile]) -> Result<WrittenBeside, OutputError> {
        let mut written = WrittenBeside(Vec::new());
        for file in files.iter().filter(|file| !side_files::is_there(file)) {
            let staged = self.stage_at(&file.path, &file.text)?;
            staged.commit().map_err(io_error("write", &file.path))?;
            written.0.push(file.path.clone());
        }
        Ok(written)
    }

    /// After `new` was installed: removes the files beside the output that no text has named for long.
    pub(crate) fn tidy(&self, new: &str) -> Result<(), OutputError> {
        let old = self.old().map(String::from_utf8_lossy).unwrap_or_default();
        side_files::tidy(&self.path, &old, new).map_err(io_error("remove old files beside", &self.name))
    }

    /// Syncs the staged file. This runs during the check, so it takes no extra time. The result must be used, because the
    /// system reports a write error only once.
    pub(crate) fn sync(&self, staged: &Staged) -> Result<(), OutputError> {
        staged.sync().map_err(io_error("write", &self.name))
    }

    /// Renames the staged file, which contains `text`, over the output and syncs the directory.
    pub(crate) fn install(&self, staged: Staged, text: &str) -> Result<Written, OutputError> {
        rewrite::install(staged, self.old(), text.as_bytes()).map_err(io_error("write", &self.name))
    }
}

/// The files that a run has written beside the output.
pub(crate) struct WrittenBeside(Vec<PathBuf>);

impl WrittenBeside {
    /// Removes them: the text that names them was refused.
    pub(crate) fn remove(&self) {
        for path in &self.0 {
            // A leftover does no harm.
            let _ = fs::remove_file(path);
        }
    }
}

fn read_with_metadata(mut file: File) -> io::Result<(Vec<u8>, Metadata)> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok((bytes, file.metadata()?))
}
