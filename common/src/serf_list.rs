//! The whole membership from Serf: the JSON of `serf members -format=json`.
//!
//! It is unambiguous, which the event payload is not. Only members that are `alive` are in service: Serf lists a member
//! as `leaving` seconds before it sends the event.

use std::collections::HashMap;
use std::net::SocketAddr;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::members::{Departure, Member, MembersError, json_error, unique};
use crate::node::Tags;

const LIST: &str = "list of serf members";

#[derive(Deserialize)]
struct List<'a> {
    // `null` if there are none. Each entry is parsed alone, because a forged member must not cost the list.
    #[serde(borrow)]
    members: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    addr: String,
    // `null` for a forged member without tags.
    tags: Option<Tags>,
    status: String,
}

/// Reads the members that are `alive`.
pub fn parse(json: &[u8]) -> Result<Vec<Member>, MembersError> {
    let entries = entries(json)?.into_iter().enumerate();
    let members = entries.filter_map(|(index, entry)| member(index + 1, entry.get()).transpose());
    Ok(unique(LIST, members.collect::<Result<_, _>>()?))
}

/// Reads the members that are `failed`, `left` or `leaving`, by their unchecked names.
pub fn parse_departed(json: &[u8]) -> Result<HashMap<String, Departure>, MembersError> {
    let mut departed = HashMap::new();
    for (index, entry) in entries(json)?.into_iter().enumerate() {
        let entry = any_shape(index + 1, entry.get())?;
        let departure = match text(&entry, "status") {
            "failed" => Departure::Failed,
            "left" | "leaving" => Departure::Left,
            _ => continue,
        };
        departed.insert(text(&entry, "name").to_owned(), departure);
    }
    Ok(departed)
}

fn entries(json: &[u8]) -> Result<Vec<&RawValue>, MembersError> {
    let list: List<'_> =
        serde_json::from_slice(json).map_err(|err| json_error(LIST, &err.to_string(), json))?;
    Ok(list.members.unwrap_or_default())
}

/// The member in one entry, if it is in service.
fn member(number: usize, json: &str) -> Result<Option<Member>, MembersError> {
    // The usual case.
    if let Ok(entry) = serde_json::from_str::<Entry>(json) {
        return Ok(alive(entry));
    }
    // `Value` accepts a key that occurs twice, and takes the last.
    let value = any_shape(number, json)?;
    Ok(match Entry::deserialize(&value) {
        Ok(entry) => alive(entry),
        Err(err) if text(&value, "status") == "alive" => {
            Some(Member::unreadable(LIST, number, text(&value, "name").to_owned(), &err))
        }
        Err(_) => None,
    })
}

fn alive(Entry { name, addr, tags, status }: Entry) -> Option<Member> {
    (status == "alive").then(|| Member::new(LIST, name, &host(&addr), tags.unwrap_or_default()))
}

/// Parses an entry of unknown shape. If it is not even JSON we cannot tell which member it names, so the whole list is
/// rejected.
fn any_shape(number: usize, json: &str) -> Result<Value, MembersError> {
    serde_json::from_str(json)
        .map_err(|err| json_error(LIST, &format!("entry {number}: {err}"), json.as_bytes()))
}

fn text<'e>(entry: &'e Value, key: &str) -> &'e str {
    entry.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// The address in `ADDRESS:GOSSIP-PORT`. Any other text is returned unchanged, for the error message.
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
    fn failed_members_are_distinguished_from_members_that_left() {
        let departed = parse_departed(&fixture("members.json")).unwrap();
        assert_eq!(departed.get("web-1"), Some(&Departure::Failed));
        assert_eq!(departed.get("web-2"), None, "it is alive");
        assert!(parse_departed(&fixture("members-none.json")).unwrap().is_empty());
        let odd = br#"{"members":[17,{"name":7,"status":"failed"},{"name":"s1","status":"leaving"}]}"#;
        let departed = parse_departed(odd).unwrap();
        assert_eq!((departed[""], departed["s1"]), (Departure::Failed, Departure::Left));
    }

    #[test]
    fn an_empty_list_is_valid() {
        assert!(parse(&fixture("members-none.json")).unwrap().is_empty());
        assert!(parse(br#"{"members":[]}"#).unwrap().is_empty());
    }

    #[test]
    fn an_error_shows_what_serf_printed_instead_of_json() {
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
    fn a_member_that_breaks_the_whitelist_is_rejected_alone() {
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

    /// Serf prints tags that consist of the two forged bytes ff c0 as null.
    #[test]
    fn an_entry_of_another_shape_is_rejected_alone() {
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

    /// The member that it names must not lose its record.
    #[test]
    fn an_entry_that_is_not_json_makes_the_list_invalid() {
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        for value in [r#""\ud800""#, &deep] {
            let json = format!(
                r#"{{"members":[{{"name":"s1","addr":"10.0.0.1:1","tags":{{"x":{value}}},"status":"alive"}}]}}"#
            );
            let err = parse(json.as_bytes()).unwrap_err().to_string();
            assert!(err.contains("entry 1: "), "{err}");
            assert!(parse_departed(json.as_bytes()).is_err());
        }
    }

    #[test]
    fn different_members_with_one_name_are_all_rejected_in_every_order_with_one_error() {
        for addresses in [[1, 1, 9], [1, 9, 1], [9, 1, 1]] {
            let entry = |host: u8| {
                format!(r#"{{"name":"s1","addr":"10.0.0.{host}:1","tags":{{}},"status":"alive"}}"#)
            };
            let other = r#"{"name":"s2","addr":"10.0.0.2:1","tags":{},"status":"alive"}"#;
            let entries = addresses.map(entry).join(",");
            let members = one_by_one(&format!(r#"{{"members":[{entries},{other},{other}]}}"#));
            let twice =
                "cannot record 's1' of the list of serf members: two different members have that name";
            assert_eq!(
                members,
                [("s1".to_owned(), Err(twice.to_owned())), ("s2".to_owned(), Ok("10.0.0.2".to_owned()))]
            );
        }
    }
}
