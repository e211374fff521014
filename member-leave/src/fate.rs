//! Decides which records go. Everything that it needs is handed in.
//!
//! A leave is a statement about one member. A list that does not name a member is not: an agent that has just started, or
//! that is cut off, sees only a part of the cluster. So such a record goes only if HAProxy does not find its server up,
//! and if the list lacks at most half of the pool; or else after a time in which gossip would have healed.

use common::node::Node;
use common::serf_list::Departure;

use crate::health::Finding;

/// What is known of a node that is not in service.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Evidence {
    /// How the list names it; `None` if the list does not name it.
    pub(crate) departure: Option<Departure>,
    /// What HAProxy's checks find.
    pub(crate) finding: Finding,
    /// Whether a live member has its place.
    pub(crate) is_replaced: bool,
}

/// What happens to a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is removed.
    Remove,
    /// Its server is up, or about to be checked.
    Serves,
    /// It is missing from the list, and may be removed once the list is known to be whole.
    Missing,
}

/// What happens to the record of one node, if the list lacks at most half of the pool.
fn alone(evidence: Evidence) -> Fate {
    let is_up = matches!(evidence.finding, Finding::Up | Finding::Starting);
    match evidence.departure {
        Some(Departure::Left) => Fate::Remove,
        _ if evidence.is_replaced => Fate::Remove,
        _ if is_up => Fate::Serves,
        None if evidence.finding == Finding::Unknown => Fate::Missing,
        _ => Fate::Remove,
    }
}

/// The records of one role, by what happens to them.
#[derive(Debug, Default)]
pub(crate) struct Fates<'a> {
    /// They are removed.
    pub(crate) removed: Vec<&'a Node>,
    /// Failed in Serf, but up.
    pub(crate) failed_but_up: Vec<&'a Node>,
    /// Missing from the list, but up.
    pub(crate) missing_but_up: Vec<&'a Node>,
    /// Missing from the list, and not up. They are removed after a time.
    pub(crate) missing: Vec<&'a Node>,
    /// How many records there are.
    pub(crate) total: usize,
    /// Whether the list lacks more than half of the pool, although no leave was reported.
    pub(crate) is_partial: bool,
}

/// Judges the records of one role that are not in service. `live` is how many others are.
pub(crate) fn judge<'a>(
    records: &[(&'a Node, Evidence)],
    live: usize,
    has_waited: impl Fn(&Node) -> bool,
) -> Fates<'a> {
    let is_unnamed = |evidence: &Evidence| evidence.departure.is_none() && !evidence.is_replaced;
    let unnamed = records.iter().filter(|(_, evidence)| is_unnamed(evidence)).count();
    let total = records.len();
    let mut fates = Fates { total, is_partial: 2 * unnamed > live + total, ..Fates::default() };
    for (node, evidence) in records {
        let fate = match alone(*evidence) {
            Fate::Remove if fates.is_partial && is_unnamed(evidence) => Fate::Missing,
            fate => fate,
        };
        let group = match fate {
            Fate::Missing if has_waited(node) => &mut fates.removed,
            Fate::Remove => &mut fates.removed,
            Fate::Serves if evidence.departure.is_some() => &mut fates.failed_but_up,
            Fate::Serves => &mut fates.missing_but_up,
            Fate::Missing => &mut fates.missing,
        };
        group.push(node);
    }
    fates
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::node::Tags;

    const LEFT: Option<Departure> = Some(Departure::Left);
    const FAILED: Option<Departure> = Some(Departure::Failed);

    fn evidence(departure: Option<Departure>, finding: Finding) -> Evidence {
        Evidence { departure, finding, is_replaced: false }
    }

    #[test]
    fn a_member_that_left_is_removed_whatever_haproxy_finds() {
        for finding in [Finding::Up, Finding::Starting, Finding::Down, Finding::Unknown] {
            assert_eq!(alone(evidence(LEFT, finding)), Fate::Remove);
        }
    }

    #[test]
    fn a_member_that_failed_or_is_missing_stays_while_it_is_up() {
        for departure in [FAILED, None] {
            assert_eq!(alone(evidence(departure, Finding::Up)), Fate::Serves);
            assert_eq!(alone(evidence(departure, Finding::Starting)), Fate::Serves);
            assert_eq!(alone(evidence(departure, Finding::Down)), Fate::Remove);
            let replaced = Evidence { is_replaced: true, ..evidence(departure, Finding::Up) };
            assert_eq!(alone(replaced), Fate::Remove);
        }
    }

    #[test]
    fn a_missing_member_that_haproxy_does_not_know_waits_and_a_failed_one_does_not() {
        assert_eq!(alone(evidence(None, Finding::Unknown)), Fate::Missing);
        assert_eq!(alone(evidence(FAILED, Finding::Unknown)), Fate::Remove);
    }

    fn counts(all: &[Evidence], live: usize, has_waited: bool) -> [usize; 4] {
        let nodes: Vec<Node> = (0..all.len())
            .map(|number| Node::new(&format!("s{number}"), "10.0.0.1", Tags::new()).unwrap())
            .collect();
        let records: Vec<(&Node, Evidence)> = nodes.iter().zip(all.iter().copied()).collect();
        let fates = judge(&records, live, |_| has_waited);
        [fates.removed.len(), fates.missing_but_up.len(), fates.missing.len(), usize::from(fates.is_partial)]
    }

    #[test]
    fn a_list_that_lacks_more_than_half_of_the_pool_removes_nobody_for_a_time() {
        let down = evidence(None, Finding::Down);
        assert_eq!(counts(&[down; 2], 2, false), [2, 0, 0, 0]);
        assert_eq!(counts(&[down; 2], 1, false), [0, 0, 2, 1]);
        assert_eq!(counts(&[down; 2], 1, true), [2, 0, 0, 1]);
        let up = evidence(None, Finding::Up);
        assert_eq!(counts(&[up, up, down], 1, true), [1, 2, 0, 1], "a server that is up does not go");
    }

    #[test]
    fn members_that_left_or_failed_do_not_make_a_list_partial() {
        let (left, failed) = (evidence(LEFT, Finding::Up), evidence(FAILED, Finding::Down));
        assert_eq!(counts(&[left, left, failed, failed], 1, false), [4, 0, 0, 0]);
    }
}
