//! The whole membership at once: the JSON of `serf members -format=json`.
//!
//! Unlike the event payload it is not ambiguous, and it is the truth and not a hint at it. Only members
//! that are `alive` are in service: Serf says `leaving` here seconds before it sends an event.

use std::net::SocketAddr;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use thiserror::Error;

use crate::failure::{Code, Fault};
use crate::messages::excerpt;
use crate::node::{Node, NodeError, Tags};

/// Why a list, or one member of it, cannot be used.
#[derive(Debug, Error)]
pub enum MembersError {
    /// The whole is no such JSON; its beginning is shown, where Serf writes its complaints.
    #[error("cannot read the {list}: {err}; it begins with '{}'", excerpt(.beginning))]
    Json {
        /// What it should be.
        list: &'static str,
        /// What the parser said, with line and column.
        err: String,
        /// Its first bytes.
        beginning: Vec<u8>,
    },
    /// One entry is no member.
    #[error("cannot read entry {entry} of the {list}: {err}")]
    Entry {
        /// Where it stands.
        list: &'static str,
        /// Counted from 1.
        entry: usize,
        /// What the parser said.
        err: String,
    },
    /// One name comes twice, for two nodes.
    #[error("cannot record '{name}' of the {list}: two different members have that name")]
    Twice {
        /// Where it stands.
        list: &'static str,
        /// The name, which passed the whitelist.
        name: String,
    },
    /// One member breaks the whitelist.
    #[error("cannot record '{}' of the {list}: {err}", excerpt(.name.as_bytes()))]
    Member {
        /// Where it stands.
        list: &'static str,
        /// Its name as it came.
        name: String,
        /// Which field, and why.
        err: NodeError,
    },
}

impl Fault for MembersError {
    fn code(&self) -> Code {
        Code::Input
    }
}

/// A member that is in service: its name and role as they came, and the node, or why it is none.
#[derive(Debug)]
pub struct Member {
    /// Its name, unchecked.
    pub name: String,
    /// Its role, unchecked.
    pub role: String,
    /// The node, if it passed the whitelists.
    pub node: Result<Node, MembersError>,
}

impl Member {
    /// Checks what a member of `list` announced.
    pub(crate) fn new(list: &'static str, name: String, address: &str, tags: Tags) -> Member {
        let role = tags.get("role").cloned().unwrap_or_default();
        let node = Node::new(&name, address, tags);
        let node = node.map_err(|err| MembersError::Member { list, name: name.clone(), err });
        Member { name, role, node }
    }

    /// A member of which no more than its name can be read.
    pub(crate) fn unreadable(
        list: &'static str,
        entry: usize,
        name: String,
        err: &serde_json::Error,
    ) -> Member {
        let err = excerpt(err.to_string().as_bytes()).to_string();
        Member { name, role: String::new(), node: Err(MembersError::Entry { list, entry, err }) }
    }
}

const LIST: &str = "list of serf members";

#[derive(Deserialize)]
struct List<'a> {
    // Serf writes `"members": null` for none. One entry at a time: a forged member must not cost the list.
    #[serde(borrow)]
    members: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    addr: String,
    // A forged member without tags has null here.
    tags: Option<Tags>,
    status: String,
}

/// Reads the members that are `alive`.
pub fn parse(json: &[u8]) -> Result<Vec<Member>, MembersError> {
    let entries = entries(json)?.into_iter().enumerate();
    let members = entries.filter_map(|(index, entry)| member(index + 1, entry.get()).transpose());
    Ok(unique(LIST, members.collect::<Result<_, _>>()?))
}

/// Reads the names, unchecked, of the members that are `failed`: Serf has lost sight of them, and they did not leave.
pub fn parse_failed(json: &[u8]) -> Result<Vec<String>, MembersError> {
    let entries = entries(json)?.into_iter().enumerate();
    let entries: Result<Vec<_>, _> = entries.map(|(index, entry)| loose(index + 1, entry.get())).collect();
    let failed = entries?.into_iter().filter(|entry| text(entry, "status") == "failed");
    Ok(failed.map(|entry| text(&entry, "name").to_owned()).collect())
}

