//! Addresses as HAProxy reads them in `bind` and `log`. HAProxy expands `${NAME}` there. The result is not known here,
//! so such a value is refused.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::numbers::parse_port;
use super::words::is_one_word;

/// Prefixes of an address to listen on.
const LISTENERS: [&str; 5] = ["ipv4@", "ipv6@", "tcp@", "tcp4@", "tcp6@"];
/// Prefixes of an address to which a log can also be sent.
const LOGS: [&str; 3] = ["udp@", "udp4@", "udp6@"];
/// Prefixes of the path of a socket: any kind, and streams.
const SOCKETS: [&str; 2] = ["unix@", "uxst@"];

/// Whether a byte may be printed without an escape in an address.
pub(super) fn is_address_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_.:/@,+=~-[]*".contains(&byte)
}

/// A list of addresses to listen on, separated by commas: each has a port or a range, or is a socket.
pub(super) fn is_bind(text: &str) -> bool {
    !text.is_empty() && text.split(',').all(|part| is_socket(part) || is_listener(part))
}

/// A place for the log: a standard stream, a ring, a socket, or an address with a port or without.
pub(super) fn is_log_target(text: &str) -> bool {
    let ring = text.strip_prefix("ring@").is_some_and(|name| is_one_word(name) && is_plain(name));
    let datagrams = text.strip_prefix("uxdg@").is_some_and(is_socket_path);
    let host = without_prefix(text, LISTENERS.iter().chain(&LOGS));
    matches!(text, "stdout" | "stderr") || ring || datagrams || is_socket(text) || is_host(host)
}

/// A host name or an IP address, with a port or without.
pub(super) fn is_host(text: &str) -> bool {
    let host = |text: &str| is_address(text) || is_host_name(text);
    host(text) || text.rsplit_once(':').is_some_and(|(name, port)| host(name) && parse_port(port).is_some())
}

/// A Unix socket, an abstract one, or a file descriptor.
fn is_socket(text: &str) -> bool {
    let number = text.strip_prefix("fd@").or_else(|| text.strip_prefix("sockpair@"));
    is_socket_path(without_prefix(text, &SOCKETS))
        || text.strip_prefix("abns@").is_some_and(|name| !name.is_empty() && is_plain(name))
        || number
            .is_some_and(|number| number.parse::<u16>().is_ok() && number.bytes().all(|b| b.is_ascii_digit()))
}

fn is_socket_path(text: &str) -> bool {
    text.starts_with('/') && is_plain(text)
}

fn without_prefix<'t, 'p>(text: &'t str, prefixes: impl IntoIterator<Item = &'p &'static str>) -> &'t str {
    prefixes.into_iter().find_map(|prefix| text.strip_prefix(prefix)).unwrap_or(text)
}

fn is_plain(text: &str) -> bool {
    is_one_word(text) && !text.contains(['$', '"', '\'', '\\', '#'])
}

/// `HOST:PORT` or `HOST:FROM-TO`. An empty host, `*` and `0` are all IPv4 addresses, `::` is all IPv6 addresses.
fn is_listener(text: &str) -> bool {
    let Some((host, ports)) = without_prefix(text, &LISTENERS).rsplit_once(':') else { return false };
    let is_range =
        |(from, to): (&str, &str)| parse_port(from).zip(parse_port(to)).is_some_and(|(from, to)| from <= to);
    let has_ports = parse_port(ports).is_some() || ports.split_once('-').is_some_and(is_range);
    has_ports && (matches!(host, "" | "*" | "0") || is_address(host) || is_host_name(host))
}

fn is_address(text: &str) -> bool {
    let inside = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    inside.unwrap_or(text).parse::<Ipv6Addr>().is_ok() || text.parse::<Ipv4Addr>().is_ok()
}

fn is_host_name(text: &str) -> bool {
    let is_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    // Without a letter it is a mistyped IPv4 address.
    !text.starts_with('-') && text.bytes().all(is_byte) && text.bytes().any(|byte| byte.is_ascii_alphabetic())
}
