//! When to run a command: when it is requested, again after waits that grow until it succeeds, and then at intervals.
//! Nothing else records that the command is still pending.

use std::time::{Duration, Instant};

const FIRST: Duration = Duration::from_secs(1);
/// The wait does not grow beyond this.
const LONGEST: Duration = Duration::from_secs(60);

/// Whether a command is pending, and when it is due.
#[derive(Debug)]
pub(crate) struct Retry {
    due: Option<Instant>,
    wait: Duration,
    every: Option<Duration>,
    is_requested: bool,
}

impl Retry {
    /// The command is pending at the start: an earlier run may have left it undone. After each success it is due again
    /// when `every` has passed, if that is given.
    pub(crate) fn pending(now: Instant, every: Option<Duration>) -> Retry {
        Retry { due: Some(now), wait: FIRST, every, is_requested: true }
    }

    /// Makes it due now. The waits start again if it has not been tried for this text (`is_new`).
    pub(crate) fn request(&mut self, now: Instant, is_new: bool) {
        self.due = Some(now);
        self.is_requested = true;
        if is_new {
            self.wait = FIRST;
        }
    }

    /// Makes it due now, if it is due at all.
    pub(crate) fn hurry(&mut self, now: Instant) {
        self.due = self.due.map(|_| now);
    }

    /// When to run it, if it is due at all.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Whether it was requested since its last success. Otherwise it may have nothing to do.
    pub(crate) fn is_requested(&self) -> bool {
        self.is_requested
    }

    /// Notes that it has failed.
    pub(crate) fn failed(&mut self, now: Instant) {
        self.due = Some(now + self.wait);
        self.wait = (self.wait * 2).min(LONGEST);
    }

    /// Notes that it has succeeded.
    pub(crate) fn succeeded(&mut self, now: Instant) {
        self.due = self.every.map(|every| now + every);
        self.wait = FIRST;
        self.is_requested = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_minute_and_start_again_after_a_success() {
        let now = Instant::now();
        let mut retry = Retry::pending(now, None);
        assert_eq!(retry.due(), Some(now));
        for wait in [1, 2, 4, 8, 16, 32, 60, 60, 60] {
            retry.failed(now);
            assert_eq!(retry.due(), Some(now + Duration::from_secs(wait)));
        }
        retry.succeeded(now);
        assert_eq!(retry.due(), None);
        retry.hurry(now);
        assert_eq!(retry.due(), None, "nothing was pending");
        retry.failed(now);
        assert_eq!(retry.due(), Some(now + FIRST));
    }

    #[test]
    fn a_request_is_tried_at_once_and_only_a_new_text_resets_the_waits() {
        let (now, mut retry) = (Instant::now(), Retry::pending(Instant::now(), None));
        retry.failed(now);
        retry.failed(now);
        retry.request(now, false);
        assert_eq!(retry.due(), Some(now));
        retry.failed(now);
        assert_eq!(retry.due(), Some(now + 4 * FIRST));
        retry.request(now, true);
        retry.failed(now);
        assert_eq!(retry.due(), Some(now + FIRST));
    }

    #[test]
    fn after_a_success_it_is_due_at_the_interval_and_a_failure_then_waits_as_usual() {
        let (now, every) = (Instant::now(), Duration::from_secs(15));
        let mut retry = Retry::pending(now, Some(every));
        assert!(retry.is_requested());
        retry.succeeded(now);
        assert_eq!(retry.due(), Some(now + every));
        assert!(!retry.is_requested());
        for wait in [1, 2, 4] {
            retry.failed(now);
            assert_eq!(retry.due(), Some(now + Duration::from_secs(wait)));
        }
        retry.succeeded(now);
        assert_eq!(retry.due(), Some(now + every));
    }
}