fn entries(json: &[u8]) -> Result<Vec<&RawValue>, MembersError> {
    let list: List<'_> =
        serde_json::from_slice(json).map_err(|err| json_error(LIST, &err.to_string(), json))?;
    Ok(list.members.unwrap_or_default())
}

/// The member that an entry is, if it is in service.
fn member(number: usize, json: &str) -> Result<Option<Member>, MembersError> {
    // As good as always.
    if let Ok(entry) = serde_json::from_str::<Entry>(json) {
        return Ok(alive(entry));
    }
    // What a key that comes twice means is what `Value` makes of it, the last.
    let loose = loose(number, json)?;
    Ok(match Entry::deserialize(&loose) {
        Ok(entry) => alive(entry),
        Err(err) if text(&loose, "status") == "alive" => {
            Some(Member::unreadable(LIST, number, text(&loose, "name").to_owned(), &err))
        }
        Err(_) => None,
    })
}

fn alive(Entry { name, addr, tags, status }: Entry) -> Option<Member> {
    (status == "alive").then(|| Member::new(LIST, name, &host(&addr), tags.unwrap_or_default()))
}

/// An entry of any form. Of one that cannot be read nobody knows whom it names, so that the list is none.
fn loose(number: usize, json: &str) -> Result<Value, MembersError> {
    serde_json::from_str(json)
        .map_err(|err| json_error(LIST, &format!("entry {number}: {err}"), json.as_bytes()))
}

fn text<'e>(entry: &'e Value, key: &str) -> &'e str {
    entry.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// Of two members with one name neither is believed; Serf has no such pair, but names can be made that
/// collide.
pub(crate) fn unique(list: &'static str, mut members: Vec<Member>) -> Vec<Member> {
    members.sort_by(|a, b| a.name.cmp(&b.name));
    for index in 1..members.len() {
        let (before, rest) = members.split_at_mut(index);
        let (one, other) = (&mut before[index - 1], &mut rest[0]);
        if one.name == other.name && !is_same(&one.node, &other.node) {
            for member in [one, other] {
                member.node = Err(MembersError::Twice { list, name: member.name.clone() });
            }
        }
    }
    members
}

fn is_same(one: &Result<Node, MembersError>, other: &Result<Node, MembersError>) -> bool {
    matches!((one, other), (Ok(one), Ok(other)) if one == other)
}

pub(crate) fn json_error(list: &'static str, err: &str, json: &[u8]) -> MembersError {
    let beginning = json[..json.len().min(160)].trim_ascii().to_vec();
    MembersError::Json { list, err: excerpt(err.as_bytes()).to_string(), beginning }
}

