//! Since when nodes have been missing from the list: `.missing` in the nodes directory.
//!
//! Each run is a process of its own, so the times are kept in a file. If the file is lost, the times begin again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use common::failure::{Code, Failure};
use common::regular_file;
use common::replace::replace;

/// The entries of a million nodes are smaller.
const FILE_MAX: u64 = 256 << 20;
const MODE: u32 = 0o640;

/// The time since which each node has been missing, by name, in seconds since 1970.
type Since = BTreeMap<String, u64>;

/// The nodes that are missing, and for how long.
pub(crate) struct Waiting {
    path: PathBuf,
    now: u64,
    old: Since,
}

impl Waiting {
    /// Reads the file in the directory `nodes`. A file that cannot be read counts as empty.
    pub(crate) fn read(nodes: &Path) -> Waiting {
        let path = nodes.join(".missing");
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let bytes = regular_file::read(&path, FILE_MAX).unwrap_or_default();
        let old = serde_json::from_slice(&bytes).unwrap_or_default();
        Waiting { path, now, old }
    }

    /// Whether the node called `name` was missing in the last run.
    pub(crate) fn knows(&self, name: &str) -> bool {
        self.old.contains_key(name)
    }

    /// Whether the node called `name` has been missing for this time. If the clock was set back, the time begins again.
    pub(crate) fn has_lasted(&self, name: &str, time: Duration) -> bool {
        self.waited(name) >= time
    }

    fn waited(&self, name: &str) -> Duration {
        let since = self.old.get(name).copied().filter(|since| *since <= self.now);
        Duration::from_secs(self.now - since.unwrap_or(self.now))
    }

    /// Writes the names that are still missing, if they have changed. The time of those in `anew` begins again.
    pub(crate) fn keep(self, names: &BTreeSet<&str>, anew: &BTreeSet<&str>) -> Result<(), Failure> {
        let waited = |name: &str| if anew.contains(name) { 0 } else { self.waited(name).as_secs() };
        let since = |name: &str| self.now - waited(name);
        let new: Since = names.iter().map(|name| ((*name).to_owned(), since(name))).collect();
        if new == self.old {
            return Ok(());
        }
        let written = if new.is_empty() {
            fs::remove_file(&self.path).or_else(|err| match err.kind() {
                ErrorKind::NotFound => Ok(()),
                _ => Err(err),
            })
        } else {
            let bytes = serde_json::to_vec(&new).expect("a map with string keys is JSON");
            replace(&self.path, &bytes, MODE)
        };
        let path = self.path.display();
        written.map_err(|err| Failure::new(Code::Files, format!("cannot write '{path}': {err}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn at(nodes: &Path, later: u64) -> Waiting {
        let waiting = Waiting::read(nodes);
        Waiting { now: waiting.now + later, ..waiting }
    }

    #[test]
    fn the_time_runs_while_a_node_is_missing_in_each_run() {
        let nodes = tempfile::tempdir().unwrap();
        let names = BTreeSet::from(["s1"]);
        let first = at(nodes.path(), 0);
        assert!(!first.has_lasted("s1", MINUTE));
        first.keep(&names, &BTreeSet::new()).unwrap();
        let second = at(nodes.path(), 50);
        assert!(!second.has_lasted("s1", MINUTE));
        second.keep(&names, &BTreeSet::new()).unwrap();
        assert!(at(nodes.path(), 70).has_lasted("s1", MINUTE));
        at(nodes.path(), 70).keep(&names, &names).unwrap();
        assert!(!at(nodes.path(), 120).has_lasted("s1", MINUTE), "it has begun again");
        at(nodes.path(), 130).keep(&BTreeSet::new(), &BTreeSet::new()).unwrap();
        assert!(!at(nodes.path(), 200).has_lasted("s1", MINUTE));
        assert_eq!(fs::read_dir(nodes.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_clock_that_was_set_back_and_a_damaged_file_begin_the_time_again() {
        let nodes = tempfile::tempdir().unwrap();
        at(nodes.path(), 9999).keep(&BTreeSet::from(["s1"]), &BTreeSet::new()).unwrap();
        assert!(!at(nodes.path(), 0).has_lasted("s1", MINUTE));
        replace(&nodes.path().join(".missing"), b"{\"s1\":", MODE).unwrap();
        assert!(!at(nodes.path(), 9999).has_lasted("s1", MINUTE));
    }
}
