//! When a command that failed is tried again: after waits that grow, until it has succeeded. Nothing else
//! remembers that it is owed, so it is owed until then.

use std::time::{Duration, Instant};

const FIRST: Duration = Duration::from_secs(1);
/// What is broken for an hour is tried no more often than this, and no less.
const LONGEST: Duration = Duration::from_secs(60);

/// A command that is owed, or not.
#[derive(Debug)]
pub(crate) struct Retry {
    due: Option<Instant>,
    wait: Duration,
}

impl Retry {
    /// It is owed from the start: what an earlier life of this program left undone, nobody knows.
    pub(crate) fn owed(now: Instant) -> Retry {
        Retry { due: Some(now), wait: FIRST }
    }

    /// There is reason to run it at once. The waits begin anew `if_new`, if what is to be run for was not tried
    /// before.
    pub(crate) fn ask(&mut self, now: Instant, if_new: bool) {
        self.due = Some(now);
        if if_new {
            self.wait = FIRST;
        }
    }

    /// If it is owed it is tried at once.
    pub(crate) fn hurry(&mut self, now: Instant) {
        self.due = self.due.map(|_| now);
    }

    /// When to run it, if it is owed.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// It has failed.
    pub(crate) fn failed(&mut self, now: Instant) {
        self.due = Some(now + self.wait);
        self.wait = (self.wait * 2).min(LONGEST);
    }

    /// It has succeeded.
    pub(crate) fn succeeded(&mut self) {
        self.due = None;
        self.wait = FIRST;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_minute_and_begin_anew_after_a_success() {
        let now = Instant::now();
        let mut retry = Retry::owed(now);
        assert_eq!(retry.due(), Some(now));
        for wait in [1, 2, 4, 8, 16, 32, 60, 60, 60] {
            retry.failed(now);
            assert_eq!(retry.due(), Some(now + Duration::from_secs(wait)));
        }
        retry.succeeded();
        assert_eq!(retry.due(), None);
        retry.hurry(now);
        assert_eq!(retry.due(), None, "nothing was owed");
        retry.failed(now);
        assert_eq!(retry.due(), Some(now + FIRST));
    }

    #[test]
    fn something_new_is_tried_at_once_and_what_failed_before_at_once_but_not_more_often() {
        let (now, mut retry) = (Instant::now(), Retry::owed(Instant::now()));
        retry.failed(now);
        retry.failed(now);
        retry.ask(now, false);
        assert_eq!(retry.due(), Some(now));
        retry.failed(now);
        assert_eq!(retry.due(), Some(now + 4 * FIRST));
        retry.ask(now, true);
        retry.failed(now);
        assert_eq!(retry.due(), Some(now + FIRST));
    }
}
