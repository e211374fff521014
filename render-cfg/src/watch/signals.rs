//! The signals that a watching program takes: SIGTERM and SIGINT end it, SIGHUP makes it look at once. They
//! interrupt its waiting and nothing else: what it is doing is finished first.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::{flag, low_level::pipe};

/// The signals that have come.
#[derive(Debug)]
pub(crate) struct Signals {
    ending: Arc<AtomicBool>,
    asked: Arc<AtomicBool>,
    /// Gets a byte with each, so that poll(2) sees them.
    wakes: UnixStream,
}

impl Signals {
    /// Takes the signals from now on.
    pub(crate) fn take_over() -> io::Result<Signals> {
        let (wakes, waker) = UnixStream::pair()?;
        wakes.set_nonblocking(true)?;
        let (ending, asked) = (Arc::default(), Arc::default());
        for (signal, is_set) in [(SIGTERM, &ending), (SIGINT, &ending), (SIGHUP, &asked)] {
            // In this order: whoever is woken finds it set.
            flag::register(signal, Arc::clone(is_set))?;
            pipe::register(signal, waker.try_clone()?)?;
        }
        Ok(Signals { ending, asked, wakes })
    }

    /// Whether to end.
    pub(crate) fn is_ending(&self) -> bool {
        self.ending.load(Ordering::SeqCst)
    }

    /// Whether to look at once; `true` once for each time that it was asked for.
    pub(crate) fn is_asked(&self) -> bool {
        self.asked.swap(false, Ordering::SeqCst)
    }

    /// What becomes readable with a signal.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.wakes.as_fd()
    }

    /// Takes the bytes that came with them.
    pub(crate) fn drain(&mut self) {
        while self.wakes.read(&mut [0; 64]).is_ok_and(|count| count > 0) {}
    }
}
