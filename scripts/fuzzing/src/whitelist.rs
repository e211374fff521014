//! The whitelists of a node, implemented independently: a value that breaks one must never be in a record.

use std::net::IpAddr;

use common::node::Node;

/// Panics if a node breaks a whitelist.
pub(crate) fn check(node: &Node) {
    assert!(is_token(&node.name, 128), "name {:?}", node.name);
    assert!(node.name.as_bytes()[0].is_ascii_alphanumeric(), "name {:?}", node.name);
    assert!(can_have_a_server(node.address), "address {}", node.address);
    for (key, value) in node.tags.iter() {
        assert!(is_token(key, 64), "tag key {key:?}");
        assert!(value.len() <= 512 && !value.chars().any(char::is_control), "tag {key} is {value:?}");
    }
    let role = node.tags.get("role").map_or("", String::as_str);
    assert_eq!(node.role, role, "its role is that of its tags");
}

/// Panics if an error message is empty. Foreign text in it is made harmless where it is printed.
pub(crate) fn check_error(error: &impl std::fmt::Display) {
    assert!(!error.to_string().is_empty());
}

fn is_token(text: &str, most: usize) -> bool {
    let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=most).contains(&text.len()) && text.bytes().all(is_fit)
}

fn can_have_a_server(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !matches!(v4.octets(), [0, 0, 0, 0] | [255, 255, 255, 255] | [224..=239, ..]),
        IpAddr::V6(v6) => !v6.is_unspecified() && v6.octets()[0] != 0xff && v6.to_ipv4_mapped().is_none(),
    }
}
