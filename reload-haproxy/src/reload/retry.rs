//! When to send a reload, and when to send it again.
//!
//! A signal may be lost (up to 3.0, during a reload), so it is sent again after a while. A command that a
//! master accepted and a successor that was started are not lost: repeating them would disturb the service
//! for each bad file. With any method, a reload of an earlier file by another program may come in between;
//! then ours is due again at once.

use std::time::{Duration, Instant};

use crate::reload::method::Method;

const SIGNALS: u32 = 3;
const OVERTAKEN: u32 = 2;

/// The attempts of one reload.
#[derive(Clone, Debug)]
pub(crate) struct Attempts {
    left: u32,
    spare: u32,
    next: Instant,
    load_time: Duration,
    soonest: Duration,
    is_signal: bool,
    was_overtaken: bool,
}

impl Attempts {
    /// None sent yet. `load_time` is about how long HAProxy takes to read the file.
    pub(crate) fn new(method: Method, load_time: Duration, now: Instant) -> Attempts {
        let is_signal = method == Method::Signal;
        Attempts {
            left: if is_signal { SIGNALS } else { 1 },
            spare: OVERTAKEN,
            next: now,
            load_time,
            soonest: Duration::ZERO,
            is_signal,
            was_overtaken: false,
        }
    }

    /// Whether to send it now.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.left > 0 && now >= self.next
    }

    /// It is sent at `now`, which is `since_boot` on the clock of process starts.
    pub(crate) fn sent(&mut self, now: Instant, since_boot: Duration) {
        self.left -= 1;
        self.next = now + Duration::from_secs(1) + 3 * self.load_time;
        // Before 3.1 a worker starts after its file was loaded: one that starts sooner had begun to load
        // before the signal. After such a worker, the next one belongs to the signal, in any version.
        let loading = if self.was_overtaken { Duration::ZERO } else { self.load_time / 2 };
        self.soonest = since_boot + loading;
    }

    /// A worker loaded another file than ours.
    pub(crate) fn overtaken(&mut self, now: Instant) {
        if self.spare > 0 {
            self.spare -= 1;
            self.left = self.left.max(1);
        }
        self.next = now;
        self.was_overtaken = true;
    }

    /// Whether a worker started at `birth` (since boot) that does not report what it runs can belong to this
    /// reload.
    pub(crate) fn can_be_of_ours(&self, birth: Duration) -> bool {
        !self.is_signal || birth >= self.soonest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOAD: Duration = Duration::from_millis(500);

    #[test]
    fn a_signal_is_sent_again_a_few_times() {
        let start = Instant::now();
        let mut attempts = Attempts::new(Method::Signal, LOAD, start);
        for round in 0..SIGNALS {
            let now = start + round * Duration::from_millis(2500);
            assert!(attempts.is_due(now));
            attempts.sent(now, Duration::ZERO);
            assert!(!attempts.is_due(now + Duration::from_secs(2)));
        }
        assert!(!attempts.is_due(start + Duration::from_secs(3600)));
    }

    #[test]
    fn an_accepted_reload_is_repeated_only_after_another_programs_reload() {
        let start = Instant::now();
        let mut attempts = Attempts::new(Method::Master, LOAD, start);
        attempts.sent(start, Duration::ZERO);
        assert!(!attempts.is_due(start + Duration::from_secs(60)));
        for _ in 0..OVERTAKEN {
            attempts.overtaken(start);
            assert!(attempts.is_due(start));
            attempts.sent(start, Duration::ZERO);
        }
        attempts.overtaken(start);
        assert!(!attempts.is_due(start));
    }

    #[test]
    fn a_worker_that_starts_too_soon_after_a_signal_is_of_an_earlier_reload() {
        let now = Instant::now();
        let at = |seconds| Duration::from_secs(seconds);
        let mut attempts = Attempts::new(Method::Signal, at(4), now);
        attempts.sent(now, at(100));
        assert!(!attempts.can_be_of_ours(at(101)));
        assert!(attempts.can_be_of_ours(at(102)));
        attempts.overtaken(now);
        attempts.sent(now, at(103));
        assert!(attempts.can_be_of_ours(at(103)));
    }
}
