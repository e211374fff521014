//! A private temporary file for a text that is checked but not staged beside an output: for stdout, and for --dry-run.
//! No other user can read or replace it.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use common::replace::replace;

/// A file in a directory of its own. Both are removed when this is dropped.
#[derive(Debug)]
pub(crate) struct CheckFile {
    directory: PathBuf,
    file: PathBuf,
}

impl CheckFile {
    /// Writes `text` to a new file.
    pub(crate) fn write(text: &str) -> io::Result<CheckFile> {
        let directory = nix::unistd::mkdtemp(&env::temp_dir().join("render-cfg.XXXXXX"))?;
        let created = CheckFile { file: directory.join("haproxy.cfg"), directory };
        replace(&created.file, text.as_bytes(), 0o600)?;
        Ok(created)
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.file
    }

    /// The directory in which such files are created, for an error message.
    pub(crate) fn directory() -> String {
        env::temp_dir().display().to_string()
    }
}

impl Drop for CheckFile {
    fn drop(&mut self) {
        // A leftover in the temporary directory does no harm.
        let _ = fs::remove_dir_all(&self.directory);
    }
}
