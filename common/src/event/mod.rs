//! Serf's event payload: what a handler gets on stdin, one member per line.
//!
//! A line is `NAME<tab>ADDRESS<tab>ROLE<tab>TAGS<newline>`, and fields may be empty. Serf (cmd/serf/command/
//! agent/invoke.go, 0.8 to 0.10) escapes tabs and newlines, but not `,` and `=` in TAGS. So TAGS is ambiguous and ROLE
//! is not: ROLE takes precedence.

mod tags;
pub mod verdict;

use thiserror::Error;

use crate::failure::{Code, Fault};
use crate::messages::excerpt;
use crate::node::{Node, NodeError, check_name};

use tags::parse_tags;

/// The longest line. Every member that passes the whitelists has a shorter one: Serf's tags have at most 512 bytes. A
/// forged line may have millions.
const LINE_MAX: usize = 16 * 1024;

/// Why a line of the payload is not a member.
#[derive(Debug, Error)]
pub enum EventError {
    /// It does not have four fields.
    #[error("cannot read line {line} of the event: it has {fields} tab-separated fields, not 4")]
    Fields {
        /// Counted from 1.
        line: usize,
        /// How many it has.
        fields: usize,
    },
    /// It is longer than the line of any valid member.
    #[error("cannot record '{}' of line {line}: the line is longer than {LINE_MAX} bytes", excerpt(.name))]
    Long {
        /// Counted from 1.
        line: usize,
        /// The first field.
        name: Vec<u8>,
    },
    /// It is not UTF-8.
    #[error("cannot record '{}' of line {line}: the line is not UTF-8", excerpt(.name))]
    Encoding {
        /// Counted from 1.
        line: usize,
        /// The first field.
        name: Vec<u8>,
    },
    /// A field breaks the whitelist.
    #[error("cannot record '{}' of line {line}: {err}", excerpt(.name.as_bytes()))]
    Member {
        /// Counted from 1.
        line: usize,
        /// The first field.
        name: String,
        /// Which field, and why.
        err: NodeError,
    },
}

impl Fault for EventError {
    fn code(&self) -> Code {
        Code::Input
    }
}

/// Parses a payload: for each line a node or an error.
pub fn nodes(payload: &[u8]) -> impl Iterator<Item = Result<Node, EventError>> + '_ {
    lines(payload).map(|(line, bytes)| parse_line(line, bytes))
}

/// Parses only the names in a payload: a member that leaves need not have a valid address or valid tags.
pub fn names(payload: &[u8]) -> impl Iterator<Item = Result<&str, EventError>> {
    lines(payload).map(|(line, bytes)| {
        let [name, ..] = fields(line, bytes)?;
        check_name(name).map_err(|err| member_error(line, name, err))?;
        Ok(name)
    })
}

/// The lines of a payload, counted from 1. Bytes after the last newline are a line that was cut off, and are ignored.
fn lines(payload: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let whole = payload.iter().rposition(|&b| b == b'\n').map_or(0, |end| end + 1);
    let lines = payload[..whole].split_inclusive(|&b| b == b'\n');
    lines.enumerate().map(|(index, line)| (index + 1, &line[..line.len() - 1]))
}

fn parse_line(line: usize, bytes: &[u8]) -> Result<Node, EventError> {
    let [name, address, role, tags] = fields(line, bytes)?;
    let tags = parse_tags(role, tags);
    tags.and_then(|tags| Node::new(name, address, tags)).map_err(|err| member_error(line, name, err))
}

fn member_error(line: usize, name: &str, err: NodeError) -> EventError {
    EventError::Member { line, name: name.to_owned(), err }
}

