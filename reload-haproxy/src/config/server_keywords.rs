//! The keywords of `server` and `default-server` lines: whether a value follows, and whether `add server` takes
//! them.
//!
//! A new keyword of HAProxy's goes here. One that is not here is left to a reload. What `add server` takes was
//! tried on HAProxy 2.6.12, 3.0.11 and 3.2.26, and 3.2 prints the same for `add server help`.

use std::collections::HashSet;

/// A keyword.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Keyword {
    pub(crate) takes_value: bool,
    pub(crate) at_runtime: AtRuntime,
}

/// What a keyword means for a server that is added while HAProxy runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AtRuntime {
    /// `add server` takes it since this version.
    Since(u32, u32),
    /// It has no effect on a server with an IP address, and is not sent.
    Ignored,
    /// HAProxy refuses it, or the end is not proven to equal a reload's.
    NeedsReload,
}

/// The first version that can add servers with checks.
const ALWAYS: AtRuntime = AtRuntime::Since(2, 6);

/// What is known of the keyword `name`. An unknown one is taken to have a value: that may hide the next keyword,
/// but a value is never read as a keyword.
pub(crate) fn keyword(name: &str) -> Keyword {
    let (takes_value, at_runtime) = match name {
        "agent-check" | "backup" | "check" | "check-send-proxy" | "check-ssl" | "disabled" | "send-proxy"
        | "send-proxy-v2" | "ssl" | "tfo" => (false, ALWAYS),
        "addr" | "agent-addr" | "agent-inter" | "agent-port" | "agent-send" | "alpn" | "ca-file"
        | "check-alpn" | "check-proto" | "check-sni" | "ciphers" | "ciphersuites" | "crl-file" | "crt"
        | "downinter" | "error-limit" | "fall" | "fastinter" | "inter" | "maxconn" | "maxqueue"
        | "minconn" | "npn" | "observe" | "on-error" | "on-marked-down" | "on-marked-up"
        | "pool-low-conn" | "pool-max-conn" | "pool-purge-delay" | "port" | "proto" | "rise"
        | "slowstart" | "id" | "sni" | "source" | "ssl-max-ver" | "ssl-min-ver" | "track" | "verify"
        | "verifyhost" | "weight" | "ws" => (true, ALWAYS),
        "cookie" | "guid" => (true, AtRuntime::Since(3, 0)),
        "init-state" => (true, AtRuntime::Since(3, 1)),
        // For names that HAProxy resolves.
        "init-addr" => (true, AtRuntime::Ignored),
        _ => (!stands_alone(name), AtRuntime::NeedsReload),
    };
    Keyword { takes_value, at_runtime }
}

/// Whether a keyword that needs a reload takes no value.
fn stands_alone(name: &str) -> bool {
    const ALONE: [&str; 11] = [
        "allow-0rtt",
        "check-reuse-pool",
        "check-via-socks4",
        "enabled",
        "non-stick",
        "renegotiate",
        "send-proxy-v2-ssl",
        "send-proxy-v2-ssl-cn",
        "ssl-reuse",
        "stick",
        "strict-maxconn",
    ];
    const FAMILIES: [&str; 3] = ["force-", "no-", "tls-tickets"];
    ALONE.contains(&name) || FAMILIES.iter().any(|family| name.starts_with(family))
}

/// The first version whose `add server` takes the keyword; `None` if none does.
pub(crate) fn since(name: &str) -> Option<(u32, u32)> {
    match keyword(name).at_runtime {
        AtRuntime::Since(major, minor) => Some((major, minor)),
        AtRuntime::Ignored | AtRuntime::NeedsReload => None,
    }
}

/// The keywords in the answer to `add server help`; `None` if this HAProxy does not list them.
pub(crate) fn listed_keywords(answer: &str) -> Option<HashSet<&str>> {
    let mut lines = answer.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.next().filter(|first| first.starts_with("List of keywords"))?;
    Some(lines.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keyword_has_a_value_unless_it_is_known_to_stand_alone() {
        for name in ["check", "no-check", "ssl", "force-tlsv12", "send-proxy-v2-ssl", "stick"] {
            assert!(!keyword(name).takes_value, "{name}");
        }
        for name in ["inter", "cookie", "resolvers", "unheard-of"] {
            assert!(keyword(name).takes_value, "{name}");
        }
    }

    #[test]
    fn keywords_are_taken_at_run_time_from_their_version_on() {
        assert_eq!(["check", "cookie", "guid"].map(since), [Some((2, 6)), Some((3, 0)), Some((3, 0))]);
        assert_eq!([since("tcp-ut"), since("init-addr"), since("resolvers")], [None; 3]);
    }

    #[test]
    fn the_list_of_keywords_is_read_where_haproxy_prints_one() {
        let listed = listed_keywords("List of keywords supported for dynamic server:\ncheck\nid\n\n");
        assert_eq!(listed, Some(HashSet::from(["check", "id"])));
        assert_eq!(listed_keywords("Require 'backend/server'.\n"), None);
    }
}
