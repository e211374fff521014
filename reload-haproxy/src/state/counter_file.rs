//! The file of the counters.
//!
//! A run counts in memory and adds to the file once, at its end, and only if it has counted something. A run that
//! waits in vain for the lock of a run counts too, so the file has a lock of its own: the directory itself.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::lock;
use common::regular_file;
use common::replace::{Staged, directory_of};
use nix::fcntl::Flock;

use crate::state::counters::Counters;

/// There are few counters, and their names are short.
const FILE_MAX: u64 = 1 << 20;
/// It is held for as long as it takes to replace two small files.
const PATIENCE: Duration = Duration::from_secs(5);

/// The file of the counters, locked until it is dropped.
#[derive(Debug)]
pub(crate) struct CounterFile {
    path: PathBuf,
    counters: Counters,
    _lock: Flock<File>,
}

impl CounterFile {
    /// Locks and reads the file at `path`. Fails if its directory does not exist.
    pub(crate) fn lock(path: &Path) -> io::Result<CounterFile> {
        let directory = File::open(directory_of(path))?;
        let lock = lock::exclusive(directory, PATIENCE)?;
        let lock = lock.ok_or_else(|| io::Error::other("another program holds its lock"))?;
        Ok(CounterFile { path: path.to_owned(), counters: read(path), _lock: lock })
    }

    /// Adds to the counters, and replaces the file if that changes them. It need not outlive a power cut: the
    /// directory does not outlive a reboot.
    pub(crate) fn add(&mut self, counted: &Counters) -> io::Result<()> {
        let before = self.counters.clone();
        self.counters.add(counted);
        if self.counters == before {
            return Ok(());
        }
        let json = serde_json::to_vec(&self.counters).expect("maps of names and numbers are always JSON");
        Staged::write(&self.path, &json, 0o640)?.rename()
    }

    /// What has been counted.
    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }
}

/// The counters in the file at `path`. Without a file that can be read, all are 0.
fn read(path: &Path) -> Counters {
    let bytes = regular_file::read(path, FILE_MAX).unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::counters::{ChangeKind, Stage};
    use common::replace::replace;

    fn counted() -> Counters {
        let mut counters = Counters::default();
        counters.change(ChangeKind::Servers);
        counters.reload("forced");
        counters.refusal(Stage::Check);
        counters.end("member-join", 3);
        counters.end("member-leave", 0);
        counters.end("render-cfg", 137);
        counters
    }

    #[test]
    fn what_runs_have_counted_is_added_up() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c");
        for _ in 0..3 {
            CounterFile::lock(&path).unwrap().add(&counted()).unwrap();
        }
        let counters = read(&path);
        assert_eq!(counters.changes, [("reload".to_owned(), 3), ("servers".to_owned(), 3)].into());
        assert_eq!(counters.reloads, [("forced".to_owned(), 3)].into());
        assert_eq!(counters.refusals, [("check".to_owned(), 3)].into());
        assert_eq!(counters.faults["member-join"], [(3, 3)].into());
        assert_eq!(counters.faults["member-leave"], [].into());
        assert_eq!(counters.faults["render-cfg"], [(1, 3)].into());
    }

    #[test]
    fn a_run_that_has_counted_nothing_new_does_not_touch_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c");
        CounterFile::lock(&path).unwrap().add(&Counters::default()).unwrap();
        assert!(!path.exists());
        let mut success = Counters::default();
        success.end("member-join", 0);
        CounterFile::lock(&path).unwrap().add(&success).unwrap();
        let before = std::fs::metadata(&path).unwrap().modified().unwrap();
        CounterFile::lock(&path).unwrap().add(&success).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().modified().unwrap(), before);
    }

    #[test]
    fn twenty_runs_at_once_lose_no_count() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c");
        std::thread::scope(|scope| {
            for _ in 0..20 {
                scope.spawn(|| CounterFile::lock(&path).unwrap().add(&counted()).unwrap());
            }
        });
        assert_eq!(read(&path).changes["servers"], 20);
    }

    #[test]
    fn a_damaged_file_counts_from_0() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c");
        replace(&path, b"{\"changes\":{\"ser", 0o640).unwrap();
        CounterFile::lock(&path).unwrap().add(&counted()).unwrap();
        assert_eq!(read(&path), counted());
    }
}
