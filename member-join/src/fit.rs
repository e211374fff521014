//! Whether a joined or updated member fits the record that it had: the half of `--verdict` that opens nothing.

use std::time::SystemTime;

use common::event::verdict::Verdict;
use common::node::Node;

/// The events of a member that is in service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Serf met the member, or met it again after it had left or failed.
    Join,
    /// The member has announced other tags. Serf also sends it again with later events, for a member that is the same.
    Update,
}

/// Judges a member by the record that its node had, and when that was written; `old` is `None` if there was none. Both are
/// of wanted roles, unless `is_wanted` is false: then the record is removed, because the member has another role now.
pub(crate) fn judge(
    kind: Kind,
    old: Option<&Node>,
    written: Option<SystemTime>,
    node: &Node,
    is_wanted: bool,
) -> Verdict {
    match (kind, old) {
        (_, None) if !is_wanted => Verdict::Unchanged,
        (_, Some(old)) if old == node => Verdict::Unchanged,
        (Kind::Join, None) => Verdict::Changed,
        // A member that is known at another address or with other tags has left meanwhile, and no event said so.
        (Kind::Join, Some(_)) => Verdict::Doubtful,
        // Serf drops the join of a member that changes its tags at once.
        (Kind::Update, None) => Verdict::Doubtful,
        (Kind::Update, Some(old)) if old.address != node.address => Verdict::Doubtful,
        (Kind::Update, Some(_)) => Verdict::on_changed(written),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::node::Tags;

    fn node(address: &str, port: &str) -> Node {
        let tags = Tags::from([("port".to_owned(), port.to_owned())]);
        Node::new("s1", address, tags).unwrap()
    }

    #[test]
    fn only_what_follows_from_events_before_fits() {
        let (old, moved, retagged) = (node("10.0.0.1", "1"), node("10.0.0.2", "1"), node("10.0.0.1", "2"));
        let cases = [
            (Kind::Join, None, &old, Verdict::Changed),
            (Kind::Join, Some(&old), &old, Verdict::Unchanged),
            (Kind::Join, Some(&old), &moved, Verdict::Doubtful),
            (Kind::Join, Some(&old), &retagged, Verdict::Doubtful),
            (Kind::Update, None, &old, Verdict::Doubtful),
            (Kind::Update, Some(&old), &old, Verdict::Unchanged),
            (Kind::Update, Some(&old), &moved, Verdict::Doubtful),
            (Kind::Update, Some(&old), &retagged, Verdict::Changed),
        ];
        for (kind, old, node, wanted) in cases {
            assert_eq!(
                judge(kind, old, Some(SystemTime::UNIX_EPOCH), node, true),
                wanted,
                "{kind:?} {old:?}"
            );
        }
    }

    #[test]
    fn a_member_of_another_role_concerns_only_a_record_that_it_had() {
        let (old, other) = (node("10.0.0.1", "1"), node("10.0.0.1", "2"));
        let written = Some(SystemTime::UNIX_EPOCH);
        assert_eq!(judge(Kind::Join, None, None, &other, false), Verdict::Unchanged);
        assert_eq!(judge(Kind::Update, Some(&old), written, &other, false), Verdict::Changed);
        assert_eq!(judge(Kind::Join, Some(&old), written, &other, false), Verdict::Doubtful);
    }
}
