//! Decides which records are removed. This is the half that opens nothing.
//!
//! A leave is a statement about one member. A list that lacks a member is not, because an agent that has just started
//! or is cut off sees only a part of the cluster. So a missing member stays while HAProxy finds its server up. If
//! HAProxy knows nothing of the server, or if the list lacks half of the pool, a missing member stays for a time in
//! which gossip would heal.
//!
//! In Consul, an instance that leaves is only missing from the list. So there an instance that is missing has left, unless
//! the list lacks half of the pool: a Consul that has lost its data gets its instances back one by one.

use common::node::Node;

use crate::health::Finding;

/// What the list says of a node that is not in service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// It left, or it has another role now.
    Left,
    /// The list does not have it, and that is how a member leaves.
    Deregistered,
    /// It must not serve now.
    OutOfService,
    /// It does not answer gossip.
    Failed,
    /// The list does not have it, and may be incomplete.
    Missing,
}

/// What is known of a node that is not in service.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Evidence {
    /// What the list says.
    pub(crate) status: Status,
    /// What HAProxy's checks find.
    pub(crate) finding: Finding,
    /// Whether a live member now has its address and port.
    pub(crate) is_replaced: bool,
    /// Whether it was missing from an earlier list that could not be believed.
    pub(crate) is_waiting: bool,
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

/// What happens to the record of one node if the list is not partial.
fn alone(evidence: Evidence) -> Fate {
    let is_up = matches!(evidence.finding, Finding::Up | Finding::Starting);
    match evidence.status {
        Status::Left | Status::Deregistered | Status::OutOfService => Fate::Remove,
        _ if evidence.is_replaced => Fate::Remove,
        _ if is_up => Fate::Serves,
        Status::Missing if evidence.finding == Finding::Unknown => Fate::Missing,
        Status::Missing | Status::Failed => Fate::Remove,
    }
}

/// The records of one role, grouped by what happens to them.
#[derive(Debug, Default)]
pub(crate) struct Fates<'a> {
    /// To be removed, because the nodes left.
    pub(crate) left: Vec<&'a Node>,
    /// To be removed, if the list is believed.
    pub(crate) removed: Vec<&'a Node>,
    /// Failed, but up.
    pub(crate) failed_but_up: Vec<&'a Node>,
    /// Missing from the list, but up.
    pub(crate) missing_but_up: Vec<&'a Node>,
    /// Missing from the list and not up: removed after a time.
    pub(crate) missing: Vec<&'a Node>,
    /// Whether the list is believed even if it has no live member of the role, or lacks half of the pool.
    pub(crate) is_believed: bool,
    /// How many live members of the role the list has.
    pub(crate) live: usize,
    /// How many records were judged.
    pub(crate) total: usize,
    /// Of the missing: nodes that have not left as long as no list has them again.
    pub(crate) doubted: Vec<&'a Node>,
    /// Whether the list lacks half of the pool, although no leave was reported.
    pub(crate) is_partial: bool,
}

impl<'a> Fates<'a> {
    /// Whether the list is not believed: it has no live member of the role, although not all have left.
    pub(crate) fn is_refused(&self) -> bool {
        !self.is_believed && self.live == 0 && !(self.removed.is_empty() && self.missing.is_empty())
    }

    /// The nodes whose records are removed now.
    pub(crate) fn gone(&self) -> impl Iterator<Item = &'a Node> + '_ {
        let others = if self.is_refused() { &[][..] } else { &self.removed[..] };
        self.left.iter().chain(others).copied()
    }

    /// The nodes that wait, or are in doubt. While the list is refused, only the latter are known.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = &'a Node> + '_ {
        let waiting = if self.is_refused() { &[][..] } else { &self.missing[..] };
        waiting.iter().chain(&self.doubted).copied()
    }

    /// Why records of the role stay although their nodes are not in service, as an error line.
    pub(crate) fn refusal(&self, role: &str) -> Option<String> {
        let lost = self.removed.len() + self.missing.len();
        let missing = self.missing.len() + self.missing_but_up.len();
        if self.is_refused() {
            return Some(format!(
                "cannot remove {lost} records of role '{role}': the list has no live member of that role, so the agent \
                 may be cut off; give --allow-empty to remove them"
            ));
        }
        (self.is_partial && missing > 0).then(|| {
            let total = self.total + self.live;
            format!(
                "cannot remove {missing} of {total} records of role '{role}': their nodes are missing from the list, but \
                 no leave was reported, so the agent may see only a part of the cluster; if they are gone, remove them by \
                 name"
            )
        })
    }
}

