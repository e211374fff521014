//! Nodes to record, render and serve, and the events that announce them.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::node::{Node, Tags};
use common::nodes_directory::NodesDir;
use common::replace::replace;
use harness::{Error, Result, system};

/// A member of the role `backend`, with a weight.
pub fn node(name: &str, address: SocketAddr, weight: usize) -> Node {
    let tags = [
        ("port", address.port().to_string()),
        ("role", "backend".to_owned()),
        ("weight", weight.to_string()),
    ];
    let tags: Tags = tags.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    Node::new(name, &address.ip().to_string(), tags).expect("name, address and tags pass the whitelists")
}

/// This number of nodes, at unused addresses; at most 60,000.
pub fn many(count: usize, weight: usize) -> Vec<Node> {
    let address = |number: usize| {
        let [third, fourth] = [number / 250, number % 250].map(|part| part as u8 + 1);
        SocketAddr::from((Ipv4Addr::new(127, 201, third, fourth), 3000))
    };
    (0..count).map(|number| node(&format!("n{number}"), address(number), weight)).collect()
}

/// Members of the role `balancer`, at unused addresses.
pub fn balancers(names: &[&str]) -> Vec<Node> {
    let tags = || Tags::from([("role".to_owned(), "balancer".to_owned())]);
    let node = |(number, name): (usize, &&str)| Node::new(name, &format!("127.200.2.{}", number + 1), tags());
    names
        .iter()
        .enumerate()
        .map(|named| node(named).expect("names and addresses pass the whitelists"))
        .collect()
}

/// The payload that Serf would send its handler for these nodes.
pub fn event(nodes: &[Node]) -> String {
    let tags = |node: &Node| -> String {
        let pairs: Vec<String> = node.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
        pairs.join(",")
    };
    let line = |node: &Node| format!("{}\t{}\t{}\t{}\n", node.name, node.address, node.role, tags(node));
    nodes.iter().map(line).collect()
}

/// Writes that payload to a file.
pub fn event_file(path: PathBuf, nodes: &[Node]) -> Result<PathBuf> {
    replace(&path, event(nodes).as_bytes(), 0o600).map_err(system("write", path.display()))?;
    Ok(path)
}

/// Makes a nodes directory with these records.
pub fn record(directory: &Path, nodes: &[Node]) -> Result<()> {
    let unfit = |err: &dyn std::fmt::Display| Error::Unfit(err.to_string());
    let mut records = NodesDir::lock(directory, Duration::from_secs(10)).map_err(|err| unfit(&err))?;
    for node in nodes {
        records.put(node).map_err(|err| unfit(&err))?;
    }
    records.finish().first().map_or(Ok(()), |fault| Err(unfit(fault)))
}