/// Splits a line at its tabs, keeping empty fields.
fn fields(line: usize, bytes: &[u8]) -> Result<[&str; 4], EventError> {
    let beginning = &bytes[..bytes.len().min(LINE_MAX)];
    let name = || beginning.split(|&b| b == b'\t').next().unwrap_or_default().to_vec();
    if bytes.len() > LINE_MAX {
        return Err(EventError::Long { line, name: name() });
    }
    let text = std::str::from_utf8(bytes).map_err(|_| EventError::Encoding { line, name: name() })?;
    let fields: Vec<&str> = text.split('\t').collect();
    <[&str; 4]>::try_from(fields).map_err(|fields| EventError::Fields { line, fields: fields.len() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixture(name: &str) -> Vec<u8> {
        let path = format!("{}/tests/fixtures/serf/{name}", env!("CARGO_MANIFEST_DIR"));
        std::fs::read(path).unwrap()
    }

    fn good(payload: &[u8]) -> Vec<Node> {
        nodes(payload).filter_map(Result::ok).collect()
    }

    fn good_names(name: &str) -> Vec<String> {
        good(&fixture(name)).into_iter().map(|node| node.name).collect()
    }

    fn errors(name: &str) -> Vec<String> {
        nodes(&fixture(name)).filter_map(Result::err).map(|err| err.to_string()).collect()
    }

    #[test]
    fn a_real_join_gives_its_nodes_with_all_tags() {
        let nodes = good(&fixture("01-member-join-two.in"));
        assert_eq!(nodes.len(), 2);
        assert_eq!(nodes[0].tags["weird-name.x"], "1 2");
        assert_eq!((nodes[1].name.as_str(), nodes[1].role.as_str()), ("web-1", "web"));
        assert_eq!(nodes[1].tags["port"], "8080");
        assert_eq!(good(&fixture("10-join-many.in")).len(), 30);
    }

    #[test]
    fn empty_fields_are_kept_in_their_place() {
        let nodes = good(&fixture("11-update-no-tags.in"));
        assert_eq!((nodes[0].role.as_str(), nodes[0].tags.len()), ("", 0));
        assert_eq!(good(&fixture("09-join-ipv6.in"))[1].address.to_string(), "fd00::11");
    }

    #[test]
    fn hostile_names_are_rejected_and_the_others_parsed() {
        assert_eq!(good_names("06-join-hostile-names.in"), ["vm", "plain", "lb"]);
        let errors = errors("06-join-hostile-names.in");
        assert_eq!(errors.len(), 15);
        assert_eq!(
            errors[1],
            "cannot record 'a/b' of line 2: its name has a character other than letters, digits, '.', '_' and '-'"
        );
    }

    #[test]
    fn forged_members_are_rejected_and_the_others_parsed() {
        assert_eq!(good_names("08-join-forged.in"), ["badmsgpack", "evil", "v6", "rawmeta"]);
        assert!(errors("08-join-forged.in").iter().any(|err| err.contains("its address '<nil>'")));
    }

    #[test]
    fn the_role_field_takes_precedence_over_a_role_faked_in_a_tag_value() {
        let nodes = good(&fixture("07-join-hostile-tags.in"));
        let t1 = nodes.iter().find(|node| node.name == "t1").unwrap();
        assert_eq!(t1.role, "a,role=web");
        assert_eq!(t1.tags.keys().collect::<Vec<_>>(), ["port", "role"]);
    }

    #[test]
    fn a_cut_off_line_and_an_empty_payload_are_ignored() {
        assert_eq!(nodes(b"").count(), 0);
        assert_eq!(nodes(b"s1\t10.0.0.1\tbackend\trole=backend").count(), 0);
        assert_eq!(good(b"s1\t10.0.0.1\t\t\ns2\t10.0.0").len(), 1);
    }

    #[test]
    fn a_line_without_exactly_four_fields_is_rejected() {
        let err = |line: &[u8]| nodes(line).next().unwrap().unwrap_err().to_string();
        assert_eq!(
            err(b"s1\t10.0.0.1\n"),
            "cannot read line 1 of the event: it has 2 tab-separated fields, not 4"
        );
        assert!(err(b"s1\t10.0.0.1\t\t\t\n").contains("5 tab-separated fields"));
    }

    #[test]
    fn a_forged_line_of_any_length_is_rejected_alone() {
        let long = format!("s1\t10.0.0.1\t\tk={}\ns2\t10.0.0.2\t\t\n", "v,".repeat(1_000_000));
        let names: Vec<_> = good(long.as_bytes()).into_iter().map(|node| node.name).collect();
        assert_eq!(names, ["s2"]);
    }

    #[test]
    fn a_departure_needs_only_a_name() {
        let payload = b"s1\t<nil>\t\t,,,\n../x\t10.0.0.1\t\t\n";
        let names: Vec<_> = names(payload).map(Result::ok).collect();
        assert_eq!(names, [Some("s1"), None]);
    }
}
