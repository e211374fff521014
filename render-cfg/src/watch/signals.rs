//! The signals while watching: SIGTERM and SIGINT end the program, SIGHUP makes it render at once. They only interrupt the
//! wait: a render or a command is finished first.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::{flag, low_level::pipe};

/// The signals that have arrived.
#[derive(Debug)]
pub(crate) struct Signals {
    ending: Arc<AtomicBool>,
    requested: Arc<AtomicBool>,
    /// Receives a byte with each signal, so that poll(2) returns.
    wakes: UnixStream,
}

impl Signals {
    /// Installs the handlers.
    pub(crate) fn install() -> io::Result<Signals> {
        let (wakes, waker) = UnixStream::pair()?;
        wakes.set_nonblocking(true)?;
        let (ending, requested) = (Arc::default(), Arc::default());
        for (signal, is_set) in [(SIGTERM, &ending), (SIGINT, &ending), (SIGHUP, &requested)] {
            // In this order: the flag is set when poll(2) returns.
            flag::register(signal, Arc::clone(is_set))?;
            pipe::register(signal, waker.try_clone()?)?;
        }
        Ok(Signals { ending, requested, wakes })
    }

    /// Whether the program should end.
    pub(crate) fn is_ending(&self) -> bool {
        self.ending.load(Ordering::SeqCst)
    }

    /// Whether SIGHUP has arrived since the last call.
    pub(crate) fn is_render_requested(&self) -> bool {
        self.requested.swap(false, Ordering::SeqCst)
    }

    /// Becomes readable with a signal.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.wakes.as_fd()
    }

    /// Reads the bytes that came with the signals.
    pub(crate) fn drain(&mut self) {
        while self.wakes.read(&mut [0; 64]).is_ok_and(|count| count > 0) {}
    }
}
