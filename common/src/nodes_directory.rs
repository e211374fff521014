//! Writing the nodes directory: one record a file, `<name>.json`, written by one run at a time.
//!
//! A writer holds flock(2) on the directory itself, so there is no lock file to lose, and a directory
//! that is replaced while somebody waits for it is noticed. Changes are made in one batch: all temporary
//! files, one sync, all renames and removals, one sync of the directory. Killed at any moment, every
//! record is the old or the new one.

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::fcntl::Flock;

use crate::lock;
use crate::node::{Node, check_name};
use crate::records::{NodesError, Records, in_halves, io_error, read_with};
use crate::replace::Staged;

/// Records and their directory: for the owner and the group. Nothing else needs them.
const RECORD_MODE: u32 = 0o640;
const DIRECTORY_MODE: u32 = 0o750;

/// What a change to one record came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// There was no record.
    Added,
    /// There was another one.
    Updated,
    /// It stood there already.
    Unchanged,
}

/// The nodes directory, locked for writing until it is dropped.
#[derive(Debug)]
pub struct NodesDir {
    path: PathBuf,
    directory: Flock<File>,
    /// What was put, by the record's path.
    staged: BTreeMap<PathBuf, Staged>,
    removed: bool,
    /// Room for one record, for all that are compared.
    buffer: Vec<u8>,
}

