//! The file of the numbers of HAProxy's servers. It only saves time, so a fault while it is written does not end the run.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use common::regular_file;
use nix::fcntl::OFlag;

use crate::config::file::CONFIG_MAX;
use crate::haproxy::instance::Worker;
use crate::state::put::put;
use crate::state::server_ids::{HEAD_MAX, ServerIds, is_about, is_grown};

/// Its path.
#[derive(Debug)]
pub(crate) struct IdsFile(PathBuf);

impl IdsFile {
    pub(super) fn new(path: PathBuf) -> IdsFile {
        IdsFile(path)
    }

    /// The numbers of the worker's servers, if they are known.
    pub(crate) fn read(&self, worker: &Worker) -> Option<ServerIds> {
        ServerIds::parse(regular_file::read(&self.0, CONFIG_MAX).ok()?, worker)
    }

    /// Whether the numbers of the worker's servers must be written.
    pub(crate) fn lacks(&self, worker: &Worker) -> bool {
        let read = |file: File| {
            let mut beginning = Vec::new();
            let size = file.metadata()?.len();
            file.take(HEAD_MAX as u64).read_to_end(&mut beginning)?;
            Ok((beginning, size))
        };
        let read: io::Result<(Vec<u8>, u64)> = regular_file::open(&self.0).and_then(read);
        !read.is_ok_and(|(beginning, size)| is_about(&beginning, worker) && !is_grown(&beginning, size))
    }

    /// Writes the numbers of all servers, if possible.
    pub(crate) fn write(&self, ids: &ServerIds) {
        if put(&self.0, ids.bytes(), 0o640).is_err() {
            self.change(None);
        }
    }

    /// Appends what has changed since, unless nothing is known. Without `lines` nothing is known any more.
    pub(crate) fn change(&self, lines: Option<&str>) {
        let append = |lines: &str| {
            let open = OpenOptions::new().append(true).custom_flags(OFlag::O_NOFOLLOW.bits()).open(&self.0);
            open.and_then(|mut file| file.write_all(lines.as_bytes()))
        };
        if lines.is_none_or(|lines| append(lines).is_err()) {
            // It may be missing already. If it stays, the names in HAProxy's answers show what is wrong.
            let _ = fs::remove_file(&self.0);
        }
    }
}
