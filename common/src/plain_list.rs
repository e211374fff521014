//! The whole membership from any program: a JSON array with an object for each member. docs/members.md is its contract.
//!
//! A tag that cannot be recorded is left out alone, and a member that cannot be served or read is rejected alone. A bad role
//! costs the member: with a default in its place it would serve where it does not belong.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;
use serde::de::Error as _;
use serde_json::{Error, Number, Value};

use crate::members::{Departure, Member, MembersError, json_error, unique};
use crate::node::{NodeError, Tags, check_tag};
use crate::record_name::of_name;

const LIST: &str = "list of members";

/// The role of a member that names none.
const ROLE: &str = "backend";

#[derive(Deserialize)]
struct Entry {
    name: String,
    address: String,
    role: Option<String>,
    #[serde(default)]
    status: Status,
    tags: Option<BTreeMap<String, Scalar>>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a tag must be a text, a number or a truth value")]
enum Scalar {
    Text(String),
    Number(Number),
    Truth(bool),
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    #[default]
    Alive,
    Failed,
    Out,
    Left,
}

/// Reads the members that are `alive`.
pub fn parse(json: &[u8]) -> Result<Vec<Member>, MembersError> {
    let entries = entries(json)?.into_iter().enumerate();
    Ok(unique(LIST, entries.filter_map(|(index, value)| member(index + 1, value)).collect()))
}

/// Reads the members that are `failed`, `out` or `left`, by the names of their records.
pub fn parse_departed(json: &[u8]) -> Result<HashMap<String, Departure>, MembersError> {
    let entries = entries(json)?.into_iter().filter_map(|value| Entry::deserialize(value).ok());
    Ok(entries.filter_map(|entry| Some((of_name(&entry.name), entry.status.departure()?))).collect())
}

impl Status {
    fn departure(self) -> Option<Departure> {
        match self {
            Status::Alive => None,
            Status::Failed => Some(Departure::Failed),
            Status::Out => Some(Departure::OutOfService),
            Status::Left => Some(Departure::Left),
        }
    }
}

fn entries(json: &[u8]) -> Result<Vec<Value>, MembersError> {
    match serde_json::from_slice(json) {
        Ok(Value::Array(entries)) => Ok(entries),
        Ok(_) => Err(json_error(LIST, "it is not an array of members", json)),
        Err(err) => Err(json_error(LIST, &err.to_string(), json)),
    }
}

fn member(number: usize, value: Value) -> Option<Member> {
    // The name is read first: a member that cannot be read otherwise keeps the record that it has.
    let name = value["name"].as_str().filter(|name| !name.is_empty()).map(of_name);
    let refuse = |name, err: &Error| Some(Member::unreadable(LIST, number, name, err));
    match Entry::deserialize(value) {
        Ok(entry) if entry.name.is_empty() => refuse(String::new(), &Error::custom("its name is empty")),
        Ok(entry) => entry.status.departure().is_none().then(|| alive(entry)),
        Err(err) => refuse(name.unwrap_or_default(), &err),
    }
}

fn alive(Entry { name, address, role, tags, .. }: Entry) -> Member {
    let name = of_name(&name);
    let (mut recorded, mut left_out) = (Tags::new(), Vec::new());
    for (key, value) in tags.unwrap_or_default() {
        let value = value.text();
        match check_tag(&key, &value) {
            Err(err) if key != "role" => left_out.push(without(&name, &err)),
            _ => drop(recorded.insert(key, value)),
        }
    }
    match role {
        Some(role) => drop(recorded.insert("role".to_owned(), role)),
        None => drop(recorded.entry("role".to_owned()).or_insert_with(|| ROLE.to_owned())),
    }
    Member { left_out, ..Member::new(LIST, name, &address, recorded) }
}

/// The error for a tag that is left out.
fn without(name: &str, err: &NodeError) -> MembersError {
    let (what, why) = ("a tag".to_owned(), err.to_string());
    MembersError::Value { what, name: name.to_owned(), why, recorded: "without it" }
}

impl Scalar {
    fn text(self) -> String {
        match self {
            Scalar::Text(text) => text,
            Scalar::Number(number) => number.to_string(),
            Scalar::Truth(truth) => truth.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(json: &str) -> Member {
        let mut members = parse(format!("[{json}]").as_bytes()).unwrap();
        assert_eq!(members.len(), 1, "{json}");
        members.remove(0)
    }

    fn shown(json: &str) -> String {
        let member = one(json);
        let node = member.node.as_ref().unwrap_or_else(|err| panic!("{err}"));
        let tags: Vec<String> = node.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let left_out: Vec<String> = member.left_out.iter().map(ToString::to_string).collect();
        format!("{} {} {} {}", node.name, node.address, tags.join(","), left_out.join(","))
    }

    #[test]
    fn a_name_and_an_address_are_enough() {
        assert_eq!(shown(r#"{"name":"s1","address":"10.0.0.1"}"#), "s1 10.0.0.1 role=backend ");
        let all = r#"{"name":"s1","address":"fd00::1","role":"api","status":"alive","tags":{"port":8080,"backup":true,"zone":"a"},"x":1}"#;
        assert_eq!(shown(all), "s1 fd00::1 backup=true,port=8080,role=api,zone=a ");
        let tagged = r#"{"name":"s1","address":"10.0.0.1","tags":{"role":"api"}}"#;
        assert_eq!(shown(tagged), "s1 10.0.0.1 role=api ");
    }

    #[test]
    fn a_name_may_be_any_text() {
        let made = shown(r#"{"name":"host:container:80","address":"10.0.0.1"}"#);
        assert!(made.starts_with("host_container_80--"), "{made}");
    }

    #[test]
    fn a_bad_tag_is_left_out_and_a_bad_role_or_address_costs_the_member() {
        let with = |more: &str| format!(r#"{{"name":"s1","address":"10.0.0.1",{more}}}"#);
        let said = "cannot use a tag of 's1': its tag 'note' has a control character; the node is recorded without it";
        assert_eq!(shown(&with(r#""tags":{"note":"a\nb"}"#)), format!("s1 10.0.0.1 role=backend {said}"));
        for bad in [r#""role":"a\nb""#, r#""tags":{"role":"\n"}"#, r#""address":"db.internal""#] {
            let bad = with(bad).replacen(r#""address":"10.0.0.1","address""#, r#""address""#, 1);
            assert!(one(&bad).node.is_err(), "{bad}");
        }
    }

    #[test]
    fn an_entry_of_another_shape_is_rejected_alone_and_keeps_its_name() {
        for (bad, why) in [
            (r#"{"name":"s1"}"#, "missing field `address`"),
            (r#"{"name":"s1","address":"10.0.0.1","status":"up"}"#, "unknown variant `up`"),
            (
                r#"{"name":"s1","address":"10.0.0.1","tags":{"a":[]}}"#,
                "a tag must be a text, a number or a truth value",
            ),
            (r#"{"name":"s1","address":7}"#, "invalid type"),
        ] {
            let member = one(bad);
            let err = member.node.unwrap_err().to_string();
            assert!(err.contains(why) && member.name == "s1", "{bad}: {err}");
        }
        assert_eq!(one("17").name, "");
        let nameless = one(r#"{"name":"","address":"10.0.0.1"}"#);
        assert!(
            nameless.name.is_empty() && nameless.node.unwrap_err().to_string().ends_with("its name is empty")
        );
    }

    #[test]
    fn members_that_are_not_in_service_are_told_apart() {
        let json = br#"[{"name":"a","address":"10.0.0.1","status":"failed"},{"name":"b","address":"10.0.0.2","status":"out"},
            {"name":"c","address":"10.0.0.3","status":"left"},{"name":"d","address":"10.0.0.4"}]"#;
        let departed = parse_departed(json).unwrap();
        assert_eq!(
            ["a", "b", "c", "d"].map(|name| departed.get(name).copied()),
            [Some(Departure::Failed), Some(Departure::OutOfService), Some(Departure::Left), None]
        );
        assert_eq!(parse(json).unwrap().len(), 1);
    }

    #[test]
    fn another_json_value_is_not_a_list() {
        for bad in ["{}", "null", r#"{"members":[]}"#, "", "[", "no route to host"] {
            let err = parse(bad.as_bytes()).unwrap_err().to_string();
            assert!(err.starts_with("cannot read the list of members: "), "{err}");
        }
        assert!(parse(b"[]").unwrap().is_empty());
    }

    /// The schema is the contract that others read.
    #[test]
    fn the_schema_says_what_is_read() {
        let path = format!("{}/../docs/members.schema.json", env!("CARGO_MANIFEST_DIR"));
        let schema: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let member = &schema["items"];
        assert_eq!(member["required"], serde_json::json!(["name", "address"]));
        let known: Vec<&String> = member["properties"].as_object().unwrap().keys().collect();
        assert_eq!(known, ["address", "name", "role", "status", "tags"]);
        let statuses = member["properties"]["status"]["enum"].as_array().unwrap();
        assert_eq!(statuses.len(), 4);
        for status in statuses {
            let json = format!(r#"[{{"name":"s","address":"10.0.0.1","status":{status}}}]"#);
            let is_alive = parse(json.as_bytes()).unwrap().iter().any(|member| member.node.is_ok());
            assert_eq!(is_alive, status == "alive", "{status}");
        }
        let examples = schema["examples"][0].to_string();
        assert!(parse(examples.as_bytes()).unwrap().iter().all(|member| member.node.is_ok()));
    }
}
