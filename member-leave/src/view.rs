//! What is known of the nodes that are not in service: from the list, from HAProxy, and from the live members.

use std::collections::HashMap;

use common::failure::Failure;
use common::member_input::Format;
use common::members::Member;
use common::node::Node;
use common::serf_list::{Departure, parse_departed};

use crate::fate::{Evidence, Status};
use crate::health::Health;
use crate::replaced::LiveNodes;

/// What the list and HAProxy show of all nodes.
pub(crate) struct View<'a> {
    members: &'a [Member],
    /// `None` for Consul's list. It is complete, so an instance that is missing from it has left.
    departed: Option<HashMap<String, Departure>>,
    pub(crate) health: Health,
}

impl<'a> View<'a> {
    /// Reads the lost members of the list `json`. `json` is `None` if they are not needed.
    pub(crate) fn new(
        format: Format,
        json: Option<&[u8]>,
        members: &'a [Member],
        health: Health,
    ) -> Result<View<'a>, Failure> {
        let departed = match format {
            Format::ConsulService => None,
            Format::SerfMembers | Format::SerfEvent => {
                Some(json.map(parse_departed).transpose()?.unwrap_or_default())
            }
        };
        Ok(View { members, departed, health })
    }

    /// Returns the nodes, each with what is known of it.
    pub(crate) fn evidence<'n>(&self, nodes: &[&'n Node]) -> Vec<(&'n Node, Evidence)> {
        let live = LiveNodes::new(self.members, &self.health);
        let of = |node: &Node| Evidence {
            status: self.status(&node.name),
            finding: self.health.finding(&node.name),
            is_replaced: live.have_replaced(node),
        };
        nodes.iter().map(|node| (*node, of(node))).collect()
    }

    /// What the list says of a node. A live member loses its record only if it now has another role.
    fn status(&self, name: &str) -> Status {
        if self.members.binary_search_by(|member| member.name.as_str().cmp(name)).is_ok() {
            return Status::Left;
        }
        match self.departed.as_ref().map(|departed| departed.get(name)) {
            None => Status::Deregistered,
            Some(None) => Status::Missing,
            Some(Some(Departure::Failed)) => Status::Failed,
            Some(Some(Departure::Left)) => Status::Left,
        }
    }
}
