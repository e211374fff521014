//! Decides which records are removed. This is the half that opens nothing.
//!
//! A leave is a statement about one member. A list that lacks a member is not, because an agent that has just started
//! or is cut off sees only a part of the cluster. So a missing member stays while HAProxy finds its server up. If
//! HAProxy knows nothing of the server, or if the list lacks more than half of the pool, a missing member stays for a
//! time in which gossip would heal.

use common::node::Node;
use common::serf_list::Departure;

use crate::health::Finding;

/// What is known of a node that is not in service.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Evidence {
    /// Its status in the list; `None` if it is missing from the list.
    pub(crate) departure: Option<Departure>,
    /// What HAProxy's checks find.
    pub(crate) finding: Finding,
    /// Whether a live member now has its address and port.
    pub(crate) is_replaced: bool,
}

/// What happens to a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is removed.
    Remove,
    /// It stays: its server is up, or gets requests before its first check.
    Serves,
    /// Its node is missing from the list. It stays for a time, and is then removed.
    Missing,
}

/// What happens to the record of one node if the list lacks at most half of the pool.
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

/// The records of one role, grouped by what happens to them.
#[derive(Debug, Default)]
pub(crate) struct Fates<'a> {
    /// To be removed.
    pub(crate) removed: Vec<&'a Node>,
    /// Failed in Serf, but up.
    pub(crate) failed_but_up: Vec<&'a Node>,
    /// Missing from the list, but up.
    pub(crate) missing_but_up: Vec<&'a Node>,
    /// Missing from the list and not up: removed after a time.
    pub(crate) missing: Vec<&'a Node>,
    /// How many records were judged.
    pub(crate) total: usize,
    /// Whether the list lacks more than half of the pool, although no leave was reported.
    pub(crate) is_partial: bool,
}

/// Judges the records of one role whose nodes are not in service. `live` counts the live members of that role.
/// `has_waited` is whether a missing node has been missing for long enough.
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
    fn missing_members_stay_for_a_time_if_they_are_more_than_half_of_the_pool() {
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
