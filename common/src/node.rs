//! The node record: what one cluster member announced, checked, and its one form in bytes.
//!
//! Serf validates no name, tag or address, so nothing becomes a `Node` without passing the whitelists
//! here. Programs may then use a node's name as a file name, and its address in a configuration line.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::messages::excerpt;

/// Longest name, in bytes.
const NAME_MAX: usize = 128;
/// Longest tag key, in bytes.
const TAG_KEY_MAX: usize = 64;
/// Longest tag value, in bytes. Serf's own senders cannot exceed it; a forged packet can.
const TAG_VALUE_MAX: usize = 512;

/// A node's tags, sorted by key.
pub type Tags = BTreeMap<String, String>;

/// One cluster member that passed the whitelists. The fields stand in the order of the record's keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Node {
    /// Where it is reached; never unspecified, multicast or broadcast.
    pub address: IpAddr,
    /// `[A-Za-z0-9][A-Za-z0-9._-]{0,127}`.
    pub name: String,
    /// The value of its tag `role`, empty if it has none.
    pub role: String,
    /// All its tags, `role` among them if it has one.
    pub tags: Tags,
}

/// Why a member, or a record, is no node. Each case names the field.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum NodeError {
    /// The name is empty, too long, or has a character outside the whitelist.
    #[error("its name {0}")]
    Name(&'static str),
    /// The address (as shown in a line) is no IP address, or none that a server can have.
    #[error("its address '{0}' {1}")]
    Address(String, &'static str),
    /// A tag's key (as shown in a line) breaks the whitelist.
    #[error("its tag key '{0}' {1}")]
    TagKey(String, &'static str),
    /// A tag's value breaks the whitelist.
    #[error("its tag '{0}' {1}")]
    TagValue(String, &'static str),
    /// A record's role differs from its tag `role`.
    #[error("its role differs from its tag 'role'")]
    Role,
    /// A record is not the JSON object that it should be.
    #[error("it is no node record: {0}")]
    Json(String),
}

impl Node {
    /// Checks what a member announced. `address` is text, an IPv4 or bare IPv6 address; `role` is taken
    /// from `tags`.
    pub fn new(name: &str, address: &str, tags: Tags) -> Result<Node, NodeError> {
        check_name(name)?;
        let address = parse_address(address)?;
        for (key, value) in &tags {
            check_tag(key, value)?;
        }
        let role = tags.get("role").cloned().unwrap_or_default();
        Ok(Node { address, name: name.to_owned(), role, tags })
    }

    /// The record's bytes: one JSON object, keys sorted, one newline at the end.
    pub fn pack(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec(self).expect("strings and maps with string keys are always JSON");
        bytes.push(b'\n');
        bytes
    }

    /// Reads a record's bytes, checking everything again: a record may be hand-written.
    pub fn unpack(bytes: &[u8]) -> Result<Node, NodeError> {
        let record: Record<'_> =
            serde_json::from_slice(bytes).map_err(|err| NodeError::Json(err.to_string()))?;
        let node = Node::new(&record.name, &record.address, record.tags)?;
        if node.role != record.role {
            return Err(NodeError::Role);
        }
        Ok(node)
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.address)
    }
}

/// A record as it stands in the file, before it is checked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Record<'a> {
    #[serde(borrow)]
    address: Cow<'a, str>,
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    role: Cow<'a, str>,
    tags: Tags,
}

/// Whether `name` may be a node's name, and so a file's: `[A-Za-z0-9][A-Za-z0-9._-]{0,127}`.
pub fn check_name(name: &str) -> Result<(), NodeError> {
    let bytes = name.as_bytes();
    match bytes.first() {
        None => return Err(NodeError::Name("is empty")),
        Some(first) if !first.is_ascii_alphanumeric() => {
            return Err(NodeError::Name("does not begin with a letter or digit"));
        }
        Some(_) => {}
    }
    if bytes.len() > NAME_MAX {
        return Err(NodeError::Name("is longer than 128 bytes"));
    }
    if !bytes.iter().all(|&b| is_token_byte(b)) {
        return Err(NodeError::Name("has a character other than letters, digits, '.', '_' and '-'"));
    }
    Ok(())
}

/// Reads an address as an IPv4 or IPv6 one that a server can have; IPv4-mapped IPv6 becomes IPv4.
fn parse_address(text: &str) -> Result<IpAddr, NodeError> {
    let refuse = |why| NodeError::Address(excerpt(text.as_bytes()).to_string(), why);
    let address: IpAddr = text.parse().map_err(|_| refuse("is no IP address"))?;
    let address = address.to_canonical();
    if address.is_unspecified() {
        return Err(refuse("is the unspecified address"));
    }
    if address.is_multicast() {
        return Err(refuse("is a multicast address"));
    }
    if matches!(address, IpAddr::V4(v4) if v4.is_broadcast()) {
        return Err(refuse("is the broadcast address"));
    }
    Ok(address)
}

/// Whether a tag is fit for a record: key `[A-Za-z0-9_.-]{1,64}`, value at most 512 bytes without
/// control characters.
fn check_tag(key: &str, value: &str) -> Result<(), NodeError> {
    let refuse_key = |why| Err(NodeError::TagKey(excerpt(key.as_bytes()).to_string(), why));
    let refuse_value = |why| Err(NodeError::TagValue(key.to_owned(), why));
    if key.is_empty() {
        return refuse_key("is empty");
    }
    if key.len() > TAG_KEY_MAX {
        return refuse_key("is longer than 64 bytes");
    }
    if !key.bytes().all(is_token_byte) {
        return refuse_key("has a character other than letters, digits, '.', '_' and '-'");
    }
    if value.len() > TAG_VALUE_MAX {
        return refuse_value("is longer than 512 bytes");
    }
    if value.chars().any(char::is_control) {
        return refuse_value("has a control character");
    }
    Ok(())
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(pairs: &[(&str, &str)]) -> Tags {
        pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect()
    }

    #[test]
    fn a_record_has_sorted_keys_and_one_newline() {
        let node = Node::new("s1", "172.18.0.3", tags(&[("role", "backend"), ("port", "3000")])).unwrap();
        assert_eq!(
            String::from_utf8(node.pack()).unwrap(),
            "{\"address\":\"172.18.0.3\",\"name\":\"s1\",\"role\":\"backend\",\
             \"tags\":{\"port\":\"3000\",\"role\":\"backend\"}}\n"
        );
    }

    #[test]
    fn what_is_packed_unpacks_to_the_same_node() {
        let node = Node::new("w6", "fd00::11", tags(&[("k", "a=b,\"c\" ☃"), ("role", "web")])).unwrap();
        assert_eq!(Node::unpack(&node.pack()), Ok(node));
    }

    #[test]
    fn names_outside_the_whitelist_are_refused() {
        let long = "a".repeat(129);
        for name in ["", "../x", "-rf", ".", "..", "a\"b", "a b", "a&b", "$(id)", "ünï", "a/b", "a\0b", &long]
        {
            assert!(matches!(Node::new(name, "10.0.0.1", Tags::new()), Err(NodeError::Name(_))), "{name:?}");
        }
        assert!(check_name(&"a".repeat(128)).is_ok());
    }

    #[test]
    fn addresses_that_no_server_can_have_are_refused() {
        for address in
            ["", "<nil>", "?616263", "0.0.0.0", "::", "224.0.0.1", "ff02::1", "255.255.255.255", "127.1", "h"]
                .into_iter()
                .chain(["::ffff:0.0.0.0", "::ffff:224.0.0.1", "[fd00::1]", "10.0.0.1:80", "fe80::1%eth0"])
        {
            let node = Node::new("s1", address, Tags::new());
            assert!(matches!(node, Err(NodeError::Address(..))), "{address:?}");
        }
    }

    #[test]
    fn an_address_is_reprinted_in_its_canonical_form() {
        let reprinted = |text| Node::new("s1", text, Tags::new()).unwrap().address.to_string();
        assert_eq!(reprinted("FD00:0:0::11"), "fd00::11");
        assert_eq!(reprinted("::ffff:10.0.0.1"), "10.0.0.1");
    }

    #[test]
    fn tags_outside_the_whitelist_are_refused() {
        assert!(check_tag("", "v").is_err());
        assert!(check_tag("a b", "v").is_err());
        assert!(check_tag(&"k".repeat(65), "v").is_err());
        assert!(check_tag("k", &"v".repeat(513)).is_err());
        assert!(check_tag("k", "a\r").is_err());
        assert!(check_tag("k", "\u{85}").is_err());
        assert!(check_tag(&"k".repeat(64), &"v".repeat(512)).is_ok());
    }

    #[test]
    fn a_record_that_lies_about_itself_is_refused() {
        let unpack = |text: &str| Node::unpack(text.as_bytes());
        let role = r#"{"address":"10.0.0.1","name":"s1","role":"x","tags":{}}"#;
        assert_eq!(unpack(role), Err(NodeError::Role));
        let extra = r#"{"address":"10.0.0.1","name":"s1","role":"","tags":{},"port":1}"#;
        assert!(matches!(unpack(extra), Err(NodeError::Json(_))));
        let name = r#"{"address":"10.0.0.1","name":"../s1","role":"","tags":{}}"#;
        assert!(matches!(unpack(name), Err(NodeError::Name(_))));
    }
}
