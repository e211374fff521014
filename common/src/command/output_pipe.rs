//! The pipe that takes a command's stdout and stderr.
//!
//! A daemon that the command leaves behind (HAProxy 1.8 does) still has the pipe and must not suffer when this program
//! ends. So the daemon's descriptor is open for reading as well: it gets EAGAIN from a full pipe, and no SIGPIPE. A file
//! in memory would grow without bound; if sealed, it would make `sh` fail after much output, and `>/dev/stderr` at once.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::unistd::pipe2;

/// The most bytes of output that are kept: as many as a pipe holds, so that one read empties it.
pub(super) const OUTPUT_MAX: usize = 64 * 1024;

/// Which part of a long output is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// The first 64 KiB.
    First,
    /// The last 64 KiB.
    Last,
}

/// A pipe, and a thread that drains it.
pub(super) struct OutputPipe {
    /// Open for reading and writing, as all its copies are.
    pub(super) pipe: File,
    is_over: Arc<AtomicBool>,
    reader: JoinHandle<Vec<u8>>,
}

impl OutputPipe {
    pub(super) fn open(part: Kept) -> io::Result<OutputPipe> {
        let pipe = pipe()?;
        let is_over = Arc::new(AtomicBool::new(false));
        let (copy, until) = (pipe.try_clone()?, Arc::clone(&is_over));
        let reader = thread::Builder::new().spawn(move || drain(&copy, part, &until))?;
        Ok(OutputPipe { pipe, is_over, reader })
    }

    /// The output until now. From now on reads and writes do not block, in any process that has the pipe.
    pub(super) fn end(self) -> String {
        self.is_over.store(true, Ordering::SeqCst);
        // Both fail only on an invalid descriptor.
        let _ = fcntl(&self.pipe, FcntlArg::F_SETFL(OFlag::O_RDWR | OFlag::O_NONBLOCK));
        // Wakes the reader if it waits; if the pipe is full, it does not.
        let _ = (&self.pipe).write(&[0]);
        let mut kept = self.reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        kept.retain(|byte| *byte != 0);
        String::from_utf8_lossy(&kept).into_owned()
    }
}

/// A pipe with both ends in one descriptor. Only /proc can give that.
fn pipe() -> io::Result<File> {
    let (read, _write) = pipe2(OFlag::O_CLOEXEC)?;
    OpenOptions::new().read(true).write(true).open(format!("/proc/self/fd/{}", read.as_raw_fd()))
}

/// Reads until the run is over and the pipe is empty or has been read once more, because a daemon may write for ever.
/// Returns a part of the output.
fn drain(mut pipe: &File, part: Kept, is_over: &AtomicBool) -> Vec<u8> {
    let (mut kept, mut buffer) = (Vec::new(), vec![0; OUTPUT_MAX]);
    loop {
        let is_last = is_over.load(Ordering::SeqCst);
        match pipe.read(&mut buffer) {
            Ok(length) => keep(&mut kept, &buffer[..length], part),
            Err(err) if err.kind() == ErrorKind::Interrupted => continue,
            Err(_) => return kept,
        }
        if is_last {
            return kept;
        }
    }
}

/// Adds output, and drops what is too much.
fn keep(kept: &mut Vec<u8>, more: &[u8], part: Kept) {
    match part {
        Kept::First => kept.extend_from_slice(&more[..more.len().min(OUTPUT_MAX - kept.len())]),
        Kept::Last => {
            kept.extend_from_slice(more);
            kept.drain(..kept.len().saturating_sub(OUTPUT_MAX));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemon_that_never_stops_writing_does_not_block_the_run() {
        // As if the daemon had filled the pipe again: it holds twice as much as one read takes.
        let pipe = pipe().unwrap();
        fcntl(&pipe, FcntlArg::F_SETPIPE_SZ(2 * OUTPUT_MAX as i32)).unwrap();
        (&pipe).write_all(&[b'x'; 2 * OUTPUT_MAX]).unwrap();
        fcntl(&pipe, FcntlArg::F_SETFL(OFlag::O_RDWR | OFlag::O_NONBLOCK)).unwrap();
        assert_eq!(drain(&pipe, Kept::First, &AtomicBool::new(true)).len(), OUTPUT_MAX);
        assert!((&pipe).read(&mut [0]).is_ok(), "it went on reading");
    }
}
