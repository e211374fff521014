//! A whole membership: the records of all nodes that are not in it are removed.
//!
//! An agent that has just started or is cut off lists no node of a role at all. Such a list must not empty a backend,
//! so it is rejected for that role.

use std::collections::{BTreeMap, HashSet};

use common::failure::{Code, Failure};
use common::members::Member;
use common::messages::Messages;
use common::node::Node;

use crate::args::Args;
use crate::keep_seen_up::{kept_line, place, places_in_service};
use crate::removal::Removal;

/// Removes the records of the nodes that are not among `members`, except failed ones that are named in `seen_up`.
pub(crate) fn apply(
    args: &Args,
    members: &[Member],
    seen_up: &HashSet<String>,
    messages: &mut Messages,
) -> Result<(), Failure> {
    let mut removal = Removal::begin(args)?;
    removal.dir.sweep();
    let (records, faults) = removal.dir.read_except(&present(members, args))?;
    faults.into_iter().for_each(|fault| messages.fault(fault));
    let taken = if seen_up.is_empty() { HashSet::new() } else { places_in_service(members) };
    let stays = |node: &&Node| seen_up.contains(&node.name) && !taken.contains(&place(node));
    for (role, absent) in by_role(&records, args) {
        let (kept, gone): (Vec<&Node>, Vec<&Node>) = absent.into_iter().partition(stays);
        if !kept.is_empty() {
            removal.note(kept_line(&kept));
        }
        if !gone.is_empty() && !args.allow_empty && !has_node(members, role) {
            messages.fault(Failure::new(Code::Guard, none_alive(role, gone.len())));
            continue;
        }
        gone.iter().for_each(|node| removal.remove(&node.name, messages));
    }
    removal.finish(messages);
    Ok(())
}

/// The names of the members that are present with a wanted role. A member that cannot be recorded now is present, and
/// keeps the record that it has.
fn present<'m>(members: &'m [Member], args: &Args) -> HashSet<&'m str> {
    let is_wanted = |member: &&Member| !member.node.as_ref().is_ok_and(|node| !args.input.wants(&node.role));
    members.iter().filter(is_wanted).map(|member| member.name.as_str()).collect()
}

/// The records of wanted roles.
fn by_role<'a>(records: &'a [Node], args: &Args) -> BTreeMap<&'a str, Vec<&'a Node>> {
    let mut roles: BTreeMap<&str, Vec<&Node>> = BTreeMap::new();
    for node in records.iter().filter(|node| args.input.wants(&node.role)) {
        roles.entry(&node.role).or_default().push(node);
    }
    roles
}

/// Whether a member of this role can be recorded. One that cannot is unable to serve in place of the others.
fn has_node(members: &[Member], role: &str) -> bool {
    members.iter().any(|member| member.role == role && member.node.is_ok())
}

fn none_alive(role: &str, count: usize) -> String {
    format!(
        "cannot remove {count} records of role '{role}': the list has no live member of that role, so the agent may \
         be cut off; give --allow-empty to remove them"
    )
}
