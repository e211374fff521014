//! Waits for events, signals, mounts and the next time that something is due, in one poll(2).
//!
//! No event reports that something is mounted over a directory. The table of mounts does: it is always readable, and
//! has an exceptional condition (POLLPRI) after a change.

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// The table of mounts.
pub(crate) const MOUNTS: &str = "/proc/self/mountinfo";

/// Waits until `until`, until one of `fds` is readable, or until `mounts` has changed. Returns whether `mounts` has
/// changed since the last call.
pub(crate) fn wait(fds: &[BorrowedFd], mounts: Option<BorrowedFd>, until: Instant) -> bool {
    let mut polled: Vec<PollFd> = fds.iter().map(|fd| PollFd::new(*fd, PollFlags::POLLIN)).collect();
    polled.extend(mounts.map(|fd| PollFd::new(fd, PollFlags::POLLPRI)));
    // The wait is rounded up, so that it does not end before `until`.
    let time = until.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
    let time = PollTimeout::try_from(time).unwrap_or(PollTimeout::MAX);
    // An error means that a signal has interrupted the wait.
    poll(&mut polled, time).is_ok() && polled[fds.len()..].iter().any(|fd| fd.any().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::os::fd::AsFd;

    #[test]
    fn an_unchanged_table_is_not_a_change_and_the_wait_is_not_too_short() {
        let mounts = File::open(MOUNTS).unwrap();
        let start = Instant::now();
        // Other programs may mount something meanwhile.
        let is_calm = (0..100).any(|_| !wait(&[], Some(mounts.as_fd()), start + Duration::from_millis(50)));
        assert!(is_calm);
        assert!(start.elapsed() >= Duration::from_millis(50));
    }
}
