//! Records to measure with: a nodes directory with a given number of records, and events for one of its nodes.
//!
//! The nodes have unused addresses from 127.200.0.1 on: a HAProxy that checks them is refused at once, and no packet
//! leaves the machine. With each event, one node announces another weight, which changes the configuration.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::node::{Node, Tags};
use common::nodes_directory::NodesDir;
use common::replace::replace;
use harness::{Error, Result};

use crate::results::timed_run::system;

/// How many records are open at once: fewer than any limit of open files.
const BATCH: usize = 500;
const FIRST: Ipv4Addr = Ipv4Addr::new(127, 200, 0, 1);
const WEIGHTS: [&str; 2] = ["100", "101"];
/// The node that changes.
const CHANGED: usize = 5;

/// A nodes directory, and events for one of its nodes.
#[derive(Debug)]
pub struct NodeRecords {
    /// The nodes directory.
    pub nodes: PathBuf,
    events: [PathBuf; 2],
    turn: usize,
}

impl NodeRecords {
    /// Writes `count` records into `nodes`, which is created if missing. The events are put beside it.
    pub fn fill(nodes: &Path, count: usize) -> Result<NodeRecords> {
        NodeRecords::fill_with(nodes, count, &|_| Vec::new())
    }

    /// Like `fill`, with tags that depend on the node's number and may replace the usual ones.
    pub fn fill_with(
        nodes: &Path,
        count: usize,
        tags: &dyn Fn(usize) -> Vec<(&'static str, String)>,
    ) -> Result<NodeRecords> {
        let node = |number: usize, weight: &str| node(number, weight, tags(number));
        let numbers: Vec<usize> = (0..count).collect();
        for batch in numbers.chunks(BATCH) {
            let mut directory = NodesDir::lock(nodes, Duration::from_secs(10)).map_err(unfit)?;
            for number in batch {
                directory.put(&node(*number, WEIGHTS[0])).map_err(unfit)?;
            }
            directory.finish().into_iter().next().map_or(Ok(()), |fault| Err(unfit(fault)))?;
        }
        let name = |weight: &str| nodes.with_extension(format!("event-{weight}"));
        let events = WEIGHTS.map(name);
        for (path, weight) in events.iter().zip(WEIGHTS) {
            replace(path, payload(&node(CHANGED, weight)).as_bytes(), 0o600)
                .map_err(system("write", path))?;
        }
        Ok(NodeRecords { nodes: nodes.to_owned(), events, turn: 0 })
    }

    /// The event with which the node announces the other of its two weights.
    pub fn change(&mut self) -> PathBuf {
        self.turn += 1;
        self.events[self.turn % 2].clone()
    }

    /// The event that was returned last.
    pub fn event(&self) -> &Path {
        &self.events[self.turn % 2]
    }
}

/// A node that serves at port 3000, unless `more` sets another.
fn node(number: usize, weight: &str, more: Vec<(&'static str, String)>) -> Node {
    let address = Ipv4Addr::from_bits(FIRST.to_bits() + number as u32).to_string();
    let tags = [("port", "3000"), ("role", "backend"), ("weight", weight)]
        .map(|(key, value)| (key, value.to_owned()));
    let tags: Tags = tags.into_iter().chain(more).map(|(key, value)| (key.to_owned(), value)).collect();
    Node::new(&format!("s{number:05}"), &address, tags).expect("name, address and tags pass the whitelists")
}

/// The line that Serf sends to its handler for a node.
pub fn payload(node: &Node) -> String {
    let tags: Vec<String> = node.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
    format!("{}\t{}\t{}\t{}\n", node.name, node.address, node.role, tags.join(","))
}

fn unfit(err: impl std::fmt::Display) -> Error {
    Error::Unfit(err.to_string())
}
