//! Finds lost members whose address and port now belong to a live member.
//!
//! HAProxy's checks then reach the live member, not the lost one. Usually a crashed server has come back under a new
//! name.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};

use common::members::Member;
use common::node::Node;

use crate::health::Health;

/// The live members, by address.
pub(crate) struct LiveNodes<'a> {
    by_address: HashMap<IpAddr, Vec<&'a Node>>,
    health: &'a Health,
}

impl<'a> LiveNodes<'a> {
    /// Indexes the live members, except those whose tag `port` is not a port: they cannot be served in place of another.
    /// `health` has the ports of nodes that announce none.
    pub(crate) fn new(members: &'a [Member], health: &'a Health) -> LiveNodes<'a> {
        let mut by_address: HashMap<IpAddr, Vec<&Node>> = HashMap::new();
        let nodes = members.iter().filter_map(|member| member.node.as_ref().ok());
        for node in nodes.filter(|node| !node.tags.contains_key("port") || announced_port(node).is_some()) {
            by_address.entry(node.address).or_default().push(node);
        }
        LiveNodes { by_address, health }
    }

    /// Whether a live member has the address and port of `lost`. If the port of one of them is known neither from its
    /// tag nor from HAProxy, it is enough that both have the same role.
    pub(crate) fn have_replaced(&self, lost: &Node) -> bool {
        let wanted = self.endpoints(lost);
        let is_same = |node: &&&Node| {
            let endpoints = self.endpoints(node);
            let is_any = (endpoints.is_empty() || wanted.is_empty()) && node.role == lost.role;
            node.name != lost.name && (is_any || !endpoints.is_disjoint(&wanted))
        };
        self.by_address.get(&lost.address).is_some_and(|nodes| nodes.iter().any(|node| is_same(&node)))
    }

    /// Where `node` serves: at the port that it announces, and at the endpoints that HAProxy has for it.
    fn endpoints(&self, node: &Node) -> HashSet<SocketAddr> {
        let known = self.health.endpoints(&node.name).filter(|endpoint| endpoint.ip() == node.address);
        let announced = announced_port(node).map(|port| SocketAddr::new(node.address, port));
        known.chain(announced).collect()
    }
}

fn announced_port(node: &Node) -> Option<u16> {
    node.tags.get("port").and_then(|port| port.parse().ok()).filter(|port| *port != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::node::Tags;

    fn node(name: &str, role: &str, port: &str) -> Node {
        let mut tags = Tags::from([("role".to_owned(), role.to_owned())]);
        if !port.is_empty() {
            tags.insert("port".to_owned(), port.to_owned());
        }
        Node::new(name, "10.0.0.1", tags).unwrap()
    }

    fn is_replaced(lost: Node, live: Node, health: &str) -> bool {
        let health = Health::parse(health).unwrap();
        let member =
            Member { name: live.name.clone(), role: live.role.clone(), node: Ok(live), left_out: Vec::new() };
        LiveNodes::new(&[member], &health).have_replaced(&lost)
    }

    #[test]
    fn a_live_member_at_the_same_port_has_replaced_the_lost_one() {
        assert!(is_replaced(node("s1", "a", "80"), node("s2", "a", "80"), ""));
        assert!(is_replaced(node("s1", "a", "80"), node("s2", "b", "80"), ""));
        assert!(!is_replaced(node("s1", "a", "80"), node("s2", "a", "81"), ""));
        assert!(!is_replaced(node("s1", "a", "80"), node("s1", "a", "80"), ""), "itself");
        assert!(!is_replaced(node("s1", "a", "80"), node("s2", "a", "http"), ""), "not served");
    }

    #[test]
    fn with_an_unknown_port_the_same_role_is_enough() {
        assert!(is_replaced(node("s1", "a", ""), node("s2", "a", "80"), ""));
        assert!(is_replaced(node("s1", "a", "80"), node("s2", "a", ""), "s1\n"));
        assert!(is_replaced(node("s1", "a", ""), node("s2", "a", ""), ""));
        assert!(!is_replaced(node("s1", "a", ""), node("s2", "b", ""), ""), "another role");
    }

    #[test]
    fn a_port_that_is_not_announced_is_known_from_haproxy() {
        let health = "s1 up 10.0.0.1:3000\n";
        assert!(is_replaced(node("s1", "a", ""), node("s2", "a", "3000"), health));
        assert!(!is_replaced(node("s1", "a", ""), node("s2", "a", "3001"), health));
        let both = "s1 up 10.0.0.1:3000\ns2 up 10.0.0.1:3001\n";
        assert!(!is_replaced(node("s1", "a", ""), node("s2", "a", ""), both));
    }
}
