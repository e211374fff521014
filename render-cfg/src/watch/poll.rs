//! Waiting until something happens, in one poll(2).
//!
//! inotify tells when a directory is unmounted, but not when something is mounted over it: that is told by the
//! table of mounts, which is always readable and has an exceptional condition (POLLPRI) when it has changed.

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// Where the table of mounts is.
pub(crate) const MOUNTS: &str = "/proc/self/mountinfo";

/// Waits until `until`, or until one of `fds` is readable, or until `mounts` has changed; says if it has. That
/// is forgotten with the saying.
pub(crate) fn idle(fds: &[BorrowedFd], mounts: Option<BorrowedFd>, until: Instant) -> bool {
    let mut polled: Vec<PollFd> = fds.iter().map(|fd| PollFd::new(*fd, PollFlags::POLLIN)).collect();
    polled.extend(mounts.map(|fd| PollFd::new(fd, PollFlags::POLLPRI)));
    // A millisecond too late rather than one too early.
    let time = until.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
    let time = PollTimeout::try_from(time).unwrap_or(PollTimeout::MAX);
    // A signal interrupts it, which is as good as an event.
    poll(&mut polled, time).is_ok() && polled[fds.len()..].iter().any(|fd| fd.any().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::os::fd::AsFd;

    #[test]
    fn a_table_that_stays_as_it_is_is_no_change_and_the_time_is_kept() {
        let mounts = File::open(MOUNTS).unwrap();
        let start = Instant::now();
        // Another program may mount something meanwhile.
        let calm = (0..100).any(|_| !idle(&[], Some(mounts.as_fd()), start + Duration::from_millis(50)));
        assert!(calm);
        assert!(start.elapsed() >= Duration::from_millis(50));
    }
}