/// Judges the records of one role whose nodes are not in service. `live` counts the live members of that role.
/// `is_believed` is `Fates::is_believed`. `has_waited` is whether a missing node has been missing for long enough.
pub(crate) fn judge<'a>(
    records: &[(&'a Node, Evidence)],
    live: usize,
    is_believed: bool,
    has_waited: impl Fn(&Node) -> bool,
) -> Fates<'a> {
    let is_unnamed = |evidence: &Evidence| {
        matches!(evidence.status, Status::Missing | Status::Deregistered) && !evidence.is_replaced
    };
    let unnamed = records.iter().filter(|(_, evidence)| is_unnamed(evidence)).count();
    let total = records.len();
    // One of two is no sign of a partial list.
    let lacks_half = 2 * unnamed >= live + total && (unnamed > 1 || live == 0 && total == 1);
    let is_partial = !is_believed && lacks_half;
    let mut fates = Fates { is_believed, live, total, is_partial, ..Fates::default() };
    for (node, evidence) in records {
        let is_doubted = evidence.status == Status::Deregistered && (lacks_half || evidence.is_waiting);
        let status = if is_doubted { Status::Missing } else { evidence.status };
        let fate = match alone(Evidence { status, ..*evidence }) {
            Fate::Remove if is_partial && is_unnamed(evidence) => Fate::Missing,
            fate => fate,
        };
        if is_doubted && fate != Fate::Remove {
            fates.doubted.push(node);
        }
        let group = match fate {
            Fate::Missing if is_believed || has_waited(node) => &mut fates.removed,
            Fate::Remove if evidence.status == Status::Left => &mut fates.left,
            Fate::Remove => &mut fates.removed,
            Fate::Serves if evidence.status == Status::Failed => &mut fates.failed_but_up,
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

    use Status::{Deregistered, Failed, Left, Missing, OutOfService};

    fn evidence(status: Status, finding: Finding) -> Evidence {
        Evidence { status, finding, is_replaced: false, is_waiting: false }
    }

    #[test]
    fn a_member_that_left_is_removed_whatever_haproxy_finds() {
        for finding in [Finding::Up, Finding::Starting, Finding::Down, Finding::Unknown] {
            for status in [Left, Deregistered, OutOfService] {
                assert_eq!(alone(evidence(status, finding)), Fate::Remove);
            }
        }
    }

    #[test]
    fn a_member_that_failed_or_is_missing_stays_while_it_is_up() {
        for status in [Failed, Missing] {
            assert_eq!(alone(evidence(status, Finding::Up)), Fate::Serves);
            assert_eq!(alone(evidence(status, Finding::Starting)), Fate::Serves);
            assert_eq!(alone(evidence(status, Finding::Down)), Fate::Remove);
            let replaced = Evidence { is_replaced: true, ..evidence(status, Finding::Up) };
            assert_eq!(alone(replaced), Fate::Remove);
        }
    }

    #[test]
    fn a_missing_member_that_haproxy_does_not_know_waits_and_a_failed_one_does_not() {
        assert_eq!(alone(evidence(Missing, Finding::Unknown)), Fate::Missing);
        assert_eq!(alone(evidence(Failed, Finding::Unknown)), Fate::Remove);
    }

    fn counts(all: &[Evidence], live: usize, has_waited: bool) -> [usize; 4] {
        let nodes: Vec<Node> = (0..all.len())
            .map(|number| Node::new(&format!("s{number}"), "10.0.0.1", Tags::new()).unwrap())
            .collect();
        let records: Vec<(&Node, Evidence)> = nodes.iter().zip(all.iter().copied()).collect();
        let fates = judge(&records, live, false, |_| has_waited);
        let removed = fates.left.len() + fates.removed.len();
        [removed, fates.missing_but_up.len(), fates.missing.len(), usize::from(fates.is_partial)]
    }

    #[test]
    fn missing_members_stay_for_a_time_if_they_are_half_of_the_pool() {
        let down = evidence(Missing, Finding::Down);
        assert_eq!(counts(&[down; 2], 3, false), [2, 0, 0, 0]);
        assert_eq!(counts(&[down; 2], 2, false), [0, 0, 2, 1]);
        assert_eq!(counts(&[down], 1, false), [1, 0, 0, 0], "one of two");
        assert_eq!(counts(&[down; 2], 1, false), [0, 0, 2, 1]);
        assert_eq!(counts(&[down; 2], 1, true), [2, 0, 0, 1]);
        let up = evidence(Missing, Finding::Up);
        assert_eq!(counts(&[up, up, down], 1, true), [1, 2, 0, 1], "a server that is up does not go");
    }

    #[test]
    fn a_list_without_half_of_the_pool_deregisters_nobody_until_its_nodes_are_back_or_down() {
        let (up, down) = (evidence(Deregistered, Finding::Up), evidence(Deregistered, Finding::Down));
        assert_eq!(counts(&[up, down], 3, false), [2, 0, 0, 0]);
        assert_eq!(counts(&[up, down], 2, false), [0, 1, 1, 1]);
        let waits = |evidence| Evidence { is_waiting: true, ..evidence };
        assert_eq!(counts(&[waits(up), waits(down), up], 4, false), [2, 1, 0, 0]);
        let replaced = Evidence { is_replaced: true, ..waits(up) };
        assert_eq!(counts(&[replaced], 1, false), [1, 0, 0, 0]);
        let node = Node::new("s1", "10.0.0.1", Tags::new()).unwrap();
        let believed = judge(&[(&node, up)], 0, true, |_| false);
        assert_eq!((believed.missing_but_up.len(), believed.removed.len()), (1, 0), "--allow-empty");
    }

    #[test]
    fn members_that_left_or_failed_do_not_make_a_list_partial() {
        let (left, failed) = (evidence(Left, Finding::Up), evidence(Failed, Finding::Down));
        assert_eq!(counts(&[left, left, failed, failed], 1, false), [4, 0, 0, 0]);
    }
}
