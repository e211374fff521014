//! A node: what one cluster member announced, checked.
//!
//! Serf validates no name, tag or address, so nothing becomes a `Node` without passing the whitelists. Programs may
//! then use its name as a file name, and its address in a configuration line.

mod record;
mod whitelist;

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use serde::Serialize;
use thiserror::Error;

pub(crate) use record::Unpacker;
pub use whitelist::check_name;
use whitelist::parse_address;
pub(crate) use whitelist::{NAME_MAX, TAG_VALUE_MAX, check_tag, is_token_byte};

/// A node's tags, sorted by key.
pub type Tags = BTreeMap<String, String>;

/// One cluster member that passed the whitelists. The fields are in the order of the record's keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Node {
    /// The address of its server; never unspecified, multicast or broadcast.
    pub address: IpAddr,
    /// `[A-Za-z0-9][A-Za-z0-9._-]{0,127}`.
    pub name: String,
    /// The value of its tag `role`, empty if it has none.
    pub role: String,
    /// All its tags, `role` among them if it has one.
    pub tags: Arc<Tags>,
}

/// Why a member or a record is not a valid node. Each case names the field.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum NodeError {
    /// The name is empty, too long, or has a character outside the whitelist.
    #[error("its name {0}")]
    Name(&'static str),
    /// The address (as shown in a line) is not an IP address, or not one that a server can have.
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
    /// A record is not a JSON object with exactly the fields of a node.
    #[error("it is not a node record: {0}")]
    Json(String),
}

impl Node {
    /// Checks what a member announced. `address` is text, an IPv4 or bare IPv6 address; `role` is taken
    /// from `tags`.
    pub fn new(name: &str, address: &str, tags: Tags) -> Result<Node, NodeError> {
        let node = Node::with_checked_tags(name, address, Arc::new(tags))?;
        node.tags.iter().try_for_each(|(key, value)| check_tag(key, value))?;
        Ok(node)
    }

    fn with_checked_tags(name: &str, address: &str, tags: Arc<Tags>) -> Result<Node, NodeError> {
        check_name(name)?;
        let address = parse_address(address)?;
        let role = tags.get("role").cloned().unwrap_or_default();
        Ok(Node { address, name: name.to_owned(), role, tags })
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_reprinted_in_its_canonical_form() {
        let reprinted = |text| Node::new("s1", text, Tags::new()).unwrap().address.to_string();
        assert_eq!(reprinted("FD00:0:0::11"), "fd00::11");
        assert_eq!(reprinted("::ffff:10.0.0.1"), "10.0.0.1");
    }
}
