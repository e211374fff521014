//! One writer at a time, with a limit on the wait.
//!
//! The lock is flock(2) on an open file: the kernel releases it when the holder dies, for any reason. A handler of an old
//! Serf agent may run at the same time as one of a new agent, and as cron.

use std::fs::File;
use std::io;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

/// Takes an exclusive lock on `file`, waiting at most `timeout`. `Ok(None)` means that the wait timed out.
///
/// A thread waits in flock(2), so the lock is taken as soon as it is free: polling makes a waiter about 12 ms late, and
/// twenty runs at once take twice as long. After a timeout the thread stays until the program ends.
pub fn exclusive(file: File, timeout: Duration) -> io::Result<Option<Flock<File>>> {
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(Some(lock)),
        // No thread, because a program that tries again and again would accumulate them.
        Err((_, Errno::EWOULDBLOCK)) if timeout.is_zero() => Ok(None),
        Err((file, Errno::EWOULDBLOCK)) => wait(file, timeout),
        Err((_, errno)) => Err(errno.into()),
    }
}

fn wait(file: File, timeout: Duration) -> io::Result<Option<Flock<File>>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(lock_retrying(file)));
    match receiver.recv_timeout(timeout) {
        Ok(locked) => Ok(Some(locked?)),
        Err(RecvTimeoutError::Timeout) => Ok(None),
        Err(RecvTimeoutError::Disconnected) => Err(io::Error::other("the waiting thread failed")),
    }
}

fn lock_retrying(mut file: File) -> Result<Flock<File>, Errno> {
    loop {
        match Flock::lock(file, FlockArg::LockExclusive) {
            Ok(lock) => return Ok(lock),
            Err((same, Errno::EINTR)) => file = same,
            Err((_, errno)) => return Err(errno),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_lock_is_waited_for_until_the_timeout() {
        let dir = tempfile::tempdir().unwrap();
        let open = || File::open(dir.path()).unwrap();
        let held = exclusive(open(), Duration::ZERO).unwrap().unwrap();
        assert!(exclusive(open(), Duration::from_millis(20)).unwrap().is_none());
        let waiter = thread::spawn({
            let file = open();
            move || exclusive(file, Duration::from_secs(10)).unwrap().is_some()
        });
        drop(held);
        assert!(waiter.join().unwrap());
    }
}
