//! Reading the nodes directory: all records that can be read, and what is wrong with each of the others.
//!
//! A reader takes no lock: a record is replaced by a rename, so it is the old or the new one. With thousands
//! of records opening files is the whole cost, so they are opened relative to the directory, read with one
//! system call each, and by two threads where there are many.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::thread::{self, Scope, ScopedJoinHandle};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;
use thiserror::Error;

use crate::failure::{Code, Fault};
use crate::node::{Node, NodeError};

/// No record that passes the whitelists is larger; more is not read.
const RECORD_MAX: usize = 1 << 20;
/// Every record that Serf can announce fits; its own packets end at 64 KiB.
const BUFFER: usize = 64 << 10;
/// From so many records on, two threads read.
const SPLIT_FROM: usize = 256;

/// Why the nodes directory could not be read or written.
#[derive(Debug, Error)]
pub enum NodesError {
    /// The file system refused.
    #[error("cannot {verb} '{}': {err}", .path.display())]
    Io {
        /// What was tried.
        verb: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        err: io::Error,
    },
    /// A record's file cannot be read.
    #[error("cannot read '{}': {err}", .path.display())]
    Unreadable {
        /// The record's file.
        path: PathBuf,
        /// What the system said.
        err: io::Error,
    },
    /// A record's content is not right.
    #[error("cannot read '{}': {err}; mend it or remove it", .path.display())]
    Record {
        /// The record's file.
        path: PathBuf,
        /// What is wrong.
        err: NodeError,
    },
    /// A record stands under another node's name.
    #[error("cannot read '{}': it is the record of '{name}'; rename it or remove it", .path.display())]
    Misnamed {
        /// The record's file.
        path: PathBuf,
        /// The name in it.
        name: String,
    },
    /// Another run holds the lock.
    #[error("cannot lock '{}': another run has held it for {waited:?}; see --lock-timeout", .path.display())]
    Locked {
        /// The nodes directory.
        path: PathBuf,
        /// How long this run waited.
        waited: Duration,
    },
}

impl Fault for NodesError {
    fn code(&self) -> Code {
        match self {
            NodesError::Io { .. } => Code::Files,
            NodesError::Unreadable { .. } | NodesError::Record { .. } | NodesError::Misnamed { .. } => {
                Code::Input
            }
            NodesError::Locked { .. } => Code::Lock,
        }
    }
}

pub(crate) fn io_error(verb: &'static str, path: &Path) -> impl FnOnce(io::Error) -> NodesError {
    let path = path.to_owned();
    move |err| NodesError::Io { verb, path, err }
}

/// Reads all records of the directory at `path`, sorted by name: those that can be read, and what is
/// wrong with each of the others.
///
/// Files that do not end in `.json` or begin with a dot are passed over. A record that goes away while
/// it is looked for is gone, which is no error. Fails if the directory itself cannot be read.
pub fn read_all(path: &Path) -> Result<(Vec<Node>, Vec<NodesError>), NodesError> {
    let (mut nodes, faults) = read_with(path, |_| true, |nodes| nodes)?;
    nodes.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok((nodes, faults))
}

/// The same of the records in files that are wanted, with something made of the nodes by whoever has read them: `make`
/// gets some of them at a time, in the order of their files' names, and so do the results come.
pub fn read_with<T: Send>(
    path: &Path,
    is_wanted: impl Fn(&OsStr) -> bool,
    make: impl Fn(Vec<Node>) -> Vec<T> + Sync,
) -> Result<(Vec<T>, Vec<NodesError>), NodesError> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path).map_err(io_error("read", path))? {
        let name = entry.map_err(io_error("read", path))?.file_name();
        if is_record_name(&name) && is_wanted(&name) {
            names.push(name);
        }
    }
    names.sort_unstable();
    let directory = File::open(path).map_err(io_error("read", path))?;
    let records = Records { path, directory: &directory };
    let read = |names: &[OsString]| {
        let (nodes, faults) = records.read(names);
        (make(nodes), faults)
    };
    let (made, faults): (Vec<_>, Vec<_>) = in_halves(&names, read).unzip();
    Ok((made.into_iter().flatten().collect(), faults.into_iter().flatten().collect()))
}

/// Has two threads do `work` on a half of the `items` each, if there are many: opening files is work for the kernel,
/// not for the disk. The results come in the items' order.
pub(crate) fn in_halves<I: Sync, R: Send>(
    items: &[I],
    work: impl Fn(&[I]) -> R + Sync,
) -> impl Iterator<Item = R> {
    let (front, back) = items.split_at(if items.len() < SPLIT_FROM { items.len() } else { items.len() / 2 });
    let results = thread::scope(|scope| {
        let back = (!back.is_empty()).then(|| at_once(scope, || work(back)));
        let front = work(front);
        let joined = back.map(|back| back.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        [Some(front), joined]
    });
    results.into_iter().flatten()
}

/// Has another thread do `work` from now on. Linux lets a new thread wait its turn behind its maker, a
/// millisecond and more on a virtual machine, though another processor rests; one that it wakes goes there.
fn at_once<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    work: impl FnOnce() -> T + Send + 'scope,
) -> ScopedJoinHandle<'scope, T> {
    let thread = scope.spawn(|| {
        thread::park();
        work()
    });
    thread::yield_now();
    thread.thread().unpark();
    thread
}

/// Whether a file of this name is a record: `*.json`, and not hidden.
pub fn is_record_name(name: &OsStr) -> bool {
    let bytes = name.as_bytes();
    bytes.ends_with(b".json") && !bytes.starts_with(b".")
}

