//! A private temporary file for a text that is checked but not staged beside an output: for stdout, and for --dry-run.
//! No other user can read or replace it.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use common::replace::replace;

use crate::side_files::SideFile;

/// A file in a directory of its own. Both are removed when this is dropped.
#[derive(Debug)]
pub(crate) struct CheckFile {
    directory: PathBuf,
    file: PathBuf,
    text: String,
}

impl CheckFile {
    /// Writes `text` to a new file, and beside it the files that it names, under their names there.
    pub(crate) fn write(text: &str, files: &[SideFile]) -> io::Result<CheckFile> {
        let directory = nix::unistd::mkdtemp(&env::temp_dir().join("render-cfg.XXXXXX"))?;
        let file = directory.join("haproxy.cfg");
        let mut created = CheckFile { directory, file, text: text.to_owned() };
        for (number, file) in files.iter().enumerate() {
            let beside = created.directory.join(format!("{number}.file"));
            replace(&beside, file.text.as_bytes(), 0o600)?;
            let (path, beside) = (file.path.to_string_lossy(), beside.to_string_lossy());
            created.text = created.text.replace(&*path, &beside);
        }
        replace(&created.file, created.text.as_bytes(), 0o600)?;
        Ok(created)
    }

    /// Its content.
    pub(crate) fn text(&self) -> &str {
        &self.text
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
