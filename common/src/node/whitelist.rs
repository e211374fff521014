//! The whitelists for names, addresses and tags.

use std::net::IpAddr;

use super::NodeError;
use crate::messages::excerpt;

/// Longest name, in bytes.
pub(crate) const NAME_MAX: usize = 128;
/// Longest tag key, in bytes.
const TAG_KEY_MAX: usize = 64;
/// Longest tag value, in bytes. Serf's own senders cannot exceed it; a forged packet can.
pub(crate) const TAG_VALUE_MAX: usize = 512;

/// Checks that `name` may be the name of a node, and so of a file: `[A-Za-z0-9][A-Za-z0-9._-]{0,127}`.
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

/// Parses an IPv4 or IPv6 address that a server can have; IPv4-mapped IPv6 becomes IPv4.
pub(super) fn parse_address(text: &str) -> Result<IpAddr, NodeError> {
    let refuse = |why| NodeError::Address(excerpt(text.as_bytes()).to_string(), why);
    let address: IpAddr = text.parse().map_err(|_| refuse("is not an IP address"))?;
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

/// Checks a tag: key `[A-Za-z0-9_.-]{1,64}`, value at most 512 bytes without
/// control characters.
pub(crate) fn check_tag(key: &str, value: &str) -> Result<(), NodeError> {
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

pub(crate) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::{Node, Tags};

    #[test]
    fn names_outside_the_whitelist_are_rejected() {
        let long = "a".repeat(129);
        for name in ["", "../x", "-rf", ".", "..", "a\"b", "a b", "a&b", "$(id)", "ünï", "a/b", "a\0b", &long]
        {
            assert!(matches!(Node::new(name, "10.0.0.1", Tags::new()), Err(NodeError::Name(_))), "{name:?}");
        }
        assert!(check_name(&"a".repeat(128)).is_ok());
    }

    #[test]
    fn addresses_that_no_server_can_have_are_rejected() {
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
    fn tags_outside_the_whitelist_are_rejected() {
        assert!(check_tag("", "v").is_err());
        assert!(check_tag("a b", "v").is_err());
        assert!(check_tag(&"k".repeat(65), "v").is_err());
        assert!(check_tag("k", &"v".repeat(513)).is_err());
        assert!(check_tag("k", "a\r").is_err());
        assert!(check_tag("k", "\u{85}").is_err());
        assert!(check_tag(&"k".repeat(64), &"v".repeat(512)).is_ok());
    }
}