/// The records of an open directory. They are opened relative to it, which spares the kernel the way there.
#[derive(Clone, Copy)]
pub(crate) struct Records<'a> {
    pub(crate) path: &'a Path,
    pub(crate) directory: &'a File,
}

impl Records<'_> {
    /// Reads the records in the files called `names`, with one buffer for all of them.
    fn read(self, names: &[OsString]) -> (Vec<Node>, Vec<NodesError>) {
        let (mut nodes, mut faults) = (Vec::with_capacity(names.len()), Vec::new());
        let mut buffer = vec![0; BUFFER];
        for name in names {
            match self.read_one(name, &mut buffer) {
                Ok(Some(node)) => nodes.push(node),
                Ok(None) => {}
                Err(fault) => faults.push(fault),
            }
        }
        (nodes, faults)
    }

    /// The record in the file called `name`; `None` if there is none.
    pub(crate) fn get(self, name: &OsStr) -> Result<Option<Node>, NodesError> {
        self.read_one(name, &mut vec![0; BUFFER])
    }

    /// The bytes of the file called `name`, in `buffer`; `None` if there is none.
    pub(crate) fn bytes<'b>(
        self,
        name: &OsStr,
        buffer: &'b mut Vec<u8>,
    ) -> Result<Option<&'b [u8]>, NodesError> {
        buffer.resize(buffer.len().max(BUFFER), 0);
        let length = self.read_bytes(name, buffer)?;
        Ok(length.map(|length| &buffer[..length]))
    }

    fn read_one(self, name: &OsStr, buffer: &mut Vec<u8>) -> Result<Option<Node>, NodesError> {
        let Some(length) = self.read_bytes(name, buffer)? else { return Ok(None) };
        let path = || self.path.join(name);
        let node = Node::unpack(&buffer[..length]).map_err(|err| NodesError::Record { path: path(), err })?;
        if Path::new(name).file_stem() != Some(OsStr::new(&node.name)) {
            return Err(NodesError::Misnamed { path: path(), name: node.name });
        }
        Ok(Some(node))
    }

    fn read_bytes(self, name: &OsStr, buffer: &mut Vec<u8>) -> Result<Option<usize>, NodesError> {
        // A file that is there but cannot be read is a bad record, and hides no other one.
        let refuse = |err| NodesError::Unreadable { path: self.path.join(name), err };
        // Without O_NONBLOCK, a pipe that somebody put here would hold the reader for ever.
        let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let mut file = match openat(self.directory, name, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::ENOENT) if self.path.join(name).symlink_metadata().is_err() => return Ok(None),
            Err(errno) => return Err(refuse(errno.into())),
        };
        read_whole(&mut file, buffer).map(Some).map_err(refuse)
    }
}

/// Reads a file to its end, at most RECORD_MAX bytes, into `buffer`, which grows if it must; gives the
/// length. A file that has fewer bytes than were asked for has ended, so a record takes one system call.
fn read_whole(file: &mut File, buffer: &mut Vec<u8>) -> io::Result<usize> {
    let mut length = 0;
    loop {
        match file.read(&mut buffer[length..]) {
            Err(err) if err.kind() == io::ErrorKind::Interrupted => continue,
            read => length += read?,
        }
        if length < buffer.len() || length >= RECORD_MAX {
            return Ok(length);
        }
        buffer.resize(RECORD_MAX, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::Tags;
    use crate::nodes_directory::NodesDir;

    fn node(name: &str, address: &str) -> Node {
        Node::new(name, address, Tags::new()).unwrap()
    }

    fn put(path: &Path, nodes: &[Node]) {
        let mut dir = NodesDir::lock(path, Duration::from_secs(10)).unwrap();
        for node in nodes {
            dir.put(node).unwrap();
        }
        assert!(dir.finish().is_empty());
    }

    #[test]
    fn a_record_that_cannot_be_read_does_not_hide_the_others() {
        let scratch = tempfile::tempdir().unwrap();
        put(scratch.path(), &[node("s1", "10.0.0.1"), node("s2", "10.0.0.2")]);
        fs::rename(scratch.path().join("s2.json"), scratch.path().join("s3.json")).unwrap();
        fs::create_dir(scratch.path().join("d.json")).unwrap();
        nix::unistd::mkfifo(&scratch.path().join("pipe.json"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        put(scratch.path(), &[node("s4", "10.0.0.4")]);
        fs::rename(scratch.path().join("s4.json"), scratch.path().join(".s4.json")).unwrap();
        let (nodes, faults) = read_all(scratch.path()).unwrap();
        assert_eq!(nodes, [node("s1", "10.0.0.1")]);
        assert_eq!(faults.len(), 3, "{faults:?}");
    }

    #[test]
    fn a_large_directory_and_a_large_record_are_read_whole_and_sorted() {
        let scratch = tempfile::tempdir().unwrap();
        let mut nodes: Vec<Node> =
            (0..2 * SPLIT_FROM).map(|i| node(&format!("n{i:04}"), "10.0.0.1")).collect();
        nodes[SPLIT_FROM].tags = (0..200).map(|i| (format!("k{i}"), "v".repeat(512))).collect();
        put(scratch.path(), &nodes);
        fs::rename(scratch.path().join("n0001.json"), scratch.path().join("other.json")).unwrap();
        let (read, faults) = read_all(scratch.path()).unwrap();
        nodes.remove(1);
        assert!(read == nodes);
        assert_eq!(faults.len(), 1);
    }
}
