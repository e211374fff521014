//! The properties of every list of a whole membership, Serf's or Consul's.

use common::members::{Member, MembersError};
use common::node::Node;
use serde_json::Value;

use crate::whitelist;

/// A format of list: how it is read, and how a node is written in it, if the format allows that.
pub(crate) struct Form {
    pub(crate) parse: fn(&[u8]) -> Result<Vec<Member>, MembersError>,
    pub(crate) entry: fn(&Node) -> Option<Value>,
    pub(crate) entries: fn(&mut Value) -> Option<&mut Vec<Value>>,
    pub(crate) list: fn(Vec<Value>) -> Value,
}

impl Form {
    /// Checks the properties for a list in this format.
    pub(crate) fn holds(&self, json: &[u8]) {
        let members = match (self.parse)(json) {
            Ok(members) => members,
            Err(error) => return whitelist::check_error(&error),
        };
        assert!(members.is_sorted_by(|one, next| one.name <= next.name), "sorted by name");
        members.iter().for_each(check);
        let nodes = good(members);
        for pair in nodes.windows(2) {
            assert!(pair[0].name != pair[1].name || pair[0] == pair[1], "{} twice", pair[0].name);
        }
        self.comes_back(&nodes);
        self.takes_one_more(json, nodes);
    }

    /// Checks that nodes written as such a list are read as the same nodes.
    fn comes_back(&self, nodes: &[Node]) {
        let (nodes, entries): (Vec<&Node>, Vec<Value>) =
            nodes.iter().filter_map(|node| Some((node, (self.entry)(node)?))).unzip();
        assert!(self.read(&(self.list)(entries)).iter().eq(nodes), "the same nodes");
    }

    /// Checks that a list with one more good member yields that member and all earlier ones.
    fn takes_one_more(&self, json: &[u8], mut nodes: Vec<Node>) {
        let Ok(mut list) = serde_json::from_slice::<Value>(json) else { return };
        let Some(entries) = (self.entries)(&mut list) else { return };
        let tags = [("role".to_owned(), "backend".to_owned())].into();
        let Ok(node) = Node::new("good-one", "10.9.8.7", tags) else { return };
        // If two members have the same name, both are rejected.
        if entries.iter().any(|entry| entry.to_string().contains("good")) {
            return;
        }
        entries.extend((self.entry)(&node));
        nodes.push(node);
        nodes.sort_by(|one, other| one.name.cmp(&other.name));
        assert_eq!(self.read(&list), nodes, "one more, and all others");
    }

    fn read(&self, list: &Value) -> Vec<Node> {
        let members = (self.parse)(list.to_string().as_bytes());
        members.map_or_else(|error| panic!("cannot read '{list}': {error}"), good)
    }
}

fn check(member: &Member) {
    match &member.node {
        Ok(node) => {
            whitelist::check(node);
            assert_eq!((&node.name, &node.role), (&member.name, &member.role));
        }
        Err(error) => whitelist::check_error(error),
    }
}

fn good(members: Vec<Member>) -> Vec<Node> {
    members.into_iter().filter_map(|member| member.node.ok()).collect()
}
