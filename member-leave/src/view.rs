//! What is known of the nodes that are not in service: from the list, from HAProxy, and from the live members.

use std::collections::HashMap;

use common::failure::Failure;
use common::member_input::{Format, InputArgs};
use common::members::{Departure, Member};
use common::node::Node;

use crate::fate::{Evidence, Status};
use crate::health::Health;
use crate::replaced::LiveNodes;
use crate::waiting::Waiting;

/// What the list and HAProxy show of all nodes.
pub(crate) struct View<'a> {
    members: &'a [Member],
    departed: HashMap<String, Departure>,
    /// What a node is that the list does not have.
    absent: Status,
    pub(crate) health: Health,
}

impl<'a> View<'a> {
    /// Reads the lost members of the list `json`. `json` is `None` if they are not needed.
    pub(crate) fn new(
        input: &InputArgs,
        json: Option<&[u8]>,
        members: &'a [Member],
        health: Health,
    ) -> Result<View<'a>, Failure> {
        let departed = json.map(|json| input.parse_departed(json)).transpose()?.unwrap_or_default();
        let absent = match input.from {
            Format::ConsulService | Format::Members => Status::Deregistered,
            Format::SerfMembers | Format::SerfEvent => Status::Missing,
        };
        Ok(View { members, departed, absent, health })
    }

    /// Returns the nodes, each with what is known of it.
    pub(crate) fn evidence<'n>(&self, nodes: &[&'n Node], waiting: &Waiting) -> Vec<(&'n Node, Evidence)> {
        let live = LiveNodes::new(self.members, &self.health);
        let of = |node: &Node| Evidence {
            status: self.status(&node.name),
            finding: self.health.finding(&node.name),
            is_replaced: live.have_replaced(node),
            is_waiting: waiting.knows(&node.name),
        };
        nodes.iter().map(|node| (*node, of(node))).collect()
    }

    /// What the list says of a node. A live member loses its record only if it now has another role.
    fn status(&self, name: &str) -> Status {
        if self.members.binary_search_by(|member| member.name.as_str().cmp(name)).is_ok() {
            return Status::Left;
        }
        match self.departed.get(name) {
            None => self.absent,
            Some(Departure::Failed) => Status::Failed,
            Some(Departure::OutOfService) => Status::OutOfService,
            Some(Departure::Left) => Status::Left,
        }
    }
}
