//! The settings of a service: each key, and what its value must be. The manual has the same list.

use super::shape::Shape;
use crate::values::kinds::{BALANCE, BIND, HOST, Kind, NAME, TIME, URI};

/// A name of a service, which is also that of its backend.
pub(super) const SERVICE_NAME: Kind = Kind {
    name: "service",
    is: is_service_name,
    wanted: "a name of at most 64 letters, digits, '_' and '-' that begins with a letter or digit, other than the \
             template's own: web, stats, balancers, client_rates, acme_challenges, backend, frontend",
};
/// The key of a tag.
const TAG: Kind =
    Kind { name: "tag", is: |text| !text.is_empty() && text.len() <= 255, wanted: "the key of a tag" };
/// The value of a tag.
const TAG_VALUE: Kind = Kind { name: "tag", is: |_| true, wanted: "text: quote it" };
/// A host of requests.
const HOST_PATTERN: Kind = Kind {
    name: "host",
    is: is_host_pattern,
    wanted: "a host name without a port, such as 'shop.example.org' or '*.example.org'",
};
/// The beginning of requests' paths.
const PREFIX: Kind = Kind {
    name: "path",
    is: |text| (URI.is)(text) && !text.contains(['?', '#']),
    wanted: "a path that begins with '/' and has no blanks, '?' and '#'",
};
/// The name of a header.
const HEADER: Kind = Kind { name: "header", is: is_header, wanted: "the name of a header" };
/// The value of a header.
const HEADER_VALUE: Kind = Kind {
    name: "header",
    is: |text| !text.is_empty() && !text.contains(char::is_control),
    wanted: "text for a header, on one line: quote it",
};

/// The name of a header as an argument of HAProxy's functions.
const PLAIN_HEADER: Kind = Kind {
    name: "header",
    is: |text| {
        is_header(text) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
    },
    wanted: "the name of a header of letters, digits, '_' and '-'",
};

/// Names of the template's own sections. From 3.3 on HAProxy rejects a backend with the name of a frontend.
/// Those of guids are reserved, too.
const OWN_NAMES: [&str; 7] =
    ["web", "stats", "balancers", "client_rates", "acme_challenges", "backend", "frontend"];

/// The settings that only a service with `mode: http` has.
pub(super) const OF_HTTP: [&str; 7] =
    ["paths", "cookie", "rate_limit", "request_headers", "response_headers", "prefer", "zone_min"];
/// The settings that only a service with `mode: tcp` has.
pub(super) const OF_TCP: [&str; 3] = ["bind", "sticky", "shutdown_sessions"];
/// The checks that only a service with `mode: tcp` has.
pub(super) const CHECKS_OF_TCP: [&str; 5] = ["postgresql", "mysql", "redis", "redis-master", "redis-replica"];

/// A service.
pub(super) const SERVICE: Shape = Shape::Table(&[
    ("mode", Shape::Word(&["http", "tcp"])),
    // Its nodes.
    ("role", Shape::Text(&NAME)),
    ("tags", Shape::Map(&TAG, &Shape::Text(&TAG_VALUE))),
    ("port", Shape::Port),
    ("port_tag", Shape::Text(&TAG)),
    // Its requests.
    ("bind", Shape::Text(&BIND)),
    ("hosts", Shape::List(&Shape::Text(&HOST_PATTERN))),
    ("paths", Shape::List(&Shape::Text(&PREFIX))),
    ("rate_limit", Shape::Number(1, i32::MAX as u64)),
    ("request_headers", Shape::Map(&HEADER, &Shape::OrOff(&Shape::Text(&HEADER_VALUE)))),
    ("response_headers", Shape::Map(&HEADER, &Shape::OrOff(&Shape::Text(&HEADER_VALUE)))),
    // How they are spread.
    ("balance", Shape::Text(&BALANCE)),
    ("cookie", Shape::OrOff(&Shape::Text(&NAME))),
    ("sticky", Shape::Word(&["source"])),
    ("maxconn", Shape::Number(1, 1_000_000)),
    ("slowstart", Shape::Text(&TIME)),
    ("zone_min", Shape::Number(2, 10_000)),
    // How the versions of a program share them.
    ("versions", Shape::Map(&NAME, &Shape::Number(0, 1_000_000))),
    ("prefer", Shape::Table(&[("header", Shape::Text(&PLAIN_HEADER)), ("cookie", Shape::Text(&NAME))])),
    // How its servers are checked, and what happens when one is down.
    ("check", Shape::Word(&["http", "tcp", "postgresql", "mysql", "redis", "redis-master", "redis-replica"])),
    ("check_path", Shape::Text(&URI)),
    ("check_host", Shape::Text(&HOST)),
    ("check_method", Shape::Word(&["GET", "HEAD", "OPTIONS"])),
    ("check_port", Shape::Port),
    ("check_user", Shape::Text(&NAME)),
    ("shutdown_sessions", Shape::Flag),
    ("retries", Shape::Number(0, 100)),
    (
        "timeouts",
        Shape::Table(&[
            ("connect", Shape::Text(&TIME)),
            ("queue", Shape::Text(&TIME)),
            ("server", Shape::Text(&TIME)),
            ("tunnel", Shape::Text(&TIME)),
            ("check", Shape::Text(&TIME)),
            ("client", Shape::Text(&TIME)),
        ]),
    ),
]);

fn is_service_name(text: &str) -> bool {
    let is_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    let begins = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    begins && text.len() <= 64 && text.bytes().all(is_byte) && !OWN_NAMES.contains(&text)
}

fn is_host_pattern(text: &str) -> bool {
    let host = text.strip_prefix("*.").unwrap_or(text);
    let has_port = host.contains(':') && !(host.starts_with('[') && host.ends_with(']'));
    (HOST.is)(host) && !has_port
}

/// A token of RFC 9110.
fn is_header(text: &str) -> bool {
    let is_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_patterns_are_told_from_others() {
        for (kind, good, bad) in [
            (
                &SERVICE_NAME,
                &["shop", "api-2", "a_b"][..],
                &["", "a.b", "a b", "a:b", "-f", "web", "client_rates", "backend"][..],
            ),
            (
                &HOST_PATTERN,
                &["shop.example.org", "*.example.org", "localhost", "[::1]", "10.0.0.1", "x.org."],
                &["", "*", "a:80", "*.", "a b", "a/b", "*.*.org", "::1:80"],
            ),
            (&PREFIX, &["/", "/api", "/a/b/", "/.well-known"], &["", "api", "/a b", "/a?x", "/a#x"]),
            (&HEADER, &["X-Forwarded-For", "x"], &["", "a b", "a:", "\u{e9}"]),
            (&HEADER_VALUE, &["max-age=1; x", "%[src]"], &["", "a\nb", "a\tb"]),
            (&PLAIN_HEADER, &["X-Version"], &["", "a'b", "a%b"]),
        ] {
            for text in good {
                assert!((kind.is)(text), "{} {text}", kind.name);
            }
            for text in bad {
                assert!(!(kind.is)(text), "{} {text}", kind.name);
            }
        }
    }
}
