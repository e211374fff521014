//! Serf's coalescing of member events before it calls its handler, reimplemented from its source (0.9.4 to 0.10).
//!
//! Serf gathers events until a second passes without one, or three seconds after the first. Then it calls the handler
//! once for each kind of event, with all members concerned. Only a member's last event counts, and Serf drops it if
//! the last event sent for the member was of the same kind. So a member that leaves and comes back within that time
//! causes no event, even at another address. Updates are sent again with every later call, because Serf never clears
//! them.

use std::collections::BTreeMap;
use std::time::Duration;

const QUIET: Duration = Duration::from_secs(1);
const AT_MOST: Duration = Duration::from_secs(3);

/// Kinds of member events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Join,
    Leave,
    Failed,
    Update,
}

impl Kind {
    /// Serf's name for it.
    pub fn event(self) -> &'static str {
        match self {
            Kind::Join => "member-join",
            Kind::Leave => "member-leave",
            Kind::Failed => "member-failed",
            Kind::Update => "member-update",
        }
    }
}

/// The gathered events.
#[derive(Debug, Default)]
pub struct Coalescer {
    latest: BTreeMap<String, Kind>,
    told: BTreeMap<String, Kind>,
    /// The times of the first and the last event since the last flush.
    since: Option<(Duration, Duration)>,
}

impl Coalescer {
    /// Adds an event that happened at this time.
    pub fn take(&mut self, at: Duration, name: &str, kind: Kind) {
        self.latest.insert(name.to_owned(), kind);
        let first = self.since.map_or(at, |(first, _)| first);
        self.since = Some((first, at));
    }

    /// When the gathered events must be sent; `None` if there are none.
    pub fn due(&self) -> Option<Duration> {
        self.since.map(|(first, last)| (last + QUIET).min(first + AT_MOST))
    }

    /// Sends the gathered events: returns the handler's calls, with the members of each.
    pub fn flush(&mut self) -> BTreeMap<Kind, Vec<String>> {
        self.since = None;
        let mut calls: BTreeMap<Kind, Vec<String>> = BTreeMap::new();
        for (name, kind) in &self.latest {
            let is_told = self.told.get(name) == Some(kind) && *kind != Kind::Update;
            if !is_told {
                calls.entry(*kind).or_default().push(name.clone());
                self.told.insert(name.clone(), *kind);
            }
        }
        calls
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(tenths: u64) -> Duration {
        Duration::from_millis(100 * tenths)
    }

    #[test]
    fn it_waits_for_a_second_of_quiet_and_three_in_all() {
        let mut serf = Coalescer::default();
        assert_eq!(serf.due(), None);
        serf.take(at(0), "a", Kind::Join);
        assert_eq!(serf.due(), Some(at(10)));
        for tenth in 1..40 {
            serf.take(at(tenth), "b", Kind::Join);
        }
        assert_eq!(serf.due(), Some(at(30)));
    }

    #[test]
    fn a_member_that_leaves_and_comes_back_meanwhile_causes_no_event() {
        let mut serf = Coalescer::default();
        serf.take(at(0), "a", Kind::Join);
        assert_eq!(serf.flush(), BTreeMap::from([(Kind::Join, vec!["a".to_owned()])]));
        serf.take(at(50), "a", Kind::Leave);
        serf.take(at(55), "a", Kind::Join);
        assert_eq!(serf.flush(), BTreeMap::new());
        serf.take(at(90), "a", Kind::Leave);
        assert_eq!(serf.flush(), BTreeMap::from([(Kind::Leave, vec!["a".to_owned()])]));
    }

    #[test]
    fn an_update_is_sent_again_with_every_call() {
        let mut serf = Coalescer::default();
        serf.take(at(0), "a", Kind::Update);
        serf.flush();
        serf.take(at(50), "b", Kind::Join);
        let calls = serf.flush();
        assert_eq!(calls.keys().copied().collect::<Vec<_>>(), [Kind::Join, Kind::Update]);
    }
}
