//! What can go wrong with the nodes directory: with all of it, or with one record.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;

use crate::failure::{Code, Fault};
use crate::node::NodeError;

/// Why the nodes directory could not be read or written.
#[derive(Debug, Error)]
pub enum NodesError {
    /// An operation on the directory or a file failed.
    #[error("cannot {verb} '{}': {err}", .path.display())]
    Io {
        /// The operation.
        verb: &'static str,
        /// Its object.
        path: PathBuf,
        /// The system's error.
        err: io::Error,
    },
    /// The nodes directory cannot be made, opened or written.
    #[error("cannot {verb} '{}': {reason}", .path.display())]
    Directory {
        /// The operation.
        verb: &'static str,
        /// The object of the operation: the nodes directory, or a record in it.
        path: PathBuf,
        /// Why, and what to do.
        reason: String,
    },
    /// A record's file cannot be read.
    #[error("cannot read '{}': {err}", .path.display())]
    Unreadable {
        /// The record's file.
        path: PathBuf,
        /// The system's error.
        err: io::Error,
    },
    /// A record's content is invalid.
    #[error("cannot read '{}': {err}; correct it or remove it", .path.display())]
    Record {
        /// The record's file.
        path: PathBuf,
        /// What is wrong.
        err: NodeError,
    },
    /// A record is in a file named for another node.
    #[error("cannot read '{}': it contains the record of '{name}'; rename it or remove it", .path.display())]
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
            NodesError::Io { .. } | NodesError::Directory { .. } => Code::Files,
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
