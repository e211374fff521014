//! A private place for a text that is checked but gets no file: for stdout, and for a run that only
//! says what it would do. Nobody else can look into it or put something there.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use common::replace::replace;

/// A file in a directory of its own, both gone when this is dropped.
#[derive(Debug)]
pub(crate) struct Scratch {
    directory: PathBuf,
    file: PathBuf,
}

impl Scratch {
    /// Writes `text` to a new file.
    pub(crate) fn write(text: &str) -> io::Result<Scratch> {
        let directory = nix::unistd::mkdtemp(&env::temp_dir().join("render-cfg.XXXXXX"))?;
        let scratch = Scratch { file: directory.join("haproxy.cfg"), directory };
        replace(&scratch.file, text.as_bytes(), 0o600)?;
        Ok(scratch)
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.file
    }

    /// Where such directories are made, for an error.
    pub(crate) fn place() -> String {
        env::temp_dir().display().to_string()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A leftover is the temporary directory's business.
        let _ = fs::remove_dir_all(&self.directory);
    }
}
