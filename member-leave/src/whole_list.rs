//! Removes the records of nodes that are no longer in service according to a whole membership.
//!
//! `fate.rs` decides which. Two kinds of list are not believed, because an agent that has just started or is cut off
//! prints them: a list without a live member of a role, and a list that lacks half of the pool.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use common::failure::{Code, Failure};
use common::member_input::Format;
use common::members::{Member, MembersError};
use common::messages::Messages;
use common::node::Node;

use crate::args::Args;
use crate::fate::{Fates, judge};
use crate::health::Health;
use crate::removal::Removal;
use crate::view::View;
use crate::waiting::Waiting;

/// The most names that one message shows.
const SHOWN: usize = 5;

/// Removes the records of the nodes that are no longer in service according to the list `json`.
pub(crate) fn apply(args: &Args, json: &[u8], messages: &mut Messages) -> Result<(), Failure> {
    let members = args.input.parse_list(json)?;
    if members.iter().any(is_nameless) {
        let line = "cannot remove records: an entry of the list cannot be read, and may be any of them";
        return Err(Failure::new(Code::Input, line));
    }
    let health = Health::of(args.serving.as_deref())?;
    let mut removal = Removal::begin(args)?;
    removal.dir.sweep();
    let (records, faults) = removal.dir.read_except(&present(&members, args))?;
    faults.into_iter().for_each(|fault| messages.fault(fault));
    // Usually no record is left, and then the list need not be searched for lost members.
    let json = if records.is_empty() { None } else { Some(json) };
    let view = View::new(&args.input, json, &members, health)?;
    let waiting = Waiting::read(&args.input.nodes);
    let (mut missing, mut anew) = (BTreeSet::new(), BTreeSet::new());
    for (role, nodes) in by_role(&records) {
        if !args.input.wants(role) {
            // A run for that role decides about them. Until then their times are kept.
            missing.extend(nodes.iter().map(|node| node.name.as_str()).filter(|name| waiting.knows(name)));
            continue;
        }
        let live = members.iter().filter(|member| member.role == role && member.node.is_ok()).count();
        let has_waited = |node: &Node| waiting.has_lasted(&node.name, args.missing_for);
        let fates = judge(&view.evidence(&nodes, &waiting), live, args.allow_empty, has_waited);
        report(&fates, role, args.input.from, view.health.reason_to_keep(), messages);
        missing.extend(fates.waiting().map(|node| node.name.as_str()));
        // An empty list shows nothing, so their time does not run yet.
        anew.extend(fates.doubted.iter().filter(|_| fates.is_refused()).map(|node| node.name.as_str()));
        fates.gone().for_each(|node| removal.remove(&node.name, messages));
    }
    waiting.keep(&missing, &anew).unwrap_or_else(|fault| messages.fault(fault));
    removal.finish(messages);
    Ok(())
}

/// Reports which records stay, and why.
fn report(fates: &Fates<'_>, role: &str, format: Format, reason: &str, messages: &mut Messages) {
    let (failed, missing) = match format {
        Format::SerfMembers | Format::SerfEvent => ("failed in Serf", "missing from Serf's list"),
        Format::ConsulService => ("failed in Consul", "missing from Consul's list"),
        Format::Members => ("failed in the list", "missing from the list"),
    };
    let kept = [(&fates.failed_but_up, failed), (&fates.missing_but_up, missing)];
    for (nodes, state) in kept.into_iter().filter(|(nodes, _)| !nodes.is_empty()) {
        messages.standing(format!("kept {}: {state}, {reason}", names(nodes)));
    }
    if let Some(line) = fates.refusal(role) {
        messages.fault(Failure::new(Code::Guard, line));
    }
}

/// Whether not even the name of a member can be read. Serf and Consul always print one; another program may not.
fn is_nameless(member: &Member) -> bool {
    member.name.is_empty() && matches!(member.node, Err(MembersError::Entry { .. }))
}

/// The names of the members that are present with a wanted role. A member that cannot be recorded now is present, and
/// keeps the record that it has.
fn present<'m>(members: &'m [Member], args: &Args) -> HashSet<&'m str> {
    let is_wanted = |member: &&Member| !member.node.as_ref().is_ok_and(|node| !args.input.wants(&node.role));
    members.iter().filter(is_wanted).map(|member| member.name.as_str()).collect()
}

fn by_role(records: &[Node]) -> BTreeMap<&str, Vec<&Node>> {
    let mut roles: BTreeMap<&str, Vec<&Node>> = BTreeMap::new();
    for node in records {
        roles.entry(&node.role).or_default().push(node);
    }
    roles
}

/// The first names, and how many others there are.
fn names(nodes: &[&Node]) -> String {
    let shown: Vec<&str> = nodes.iter().take(SHOWN).map(|node| node.name.as_str()).collect();
    let more = nodes.len() - shown.len();
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    format!("{}{more}", shown.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::node::Tags;

    #[test]
    fn a_message_shows_five_names_and_counts_the_rest() {
        let nodes =
            ["a", "b", "c", "d", "e", "f", "g"].map(|name| Node::new(name, "10.0.0.1", Tags::new()).unwrap());
        let nodes: Vec<&Node> = nodes.iter().collect();
        assert_eq!(names(&nodes[..1]), "a");
        assert_eq!(names(&nodes), "a, b, c, d, e and 2 more");
    }
}
