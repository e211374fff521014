//! Who serves although Serf has lost sight of him: such a record stays.
//!
//! Serf calls a member failed that does not answer its gossip. If it is the balancer that is cut off, that is true of
//! all of them, while they go on serving. Whoever sees them serve, by other ways than Serf, says so in a file.

use std::collections::HashSet;
use std::net::IpAddr;
use std::path::Path;

use common::failure::{Code, Failure};
use common::members::{Member, parse_failed};
use common::node::Node;
use common::regular_file;

/// A million names take less.
const FILE_MAX: u64 = 256 << 20;
/// So many names are enough for a line.
const SHOWN: usize = 5;

/// The names in the list `json` that failed and stand in `file`, one on a line. Fails if the file cannot be read.
pub(crate) fn kept(json: &[u8], file: &Path) -> Result<HashSet<String>, Failure> {
    let read = regular_file::read(file, FILE_MAX);
    let bytes =
        read.map_err(|err| Failure::new(Code::Files, format!("cannot read '{}': {err}", file.display())))?;
    let serving: HashSet<&[u8]> =
        bytes.split(|byte| *byte == b'\n').filter(|name| !name.is_empty()).collect();
    if serving.is_empty() {
        return Ok(HashSet::new());
    }
    Ok(parse_failed(json)?.into_iter().filter(|name| serving.contains(name.as_bytes())).collect())
}

/// Where a node is: its address, and the port that it announces.
pub(crate) type Place<'a> = (IpAddr, Option<&'a str>);

/// Where `node` is.
pub(crate) fn place(node: &Node) -> Place<'_> {
    (node.address, node.tags.get("port").map(String::as_str))
}

/// Where the members in service are. Who failed in such a place is not the one that is seen to serve there: a crashed
/// server that came back under another name is.
pub(crate) fn taken(members: &[Member]) -> HashSet<Place<'_>> {
    members.iter().filter_map(|member| member.node.as_ref().ok()).map(place).collect()
}

/// Says whose records stay; at least one does.
pub(crate) fn told(nodes: &[&Node]) -> String {
    let names: Vec<&str> = nodes.iter().take(SHOWN).map(|node| node.name.as_str()).collect();
    let more = nodes.len() - names.len();
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    format!("kept {}{more}: failed in Serf, but seen to serve", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::node::Tags;
    use common::replace::replace;

    const LIST: &[u8] = br#"{"members":[
        {"name":"s1","addr":"10.0.0.1:1","tags":{},"status":"failed"},
        {"name":"s2","addr":"10.0.0.2:1","tags":{},"status":"left"},
        {"name":"s3","addr":"10.0.0.3:1","tags":{},"status":"failed"}]}"#;

    #[test]
    fn only_one_that_failed_and_is_seen_to_serve_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("up");
        let kept_with = |names: &[u8]| {
            replace(&file, names, 0o600).unwrap();
            let mut kept: Vec<String> = kept(LIST, &file).unwrap().into_iter().collect();
            kept.sort_unstable();
            kept
        };
        assert_eq!(kept_with(b"s1\ns2\ns4\n"), ["s1"]);
        assert_eq!(kept_with(b"s1\n\ns3"), ["s1", "s3"]);
        assert!(kept_with(b"").is_empty());
    }

    #[test]
    fn many_names_are_counted() {
        let nodes =
            ["a", "b", "c", "d", "e", "f", "g"].map(|name| Node::new(name, "10.0.0.1", Tags::new()).unwrap());
        let nodes: Vec<&Node> = nodes.iter().collect();
        assert_eq!(told(&nodes[..1]), "kept a: failed in Serf, but seen to serve");
        assert!(told(&nodes).starts_with("kept a, b, c, d, e and 2 more: "));
    }
}
