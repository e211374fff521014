//! Reads the nodes of a whole membership, and reports what cannot be recorded.

use std::collections::{BTreeMap, BTreeSet};

use common::member_input::InputArgs;
use common::members::Member;
use common::messages::{Messages, excerpt};
use common::node::Node;

/// The most roles that one message shows.
const SHOWN: usize = 5;

/// Returns the nodes among `members`, one per name. Reports an error for each other member, and a message if no node
/// has a wanted role.
pub(crate) fn nodes(input: &InputArgs, members: Vec<Member>, messages: &mut Messages) -> Vec<Node> {
    report_unwanted(input, &members, messages);
    let mut nodes = BTreeMap::new();
    for member in members {
        let is_wanted = input.wants(&member.role);
        // Members of other roles are not ours to report.
        if is_wanted {
            member.left_out.into_iter().for_each(|fault| messages.fault(fault));
        }
        match member.node {
            Ok(node) => drop(nodes.insert(node.name.clone(), node)),
            Err(fault) if is_wanted || member.role.is_empty() => messages.fault(fault),
            Err(_) => {}
        }
    }
    nodes.into_values().collect()
}

/// Prints a message if there are members and none has a wanted role: probably `--role` is missing or misspelled.
fn report_unwanted(input: &InputArgs, members: &[Member], messages: &mut Messages) {
    let passed_over: Vec<&Node> = members.iter().filter_map(|member| member.node.as_ref().ok()).collect();
    if passed_over.is_empty() || members.iter().any(|member| input.wants(&member.role)) {
        return;
    }
    let roles: BTreeSet<&str> = passed_over.iter().map(|node| node.role.as_str()).collect();
    // A balancer that waits for its first backends is alone in Serf's list, and must not fill the log of a timer.
    messages.standing_warning(passed_over_line(passed_over.len(), &roles, &input.wanted_roles()));
}

fn passed_over_line(count: usize, roles: &BTreeSet<&str>, wanted: &str) -> String {
    let names = roles.iter().take(SHOWN).map(|role| format!("'{}'", excerpt(role.as_bytes())));
    let mut names = names.collect::<Vec<_>>().join(", ");
    if roles.len() > SHOWN {
        names.push_str(&format!(" and {} more", roles.len() - SHOWN));
    }
    let members = if count == 1 { "member" } else { "members" };
    let word = if roles.len() == 1 { "role" } else { "roles" };
    format!(
        "passed over {count} {members} of {word} {names}: none has a wanted role ({wanted}); see --role, or ROLLCALL_ROLES"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_shows_five_roles_and_counts_the_rest() {
        let line =
            |count, roles: &[&str]| passed_over_line(count, &roles.iter().copied().collect(), "backend");
        assert_eq!(
            line(2, &["web"]),
            "passed over 2 members of role 'web': none has a wanted role (backend); see --role, or ROLLCALL_ROLES"
        );
        assert_eq!(
            line(7, &["a", "b", "c", "d", "e", "f", ""]),
            "passed over 7 members of roles '', 'a', 'b', 'c', 'd' and 2 more: none has a wanted role (backend); see --role, or ROLLCALL_ROLES"
        );
        assert!(line(1, &["x\ny"]).starts_with("passed over 1 member of role 'x\\ny': "));
    }
}
