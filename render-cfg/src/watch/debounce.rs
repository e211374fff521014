//! Debouncing: changes are rendered when none has followed for a quiet time (`--quiet-for`), and at the latest a
//! ceiling (`--at-most`) after the first one. So a burst causes few renders, and constant change does not delay them
//! further.

use std::time::{Duration, Instant};

/// The changes that have been noticed but not rendered.
#[derive(Debug)]
pub(crate) struct Debounce {
    quiet: Duration,
    ceiling: Duration,
    /// When the first and the last of them were noticed.
    waiting: Option<(Instant, Instant)>,
}

impl Debounce {
    /// No changes yet. They become due after `quiet`, and at the latest after `ceiling`.
    pub(crate) fn new(quiet: Duration, ceiling: Duration) -> Debounce {
        Debounce { quiet, ceiling, waiting: None }
    }

    /// Notes a change.
    pub(crate) fn note(&mut self, now: Instant) {
        let first = self.waiting.map_or(now, |(first, _)| first);
        self.waiting = Some((first, now));
    }

    /// When to render the changes, if there are any.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.waiting.map(|(first, last)| (last + self.quiet).min(first + self.ceiling))
    }

    /// Forgets the changes. Must be called before a render reads anything.
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
    fn a_change_is_due_after_the_quiet_time() {
        let (mut changes, start) = (Debounce::new(ms(100), ms(1000)), Instant::now());
        assert_eq!(changes.due(), None);
        changes.note(start);
        assert_eq!(changes.due(), Some(start + ms(100)));
        changes.note(start + ms(90));
        assert_eq!(changes.due(), Some(start + ms(190)));
    }

    #[test]
    fn changes_without_a_pause_are_due_at_the_ceiling() {
        let (mut changes, start) = (Debounce::new(ms(100), ms(1000)), Instant::now());
        for at in (0..5000).step_by(50) {
            changes.note(start + ms(at));
        }
        assert_eq!(changes.due(), Some(start + ms(1000)));
    }

    #[test]
    fn a_change_after_a_render_began_is_a_new_one() {
        let (mut changes, start) = (Debounce::new(ms(100), ms(1000)), Instant::now());
        changes.note(start);
        changes.clear();
        assert_eq!(changes.due(), None);
        changes.note(start + ms(5000));
        assert_eq!(changes.due(), Some(start + ms(5100)));
    }

    #[test]
    fn a_ceiling_below_the_quiet_time_wins() {
        let (mut changes, start) = (Debounce::new(ms(500), ms(200)), Instant::now());
        changes.note(start);
        assert_eq!(changes.due(), Some(start + ms(200)));
    }
}