/// The address of `ADDRESS:GOSSIP-PORT`; the text itself if it is something else, for the error line.
fn host(addr: &str) -> String {
    addr.parse::<SocketAddr>().map_or_else(|_| addr.to_owned(), |socket| socket.ip().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixture(name: &str) -> Vec<u8> {
        std::fs::read(format!("{}/tests/fixtures/serf/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
    }

    #[test]
    fn only_members_that_are_alive_are_in_service() {
        let members = parse(&fixture("members.json")).unwrap();
        let names: Vec<_> = members.iter().map(|m| (m.name.as_str(), m.role.as_str())).collect();
        assert_eq!(names, [("balancer", "balancer"), ("norole", ""), ("web-2", "backend")]);
        assert_eq!(members[2].node.as_ref().unwrap().address.to_string(), "127.0.101.12");
    }

    #[test]
    fn who_failed_is_told_from_who_left() {
        assert_eq!(parse_failed(&fixture("members.json")).unwrap(), ["web-1"]);
        assert!(parse_failed(&fixture("members-none.json")).unwrap().is_empty());
        assert!(parse_failed(br#"{"members":[17,{"name":7,"status":"failed"}]}"#).is_ok_and(|f| f == [""]));
    }

    #[test]
    fn an_empty_list_is_a_list() {
        assert!(parse(&fixture("members-none.json")).unwrap().is_empty());
        assert!(parse(br#"{"members":[]}"#).unwrap().is_empty());
    }

    #[test]
    fn what_serf_prints_instead_of_json_is_in_the_error() {
        let err = parse(&fixture("members-role-flag-broken.out")).unwrap_err().to_string();
        assert!(err.contains("it begins with 'Deprecation warning: 'Role'"), "{err}");
        let err = parse(b"Error connecting to Serf agent: dial tcp\n").unwrap_err().to_string();
        assert!(err.contains("Error connecting to Serf agent"), "{err}");
        assert!(parse(b"").is_err());
        assert!(parse(b"{}").is_ok_and(|members| members.is_empty()));
    }

    fn one_by_one(json: &str) -> Vec<(String, Result<String, String>)> {
        let node = |member: Member| match member.node {
            Ok(node) => (member.name, Ok(node.address.to_string())),
            Err(err) => (member.name, Err(err.to_string())),
        };
        parse(json.as_bytes()).unwrap().into_iter().map(node).collect()
    }

    #[test]
    fn a_member_that_breaks_the_whitelist_is_refused_alone() {
        let members = one_by_one(
            r#"{"members":[
            {"name":"../x","addr":"10.0.0.1:7946","tags":{},"status":"alive"},
            {"name":"w6","addr":"[fd00::10]:7946","tags":{},"status":"alive"},
            {"name":"s2","addr":"<nil>:7946","tags":{},"status":"alive"}]}"#,
        );
        assert!(members[0].1.is_err());
        assert_eq!(members[2].1.as_deref(), Ok("fd00::10"));
        let err = members[1].1.as_ref().unwrap_err();
        assert!(err.starts_with("cannot record 's2' of the list of serf members: its address"), "{err}");
    }

    /// Tags of the two forged bytes ff c0 come out of Serf as null.
    #[test]
    fn an_entry_of_another_shape_does_not_cost_the_list() {
        let members = one_by_one(
            r#"{"members":[
            {"name":"good","addr":"10.0.0.1:1","tags":{"role":"backend"},"status":"alive"},
            {"name":"null","addr":"10.0.0.2:1","tags":null,"status":"alive"},
            {"name":"odd","addr":"10.0.0.3:1","tags":{"k":1},"status":"alive"},
            {"name":"gone","addr":7,"tags":null,"status":"failed"},
            17, null, {}]}"#,
        );
        assert_eq!(members[0], ("good".to_owned(), Ok("10.0.0.1".to_owned())));
        assert_eq!(members[1], ("null".to_owned(), Ok("10.0.0.2".to_owned())));
        let err = members[2].1.as_ref().unwrap_err();
        assert!(err.starts_with("cannot read entry 3 of the list of serf members: invalid type"), "{err}");
        assert_eq!(members.len(), 3);
    }

    /// Who is named in what cannot be read must not be taken for gone.
    #[test]
    fn an_entry_that_cannot_be_read_costs_the_list() {
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        for value in [r#""\ud800""#, &deep] {
            let json = format!(
                r#"{{"members":[{{"name":"s1","addr":"10.0.0.1:1","tags":{{"x":{value}}},"status":"alive"}}]}}"#
            );
            let err = parse(json.as_bytes()).unwrap_err().to_string();
            assert!(err.contains("entry 1: "), "{err}");
            assert!(parse_failed(json.as_bytes()).is_err());
        }
    }

    #[test]
    fn of_two_members_with_one_name_neither_is_believed() {
        let members = one_by_one(
            r#"{"members":[
            {"name":"s1","addr":"10.0.0.1:1","tags":{},"status":"alive"},
            {"name":"s2","addr":"10.0.0.2:1","tags":{},"status":"alive"},
            {"name":"s1","addr":"10.0.0.9:1","tags":{},"status":"alive"}]}"#,
        );
        let good: Vec<_> = members.iter().filter(|member| member.1.is_ok()).map(|m| m.0.as_str()).collect();
        assert_eq!(good, ["s2"]);
    }
}