impl NodesDir {
    /// Makes the directory if it is absent (mode 0750), and locks it, waiting at most `timeout`.
    pub fn lock(path: &Path, timeout: Duration) -> Result<NodesDir, NodesError> {
        let deadline = Instant::now() + timeout;
        loop {
            let made = DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(path);
            made.map_err(io_error("make", path))?;
            let directory = File::open(path).map_err(io_error("open", path))?;
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

    /// The record of the node called `name`, as it was before this batch, if there is one that can be read.
    pub fn get(&self, name: &str) -> Result<Option<Node>, NodesError> {
        self.records().get(file_name(name).as_ref())
    }

    /// The records of all nodes but those called `names`, in the order of the names, and what is wrong with others.
    pub fn read_but(&self, names: &HashSet<&str>) -> Result<(Vec<Node>, Vec<NodesError>), NodesError> {
        let is_other = |file: &OsStr| {
            let name = file.to_str().and_then(|file| file.strip_suffix(".json"));
            name.is_none_or(|name| !names.contains(name))
        };
        let (mut nodes, faults) = read_with(&self.path, is_other, |nodes| nodes)?;
        nodes.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok((nodes, faults))
    }

    /// Of each of `nodes` whether just this stands in its record.
    pub fn stand(&self, nodes: &[Node]) -> Vec<bool> {
        let stand = |nodes: &[Node]| {
            let mut buffer = Vec::new();
            let mut stands = |node: &Node| {
                let record = self.records().bytes(file_name(&node.name).as_ref(), &mut buffer);
                record.is_ok_and(|bytes| bytes.is_some_and(|bytes| bytes == node.pack()))
            };
            nodes.iter().map(&mut stands).collect::<Vec<_>>()
        };
        in_halves(nodes, stand).flatten().collect()
    }

    /// Writes the node's record beside its place, unless just this stands there already. It gets its
    /// place in [`NodesDir::finish`]. Of several for one name the last counts.
    pub fn put(&mut self, node: &Node) -> Result<Change, NodesError> {
        let record = self.record(&node.name);
        // First: both have the same temporary name.
        self.staged.remove(&record);
        let bytes = node.pack();
        let records = Records { path: &self.path, directory: &self.directory };
        let change = match records.bytes(file_name(&node.name).as_ref(), &mut self.buffer) {
            Ok(Some(old)) if old == bytes => return Ok(Change::Unchanged),
            Ok(None) => Change::Added,
            Ok(Some(_)) | Err(_) => Change::Updated,
        };
        let mut staged = Staged::write(&record, &bytes, RECORD_MODE).map_err(io_error("write", &record))?;
        // Thousands may be put in one batch, and only so many files be open.
        staged.close();
        self.staged.insert(record, staged);
        Ok(change)
    }

    /// Removes the record of the node called `name`. Says whether there was one.
    pub fn remove(&mut self, name: &str) -> Result<bool, NodesError> {
        let record = self.record(name);
        self.staged.remove(&record);
        match fs::remove_file(&record) {
            Ok(()) => self.removed = true,
            // A read-only file system says no before it looks.
            Err(_) if record.symlink_metadata().is_err() => return Ok(false),
            Err(err) => return Err(io_error("remove", &record)(err)),
        }
        Ok(true)
    }

    fn records(&self) -> Records<'_> {
        Records { path: &self.path, directory: &self.directory }
    }

    /// Removes what killed runs left behind. Nobody reads it; a run over the whole directory tidies up.
    pub fn sweep(&self) {
        for entry in fs::read_dir(&self.path).into_iter().flatten().flatten() {
            let name = entry.file_name();
            if name.as_bytes().starts_with(b".") && name.as_bytes().ends_with(b".json.tmp") {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    /// Makes everything that was put and removed durable, and lets go of the lock. Gives what could not
    /// be done; the rest has been.
    pub fn finish(mut self) -> Vec<NodesError> {
        if self.staged.is_empty() && !self.removed {
            return Vec::new();
        }
        let mut faults = Vec::new();
        if let Err(err) = self.sync_staged() {
            // Without the sync, a rename could outlive its content: leave the old records.
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
            // One system call for all of them; a sync each costs more than everything else together.
            _ => Ok(nix::unistd::syncfs(&*self.directory)?),
        }
    }

    fn record(&self, name: &str) -> PathBuf {
        self.path.join(file_name(name))
    }
}

/// The file of the record of the node called `name`. The name has passed the whitelist, so it is a file
/// name and no more.
fn file_name(name: &str) -> String {
    debug_assert!(check_name(name).is_ok());
    format!("{name}.json")
}

/// Whether `path` still names the directory that is open as `directory`.
fn is_at(directory: &File, path: &Path) -> bool {
    match (directory.metadata(), fs::metadata(path)) {
        (Ok(ours), Ok(theirs)) => (ours.dev(), ours.ino()) == (theirs.dev(), theirs.ino()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::Tags;
    use crate::records::read_all;
    use crate::replace::replace;

    fn node(name: &str, address: &str) -> Node {
        Node::new(name, address, Tags::new()).unwrap()
    }

    fn locked(path: &Path) -> NodesDir {
        NodesDir::lock(path, Duration::from_secs(10)).unwrap()
    }

    fn put(path: &Path, nodes: &[Node]) -> Vec<Change> {
        let mut dir = locked(path);
        let changes = nodes.iter().map(|node| dir.put(node).unwrap()).collect();
        assert!(dir.finish().is_empty());
        changes
    }

    #[test]
    fn what_stands_is_told_from_what_does_not_among_few_and_many() {
        let scratch = tempfile::tempdir().unwrap();
        let mut nodes: Vec<Node> = (0..600).map(|i| node(&format!("n{i}"), "10.0.0.1")).collect();
        put(scratch.path(), &nodes);
        nodes[1] = node("n1", "10.0.0.2");
        nodes[599] = node("new", "10.0.0.1");
        replace(&scratch.path().join("n400.json"), b"{", 0o640).unwrap();
        let dir = locked(scratch.path());
        let others = |stand: Vec<bool>| (0..stand.len()).filter(|at| !stand[*at]).collect::<Vec<_>>();
        assert_eq!(others(dir.stand(&nodes)), [1, 400, 599]);
        assert_eq!(others(dir.stand(&nodes[..3])), [1]);
        assert!(dir.stand(&[]).is_empty());
        let known: HashSet<&str> = nodes[..598].iter().map(|node| node.name.as_str()).collect();
        let (read, faults) = dir.read_but(&known).unwrap();
        assert_eq!((read, faults.len()), (vec![node("n598", "10.0.0.1"), node("n599", "10.0.0.1")], 0));
    }

    #[test]
    fn what_is_put_is_read_back_sorted_by_name() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("a/nodes");
        let nodes = [node("s.1", "10.0.0.2"), node("s-1", "10.0.0.1"), node("s", "10.0.0.3")];
        assert_eq!(put(&path, &nodes), [Change::Added; 3]);
        let (read, faults) = read_all(&path).unwrap();
        assert_eq!(read.iter().map(|n| n.name.as_str()).collect::<Vec<_>>(), ["s", "s-1", "s.1"]);
        assert!(faults.is_empty());
    }

    #[test]
    fn an_equal_record_is_not_written_again() {
        let scratch = tempfile::tempdir().unwrap();
        put(scratch.path(), &[node("s1", "10.0.0.1")]);
        let inode = || fs::metadata(scratch.path().join("s1.json")).unwrap().ino();
        let before = inode();
        assert_eq!(put(scratch.path(), &[node("s1", "10.0.0.1")]), [Change::Unchanged]);
        assert_eq!(inode(), before);
        assert_eq!(put(scratch.path(), &[node("s1", "10.0.0.2")]), [Change::Updated]);
    }

    #[test]
    fn removing_what_is_not_there_is_no_error() {
        let scratch = tempfile::tempdir().unwrap();
        put(scratch.path(), &[node("s1", "10.0.0.1")]);
        let mut dir = locked(scratch.path());
        assert!(dir.remove("s1").unwrap());
        assert!(!dir.remove("s1").unwrap());
        assert!(dir.finish().is_empty());
        assert!(read_all(scratch.path()).unwrap().0.is_empty());
    }

    #[test]
    fn of_several_changes_to_one_record_the_last_counts() {
        let scratch = tempfile::tempdir().unwrap();
        put(scratch.path(), &[node("s1", "10.0.0.1")]);
        put(scratch.path(), &[node("s1", "10.0.0.9"), node("s2", "10.0.0.2"), node("s1", "10.0.0.1")]);
        let mut dir = locked(scratch.path());
        dir.put(&node("s2", "10.0.0.3")).unwrap();
        assert!(dir.remove("s2").unwrap());
        assert!(dir.finish().is_empty());
        assert_eq!(read_all(scratch.path()).unwrap().0, [node("s1", "10.0.0.1")]);
    }

    #[test]
    fn a_pipe_in_a_records_place_does_not_hold_the_writer() {
        let scratch = tempfile::tempdir().unwrap();
        nix::unistd::mkfifo(&scratch.path().join("s1.json"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(put(scratch.path(), &[node("s1", "10.0.0.1")]), [Change::Updated]);
        assert_eq!(read_all(scratch.path()).unwrap().0.len(), 1);
    }

    #[test]
    fn a_batch_that_is_not_finished_changes_no_record() {
        let scratch = tempfile::tempdir().unwrap();
        let mut dir = locked(scratch.path());
        dir.put(&node("s1", "10.0.0.1")).unwrap();
        drop(dir);
        assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_directory_replaced_under_the_waiter_is_noticed() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("nodes");
        let old = locked(&path);
        let waiter = std::thread::spawn({
            let path = path.clone();
            move || put(&path, &[node("s1", "10.0.0.1")])
        });
        fs::rename(&path, scratch.path().join("old")).unwrap();
        fs::create_dir(&path).unwrap();
        drop(old);
        waiter.join().unwrap();
        assert_eq!(read_all(&path).unwrap().0.len(), 1);
    }
}
