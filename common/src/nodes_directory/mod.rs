//! Writing the nodes directory: one record per file, `<name>.json`, written by one run at a time.
//!
//! A writer locks the directory itself with flock(2), so there is no lock file, and a directory that is replaced during
//! the wait is noticed. Changes are made in one batch: all temporary files, one sync, all renames, one sync of the
//! directory. If a run is killed, each record is the old or the new one.

mod obstacle;

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use nix::fcntl::Flock;

use crate::lock;
use crate::node::{Node, check_name};
use crate::records::{NodesError, RecordFiles, io_error, read_with};
use crate::replace::Staged;

use obstacle::explained;
pub use obstacle::is_missing;

/// Records and their directory are readable by owner and group only.
const RECORD_MODE: u32 = 0o640;
const DIRECTORY_MODE: u32 = 0o750;

/// The effect of putting a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// There was no record.
    Added,
    /// There was a different one.
    Updated,
    /// There was an equal one.
    Unchanged,
}

/// The nodes directory, locked for writing until it is dropped.
#[derive(Debug)]
pub struct NodesDir {
    path: PathBuf,
    directory: Flock<File>,
    /// Records that have been written but not yet renamed, by path.
    staged: BTreeMap<PathBuf, Staged>,
    removed: bool,
    /// Reused for each record that is compared.
    buffer: Vec<u8>,
}

impl NodesDir {
    /// Creates the directory if it does not exist (mode 0750), and locks it, waiting at most `timeout`.
    pub fn lock(path: &Path, timeout: Duration) -> Result<NodesDir, NodesError> {
        let deadline = Instant::now() + timeout;
        loop {
            let made = DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(path);
            made.map_err(explained("make", path, path))?;
            let directory = File::open(path).map_err(explained("open", path, path))?;
            let left = deadline.saturating_duration_since(Instant::now());
            let locked = lock::exclusive(directory, left).map_err(io_error("lock", path))?;
            let Some(directory) = locked else {
                return Err(NodesError::Locked { path: path.to_owned(), waited: timeout });
            };
            if is_at(&directory, path) {
                return Ok(NodesDir {
                    path: path.to_owned(),
                    directory,
                    staged: BTreeMap::new(),
                    removed: false,
                    buffer: Vec::new(),
                });
            }
        }
    }

    /// The record of the node called `name` as it was before this batch, or `None`. Fails if it cannot be read.
    pub fn get(&self, name: &str) -> Result<Option<Node>, NodesError> {
        RecordFiles { path: &self.path, directory: &self.directory }.get(file_name(name).as_ref())
    }

    /// When the record of the node called `name` was written; `None` if there is none.
    pub fn written_at(&self, name: &str) -> Option<SystemTime> {
        fs::symlink_metadata(self.record(name)).and_then(|record| record.modified()).ok()
    }

    /// The records of all nodes except those called `names`, sorted by name, and an error for each that cannot be read.
    pub fn read_except(&self, names: &HashSet<&str>) -> Result<(Vec<Node>, Vec<NodesError>), NodesError> {
        let is_other = |file: &OsStr| {
            let name = file.to_str().and_then(|file| file.strip_suffix(".json"));
            name.is_none_or(|name| !names.contains(name))
        };
        let (mut nodes, faults) = read_with(&self.path, is_other, |nodes| nodes)?;
        nodes.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok((nodes, faults))
    }

    /// Writes the node's record to a temporary file, unless the record is already equal. [`NodesDir::finish`] renames
    /// it. The last of several for one name counts.
    pub fn put(&mut self, node: &Node) -> Result<Change, NodesError> {
        let record = self.record(&node.name);
        // Before writing, because both have the same temporary name.
        self.staged.remove(&record);
        let bytes = node.pack();
        let files = RecordFiles { path: &self.path, directory: &self.directory };
        let change = match files.bytes(file_name(&node.name).as_ref(), &mut self.buffer) {
            Ok(Some(old)) if old == bytes => return Ok(Change::Unchanged),
            Ok(None) => Change::Added,
            Ok(Some(_)) | Err(_) => Change::Updated,
        };
        let mut staged =
            Staged::write(&record, &bytes, RECORD_MODE).map_err(explained("write", &record, &self.path))?;
        // A batch may have thousands, more than the limit of open files.
        staged.close();
        self.staged.insert(record, staged);
        Ok(change)
    }

    /// Removes the record of the node called `name`. Returns whether there was one.
    pub fn remove(&mut self, name: &str) -> Result<bool, NodesError> {
        let record = self.record(name);
        self.staged.remove(&record);
        match fs::remove_file(&record) {
            Ok(()) => self.removed = true,
            // A read-only file system fails even if there is no such file.
            Err(_) if record.symlink_metadata().is_err() => return Ok(false),
            Err(err) => return Err(explained("remove", &record, &self.path)(err)),
        }
        Ok(true)
    }

    /// Removes temporary files that killed runs left. They are harmless; a run with a whole membership removes them.
    pub fn sweep(&self) {
        for entry in fs::read_dir(&self.path).into_iter().flatten().flatten() {
            let name = entry.file_name();
            if name.as_bytes().starts_with(b".") && name.as_bytes().ends_with(b".json.tmp") {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    /// Makes all changes durable and releases the lock. Returns the errors; everything else has been done.
    pub fn finish(mut self) -> Vec<NodesError> {
        if self.staged.is_empty() && !self.removed {
            return Vec::new();
        }
        let mut faults = Vec::new();
        if let Err(err) = self.sync_staged() {
            // Without the sync, a rename could be durable before the content: keep the old records.
            self.staged.clear();
            faults.push(io_error("sync", &self.path)(err));
        }
        for (record, staged) in std::mem::take(&mut self.staged) {
            faults.extend(staged.rename().map_err(io_error("write", &record)).err());
        }
        faults.extend(self.directory.sync_all().map_err(io_error("sync", &self.path)).err());
        faults
    }

    fn sync_staged(&self) -> io::Result<()> {
        let mut staged = self.staged.values();
        match (staged.next(), staged.next()) {
            (None, _) => Ok(()),
            (Some(one), None) => File::open(one.path())?.sync_all(),
            // One call for all. Syncing each of them costs more than everything else together.
            _ => Ok(nix::unistd::syncfs(&*self.directory)?),
        }
    }

    fn record(&self, name: &str) -> PathBuf {
        self.path.join(file_name(name))
    }
}

/// The name of a node's record file. The node's name has passed the whitelist, so it is safe in a path.
fn file_name(name: &str) -> String {
    debug_assert!(check_name(name).is_ok());
    format!("{name}.json")
}

/// Whether `path` is still the directory that is open as `directory`.
fn is_at(directory: &File, path: &Path) -> bool {
    match (directory.metadata(), fs::metadata(path)) {
        (Ok(ours), Ok(theirs)) => (ours.dev(), ours.ino()) == (theirs.dev(), theirs.ino()),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
