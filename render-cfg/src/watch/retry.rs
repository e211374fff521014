//! When to retry a command that failed: after waits that grow, until it succeeds. Nothing else records that the command
//! is still pending.

use std::time::{Duration, Instant};

const FIRST: Duration = Duration::from_secs(1);
/// The wait does not grow beyond this.
const LONGEST: Duration = Duration::from_secs(60);

/// Whether a command is pending, and when it is due.
#[derive(Debug)]
pub(crate) struct Retry {
    due: Option<Instant>,
    wait: Duration,
}

impl Retry {
    /// The command is pending at the start: an earlier run may have left it undone.
    pub(crate) fn pending(now: Instant) -> Retry {
        Retry { due: Some(now), wait: FIRST }
    }

    /// Makes it due now. The waits start again if it has not been tried for this text (`is_new`).
    pub(crate) fn request(&mut self, now: Instant, is_new: bool) {
        self.due = Some(now);
        if is_new {
            self.wait = FIRST;
        }
    }

    /// Makes it due now, if it is pending.
    pub(crate) fn hurry(&mut self, now: Instant) {
        self.due = self.due.map(|_| now);
    }

    /// When to run it, if it is pending.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Notes that it has failed.
    pub(crate) fn failed(&mut self, now: Instant) {
        self.due = Some(now + self.wait);
        self.wait = (self.wait * 2).min(LONGEST);
    }

    /// Notes that it has succeeded.
    pub(crate) fn succeeded(&mut self) {
        self.due = None;
        self.wait = FIRST;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_minute_and_start_again_after_a_success() {
        let now = Instant::now();
        let mut retry = Retry::pending(now);
        assert_eq!(retry.due(), Some(now));
        for wait in [1, 2, 4, 8, 16, 32, 60, 60, 60] {
            retry.failed(now);
            assert_eq!(retry.due(), Some(now + Duration::from_secs(wait)));
        }
        retry.succeeded();
        assert_eq!(retry.due(), None);
        retry.hurry(now);
        assert_eq!(retry.due(), None, "nothing was pending");
        retry.failed(now);
        assert_eq!(retry.due(), Some(now + FIRST));
    }

    #[test]
    fn a_request_is_tried_at_once_and_only_a_new_text_resets_the_waits() {
        let (now, mut retry) = (Instant::now(), Retry::pending(Instant::now()));
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
}
