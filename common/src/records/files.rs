//! Reading record files, one system call each.
//!
//! With thousands of records, opening them is the whole cost.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{FileStat, Mode, fstatat};

use super::error::NodesError;
use crate::node::{Node, Unpacker};

/// The most bytes that are read of a record. Every record that passes the whitelists is smaller.
const RECORD_MAX: usize = 1 << 20;
/// Every record of a member that Serf can announce fits: Serf's packets have at most 64 KiB.
const BUFFER: usize = 64 << 10;

/// The record files of an open directory. They are opened relative to it, which is cheaper than by their full paths.
#[derive(Clone, Copy)]
pub(crate) struct RecordFiles<'a> {
    pub(crate) path: &'a Path,
    pub(crate) directory: &'a File,
}

impl RecordFiles<'_> {
    /// Reads the records in the files called `names`.
    pub(super) fn read(self, names: &[OsString]) -> (Vec<Node>, Vec<NodesError>) {
        let (mut nodes, mut faults) = (Vec::with_capacity(names.len()), Vec::new());
        let (mut buffer, mut unpacker) = (buffer(), Unpacker::default());
        for name in names {
            match self.read_one(name, &mut buffer, &mut unpacker) {
                Ok(Some(node)) => nodes.push(node),
                Ok(None) => {}
                Err(fault) => faults.push(fault),
            }
        }
        (nodes, faults)
    }

    /// The record in the file called `name`; `None` if there is none.
    pub(crate) fn get(self, name: &OsStr) -> Result<Option<Node>, NodesError> {
        self.read_one(name, &mut buffer(), &mut Unpacker::default())
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

    fn read_one(
        self,
        name: &OsStr,
        buffer: &mut Vec<u8>,
        unpacker: &mut Unpacker,
    ) -> Result<Option<Node>, NodesError> {
        let Some(length) = self.read_bytes(name, buffer)? else { return Ok(None) };
        self.unpack(name, &buffer[..length], unpacker).map(Some)
    }

    fn read_bytes(self, name: &OsStr, buffer: &mut Vec<u8>) -> Result<Option<usize>, NodesError> {
        let Some(file) = self.open(name)? else { return Ok(None) };
        self.read_open(name, file, buffer).map(Some)
    }

    /// What `stat` says of the file called `name`, or of the file that it leads to; `None` if there is an error.
    pub(super) fn stat(self, name: &OsStr) -> Option<FileStat> {
        fstatat(self.directory, name, AtFlags::empty()).ok()
    }

    /// Opens the file called `name`; `None` if there is none.
    pub(super) fn open(self, name: &OsStr) -> Result<Option<File>, NodesError> {
        // Without O_NONBLOCK, opening a pipe here would block.
        let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        match openat(self.directory, name, flags, Mode::empty()) {
            Ok(file) => Ok(Some(File::from(file))),
            Err(Errno::ENOENT) if self.path.join(name).symlink_metadata().is_err() => Ok(None),
            Err(errno) => Err(self.unreadable(name, errno.into())),
        }
    }

    /// Reads a file that was opened by this name into `buffer`, which grows if necessary, and returns the length.
    pub(super) fn read_open(
        self,
        name: &OsStr,
        mut file: File,
        buffer: &mut Vec<u8>,
    ) -> Result<usize, NodesError> {
        read_whole(&mut file, buffer).map_err(|err| self.unreadable(name, err))
    }

    /// Parses the content of the file called `name`.
    pub(super) fn unpack(
        self,
        name: &OsStr,
        bytes: &[u8],
        unpacker: &mut Unpacker,
    ) -> Result<Node, NodesError> {
        let path = || self.path.join(name);
        let node = unpacker.unpack(bytes).map_err(|err| NodesError::Record { path: path(), err })?;
        if Path::new(name).file_stem() != Some(OsStr::new(&node.name)) {
            return Err(NodesError::Misnamed { path: path(), name: node.name });
        }
        Ok(node)
    }

    /// A file that cannot be read is a bad record, and must not hide the others.
    fn unreadable(self, name: &OsStr, err: io::Error) -> NodesError {
        NodesError::Unreadable { path: self.path.join(name), err }
    }
}

/// A buffer that holds nearly every record.
pub(super) fn buffer() -> Vec<u8> {
    vec![0; BUFFER]
}

/// Reads a file to its end, at most RECORD_MAX bytes, into `buffer`, which grows if necessary, and returns the length.
/// A short read is the end of the file, so a record takes one system call.
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
