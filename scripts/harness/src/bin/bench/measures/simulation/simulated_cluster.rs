//! The simulated cluster: its members, and what happens to them and when.
//!
//! A member is a container: its name and address are derived from a number, and it never comes back. A few members
//! have a fixed name, and come back under it at another address. A third of all members are in a zone, whose servers
//! have their own port, so that all of them can end at once.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use common::node::{Node, Tags};

use crate::measures::simulation::coalescer::Kind;

const FIRST: Ipv4Addr = Ipv4Addr::new(127, 200, 0, 1);
/// One in this many containers has a fixed name.
const NAMED: usize = 20;
/// The earliest and latest time at which Serf marks a member failed if many end at once; measured with half a
/// cluster.
const GIVEN_UP: [Duration; 2] = [Duration::from_secs(6), Duration::from_secs(18)];

/// An event of a member, and its time since the beginning.
#[derive(Clone, Debug)]
pub struct Happening {
    pub at: Duration,
    pub kind: Kind,
    pub node: Node,
}

/// All present and past members.
#[derive(Debug)]
pub struct SimulatedCluster {
    /// The members, each with its status in Serf.
    pub members: BTreeMap<String, (Node, &'static str)>,
    ports: [u16; 2],
    next: usize,
}

impl SimulatedCluster {
    /// A cluster with this number of members. The ports are the zone's and that of all others.
    pub fn new(count: usize, ports: [u16; 2]) -> SimulatedCluster {
        let mut cluster = SimulatedCluster { members: BTreeMap::new(), ports, next: 0 };
        for _ in 0..count {
            let node = cluster.container(None);
            cluster.members.insert(node.name.clone(), (node, "alive"));
        }
        cluster
    }

    /// A new container, under its own name or a fixed one.
    fn container(&mut self, name: Option<&str>) -> Node {
        let number = self.next;
        self.next += 1;
        let address = Ipv4Addr::from_bits(FIRST.to_bits() + number as u32).to_string();
        let own =
            if number.is_multiple_of(NAMED) { format!("host{number}") } else { format!("c{number:06}") };
        let port = self.ports[usize::from(!number.is_multiple_of(3))].to_string();
        let tags = Tags::from([("role".to_owned(), "backend".to_owned()), ("port".to_owned(), port)]);
        Node::new(name.unwrap_or(&own), &address, tags).expect("name, address and tags pass the whitelists")
    }

    /// The present members.
    pub fn alive(&self) -> impl Iterator<Item = &Node> {
        self.members.values().filter(|(_, status)| *status == "alive").map(|(node, _)| node)
    }

    /// Applies an event to the members.
    pub fn happen(&mut self, happening: &Happening) {
        let status = match happening.kind {
            Kind::Join | Kind::Update => "alive",
            Kind::Leave => "left",
            Kind::Failed => "failed",
        };
        self.members.insert(happening.node.name.clone(), (happening.node.clone(), status));
    }

    /// The events of this many new members, spread over a time.
    pub fn grow(&mut self, count: usize, over: Duration) -> Vec<Happening> {
        let join = |number| Happening {
            at: over.mul_f64(number as f64 / count as f64),
            kind: Kind::Join,
            node: self.container(None),
        };
        (0..count).map(join).collect()
    }

    /// The events of a rolling replacement: each new container joins half a second after its predecessor has left.
    pub fn roll(&mut self, over: Duration) -> Vec<Happening> {
        let old: Vec<Node> = self.alive().cloned().collect();
        let mut happenings = Vec::new();
        for (number, node) in old.iter().enumerate() {
            let at = over.mul_f64(number as f64 / old.len() as f64);
            let name = node.name.starts_with("host").then_some(node.name.as_str());
            let successor = self.container(name);
            happenings.push(Happening { at, kind: Kind::Leave, node: node.clone() });
            let at = at + Duration::from_millis(500);
            happenings.push(Happening { at, kind: Kind::Join, node: successor });
        }
        happenings.sort_by_key(|happening| happening.at);
        happenings
    }

    /// The events of a lost zone: Serf marks its members failed one after the other.
    pub fn lose_zone(&self) -> Vec<Happening> {
        let port = self.ports[0].to_string();
        let gone: Vec<&Node> = self.alive().filter(|node| node.tags.get("port") == Some(&port)).collect();
        let [from, to] = GIVEN_UP;
        let fail = |(number, node): (usize, &&Node)| Happening {
            at: from + (to - from).mul_f64(number as f64 / gone.len() as f64),
            kind: Kind::Failed,
            node: (*node).clone(),
        };
        gone.iter().enumerate().map(fail).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rolling_deployment_replaces_all_members_and_keeps_their_number() {
        let mut cluster = SimulatedCluster::new(60, [1, 2]);
        let before: Vec<Node> = cluster.alive().cloned().collect();
        for happening in cluster.roll(Duration::from_secs(10)) {
            cluster.happen(&happening);
        }
        let after: Vec<Node> = cluster.alive().cloned().collect();
        assert_eq!(after.len(), before.len());
        assert!(before.iter().all(|node| !after.contains(node)));
        assert!(after.iter().any(|node| node.name == "host0"));
    }

    #[test]
    fn a_zone_has_a_third_of_the_members() {
        let mut cluster = SimulatedCluster::new(300, [1, 2]);
        for happening in cluster.lose_zone() {
            cluster.happen(&happening);
        }
        assert_eq!(cluster.alive().count(), 200);
    }
}
