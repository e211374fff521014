//! When to send a reload, and when to send it again.
//!
//! A signal may be lost (up to 3.0, during a reload), so it is sent again after a while. A command that a
//! master accepted and a successor that was started are not lost: repeating them would disturb the service
//! for each bad file. With any method, a reload of an earlier file by another program may come in between;
//! then ours is due again at once.

use std::time::{Duration, Instant};

use crate::haproxy::instance::Worker;
use crate::haproxy::proc::TICK;
use crate::haproxy::version::Version;
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
    sent_at: Duration,
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
            sent_at: Duration::ZERO,
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
        self.sent_at = since_boot;
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

    /// Whether a new worker that does not report what it runs can belong to this reload.
    pub(crate) fn can_be_of_ours(&self, worker: &Worker) -> bool {
        // Up to 3.0 a worker starts after its file was loaded: one that starts sooner had begun to load before the
        // signal. After such a worker, the next one belongs to the signal, in any version.
        let loads_first = !self.was_overtaken && !worker.version.is_some_and(Version::starts_before_loading);
        let loading = if loads_first { self.load_time / 2 } else { Duration::ZERO };
        // The kernel rounds a birth down to a tick.
        !self.is_signal || worker.birth + TICK > self.sent_at + loading
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
        let at = Duration::from_secs;
        let worker = |birth| Worker { birth, ..Worker::default() };
        let mut attempts = Attempts::new(Method::Signal, at(4), now);
        attempts.sent(now, at(100));
        assert!(!attempts.can_be_of_ours(&worker(at(101))));
        assert!(attempts.can_be_of_ours(&worker(at(102))));
        attempts.overtaken(now);
        attempts.sent(now, at(103));
        assert!(attempts.can_be_of_ours(&worker(at(103))));
    }

    #[test]
    fn a_worker_that_starts_before_it_loads_may_start_in_the_tick_of_the_signal() {
        let (now, at) = (Instant::now(), Duration::from_millis);
        let worker = |version, birth| Worker { birth, version: Version::parse(version), ..Worker::default() };
        let mut attempts = Attempts::new(Method::Signal, at(300), now);
        attempts.sent(now, at(1009));
        assert!(attempts.can_be_of_ours(&worker("3.4.7", at(1000))));
        assert!(!attempts.can_be_of_ours(&worker("3.4.7", at(990))));
        assert!(!attempts.can_be_of_ours(&worker("3.0.11", at(1000))));
    }
}
