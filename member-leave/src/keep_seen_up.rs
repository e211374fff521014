//! Keeps the records of failed members that HAProxy still finds up.
//!
//! Serf lists a member as failed if it does not answer gossip. If the balancer itself is cut off, all members look
//! failed to it, while they still serve. A file names the members that are seen up by other means than Serf.

use std::collections::HashSet;
use std::net::IpAddr;
use std::path::Path;

use common::failure::{Code, Failure};
use common::members::Member;
use common::node::Node;
use common::regular_file;
use common::serf_list::parse_failed;

/// The names of a million members are smaller.
const FILE_MAX: u64 = 256 << 20;
/// The most names that one message shows.
const SHOWN: usize = 5;

/// The names that are failed in the list `json` and are in `file`, one per line. Fails if the file cannot be read.
pub(crate) fn failed_but_up(json: &[u8], file: &Path) -> Result<HashSet<String>, Failure> {
    let read = regular_file::read(file, FILE_MAX);
    let bytes =
        read.map_err(|err| Failure::new(Code::Files, format!("cannot read '{}': {err}", file.display())))?;
    let up: HashSet<&[u8]> = bytes.split(|byte| *byte == b'\n').filter(|name| !name.is_empty()).collect();
    if up.is_empty() {
        return Ok(HashSet::new());
    }
    Ok(parse_failed(json)?.into_iter().filter(|name| up.contains(name.as_bytes())).collect())
}

/// Where a node serves: its address, and the port that it announces.
pub(crate) type Place<'a> = (IpAddr, Option<&'a str>);

/// Where `node` serves.
pub(crate) fn place(node: &Node) -> Place<'_> {
    (node.address, node.tags.get("port").map(String::as_str))
}

/// Where the live members serve. If one of them has the address and port of a failed member, HAProxy sees that one and
/// not the failed one: a crashed server has come back under a new name.
pub(crate) fn places_in_service(members: &[Member]) -> HashSet<Place<'_>> {
    members.iter().filter_map(|member| member.node.as_ref().ok()).map(place).collect()
}

/// The message about `nodes`, which keep their records. There is at least one.
pub(crate) fn kept_line(nodes: &[&Node]) -> String {
    let names: Vec<&str> = nodes.iter().take(SHOWN).map(|node| node.name.as_str()).collect();
    let more = nodes.len() - names.len();
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    format!("kept {}{more}: failed in Serf, but seen up", names.join(", "))
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
    fn only_a_failed_member_that_is_seen_up_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("up");
        let kept_with = |names: &[u8]| {
            replace(&file, names, 0o600).unwrap();
            let mut kept: Vec<String> = failed_but_up(LIST, &file).unwrap().into_iter().collect();
            kept.sort_unstable();
            kept
        };
        assert_eq!(kept_with(b"s1\ns2\ns4\n"), ["s1"]);
        assert_eq!(kept_with(b"s1\n\ns3"), ["s1", "s3"]);
        assert!(kept_with(b"").is_empty());
    }

    #[test]
    fn a_message_shows_five_names_and_counts_the_rest() {
        let nodes =
            ["a", "b", "c", "d", "e", "f", "g"].map(|name| Node::new(name, "10.0.0.1", Tags::new()).unwrap());
        let nodes: Vec<&Node> = nodes.iter().collect();
        assert_eq!(kept_line(&nodes[..1]), "kept a: failed in Serf, but seen up");
        assert!(kept_line(&nodes).starts_with("kept a, b, c, d, e and 2 more: "));
    }
}
