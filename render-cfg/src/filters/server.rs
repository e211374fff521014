//! The tags that decide how a node is served. They are parsed strictly: a node with an invalid tag is left out and
//! reported, because a wrong port that HAProxy accepts would cost requests.

use std::fmt::{self, Display};
use std::net::{IpAddr, SocketAddr};

use common::messages::excerpt;

use crate::values::parse_port;

/// The highest weight that HAProxy accepts.
const WEIGHT_MAX: u32 = 256;
/// No server has more connections at once; a larger number is a mistake.
const MAXCONN_MAX: u32 = 1_000_000;

/// The values of a `server` line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Server {
    /// Address and port.
    pub(crate) endpoint: SocketAddr,
    /// Its share of the requests, if it has this tag.
    pub(crate) weight: Option<u32>,
    /// Its connection limit, if it has this tag.
    pub(crate) maxconn: Option<u32>,
    /// Whether it serves only when no other server is up.
    pub(crate) backup: bool,
    /// Whether it keeps its sessions and gets no new ones.
    pub(crate) drain: bool,
}

/// A tag with an invalid value.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    tag: String,
    value: String,
    wanted: &'static str,
}

impl Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Problem { tag, value, wanted } = self;
        write!(f, "its tag '{tag}' is '{}', not {wanted}", excerpt(value.as_bytes()))
    }
}

impl Server {
    /// Parses a node's tags. `tag` returns a tag's value by its key. `port` is the key of the tag with the port, and
    /// its value; without a value, `default_port` is used.
    pub(crate) fn read<'t>(
        address: IpAddr,
        port: (&str, Option<&str>),
        default_port: u16,
        tag: impl Fn(&'static str) -> Option<&'t str>,
    ) -> Result<Server, Problem> {
        let port = read(port.0, port.1, "1 to 65535", parse_port)?.unwrap_or(default_port);
        let number = |key, wanted, least, most| read(key, tag(key), wanted, |v| parse_number(v, least, most));
        Ok(Server {
            endpoint: SocketAddr::new(address, port),
            weight: number("weight", "0 to 256", 0, WEIGHT_MAX)?,
            maxconn: number("maxconn", "1 to 1000000", 1, MAXCONN_MAX)?,
            backup: read("backup", tag("backup"), "true or false", parse_bool)?.unwrap_or(false),
            drain: read("state", tag("state"), "'drain' or 'ready'", parse_drain)?.unwrap_or(false),
        })
    }
}

/// Parses one tag, if the node has it.
fn read<T>(
    tag: &str,
    value: Option<&str>,
    wanted: &'static str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, Problem> {
    let problem = |value: &str| Problem { tag: tag.to_owned(), value: value.to_owned(), wanted };
    value.map(|value| parse(value).ok_or_else(|| problem(value))).transpose()
}

fn parse_number(text: &str, least: u32, most: u32) -> Option<u32> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| digits)?;
    (least..=most).contains(&number).then_some(number)
}

fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "true" | "yes" | "1" => Some(true),
        "false" | "no" | "0" => Some(false),
        _ => None,
    }
}

/// Parses HAProxy's name for a server's state. Only an operator may set the third state, `maint`.
fn parse_drain(text: &str) -> Option<bool> {
    match text {
        "drain" => Some(true),
        "ready" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(tags: &[(&str, &'static str)]) -> Result<Server, String> {
        let tag = |key: &str| tags.iter().find(|(k, _)| *k == key).map(|(_, v)| *v);
        Server::read(IpAddr::from([10, 0, 0, 1]), ("port", tag("port")), 3000, tag)
            .map_err(|problem| problem.to_string())
    }

    #[test]
    fn without_tags_a_server_has_only_the_default_port() {
        let server = read(&[]).unwrap();
        assert_eq!(server.endpoint.to_string(), "10.0.0.1:3000");
        assert_eq!((server.weight, server.maxconn, server.backup, server.drain), (None, None, false, false));
    }

    #[test]
    fn tags_are_parsed() {
        let tags =
            [("port", "80"), ("weight", "0"), ("maxconn", "50"), ("backup", "yes"), ("state", "drain")];
        let server = read(&tags).unwrap();
        assert_eq!(server.endpoint.port(), 80);
        assert_eq!(
            (server.weight, server.maxconn, server.backup, server.drain),
            (Some(0), Some(50), true, true)
        );
    }

    #[test]
    fn an_invalid_tag_is_reported_with_its_value_and_the_valid_ones() {
        assert_eq!(read(&[("port", "0")]).unwrap_err(), "its tag 'port' is '0', not 1 to 65535");
        assert_eq!(
            read(&[("state", "down")]).unwrap_err(),
            "its tag 'state' is 'down', not 'drain' or 'ready'"
        );
        for (key, value) in [
            ("port", "65536"),
            ("port", "+80"),
            ("port", ""),
            ("port", "80 weight 5"),
            ("port", "-70000"),
            ("weight", "257"),
            ("weight", "1x"),
            ("maxconn", "0"),
            ("maxconn", "99999999999"),
            ("backup", "maybe"),
            ("state", ""),
        ] {
            assert!(read(&[(key, value)]).is_err(), "{key}={value}");
        }
    }
}
