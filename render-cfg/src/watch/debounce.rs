//! When changes are rendered: once it has been quiet for a while, but never later than a ceiling after the
//! first of them, so that neither a burst is rendered a thousand times nor a steady trickle never.

use std::time::{Duration, Instant};

/// Changes that have been noticed and not been rendered.
#[derive(Debug)]
pub(crate) struct Changes {
    quiet: Duration,
    ceiling: Duration,
    /// The first and the last of them.
    waiting: Option<(Instant, Instant)>,
}

impl Changes {
    /// None yet. They are due after `quiet`, at the latest after `ceiling`.
    pub(crate) fn new(quiet: Duration, ceiling: Duration) -> Changes {
        Changes { quiet, ceiling, waiting: None }
    }

    /// One was noticed.
    pub(crate) fn note(&mut self, now: Instant) {
        let first = self.waiting.map_or(now, |(first, _)| first);
        self.waiting = Some((first, now));
    }

    /// When to render them, if there are any.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.waiting.map(|(first, last)| (last + self.quiet).min(first + self.ceiling))
    }

    /// They are rendered from now on: to be called before anything is read.
    pub(crate) fn clear(&mut self) {
        self.waiting = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn a_change_is_due_when_it_has_been_quiet() {
        let (mut changes, start) = (Changes::new(ms(100), ms(1000)), Instant::now());
        assert_eq!(changes.due(), None);
        changes.note(start);
        assert_eq!(changes.due(), Some(start + ms(100)));
        changes.note(start + ms(90));
        assert_eq!(changes.due(), Some(start + ms(190)));
    }

    #[test]
    fn changes_without_a_pause_are_due_at_the_ceiling() {
        let (mut changes, start) = (Changes::new(ms(100), ms(1000)), Instant::now());
        for at in (0..5000).step_by(50) {
            changes.note(start + ms(at));
        }
        assert_eq!(changes.due(), Some(start + ms(1000)));
    }

    #[test]
    fn a_change_after_the_last_look_began_is_a_new_one() {
        let (mut changes, start) = (Changes::new(ms(100), ms(1000)), Instant::now());
        changes.note(start);
        changes.clear();
        assert_eq!(changes.due(), None);
        changes.note(start + ms(5000));
        assert_eq!(changes.due(), Some(start + ms(5100)));
    }

    #[test]
    fn a_ceiling_below_the_quiet_time_wins() {
        let (mut changes, start) = (Changes::new(ms(500), ms(200)), Instant::now());
        changes.note(start);
        assert_eq!(changes.due(), Some(start + ms(200)));
    }
}
