//! The tags of an instance's record: its metadata, service tags, weight, port and role.
//!
//! Metadata takes precedence over service tags and weights, because its keys are the operator's own choice. A value
//! that cannot be in a record is left out. The role and the port are exceptions: with a default for one of them the
//! instance would serve in the wrong place, so it is rejected.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::instance::Instance;
use crate::members::MembersError;
use crate::messages::excerpt;
use crate::node::{NodeError, TAG_VALUE_MAX, Tags, check_tag};

/// Keys that are not read from service tags: a service may have a tag `role=primary` for its own purposes.
const OWN_SOURCE: [&str; 4] = ["port", "role", "tags", "weight"];
/// The most other tags. Consul limits metadata to 64 pairs, but not service tags.
const TAGS_MAX: usize = 128;
/// The highest weight that HAProxy accepts. Consul accepts 65,535.
const WEIGHT_MAX: u64 = 256;

/// The tags of the record called `name`, and an error for each value that is left out. Fails if the role or the port
/// cannot be recorded.
pub(super) fn of(instance: &Instance, name: &str) -> (Result<Tags, NodeError>, Vec<MembersError>) {
    let mut record = Record { name, tags: Tags::new(), left_out: Vec::new() };
    match instance.metadata() {
        Some(metadata) => record.metadata(metadata),
        None => record.leave_out("the metadata", "it is not an object", "without it"),
    }
    match instance.service_tags() {
        Some(tags) => record.service_tags(tags),
        None => record.leave_out("the service tags", "they are not a list", "without them"),
    }
    record.weight(instance.weight());
    let Record { mut tags, left_out, .. } = record;
    (place(instance, &mut tags).map(|()| tags), left_out)
}

/// Adds the role and the port.
fn place(instance: &Instance, tags: &mut Tags) -> Result<(), NodeError> {
    let refuse = |key: &str, why| Err(NodeError::TagValue(key.to_owned(), why));
    let Some(role) = instance.role() else { return refuse("role", "is not text") };
    tags.insert("role".to_owned(), role.to_owned());
    if let Some(port) = instance.port() {
        match port.parse::<u16>() {
            Ok(port) if port != 0 => drop(tags.insert("port".to_owned(), port.to_string())),
            _ => return refuse("port", "is not a number from 1 to 65535"),
        }
    }
    Ok(())
}

/// The tags of one record while they are collected.
struct Record<'a> {
    name: &'a str,
    tags: Tags,
    left_out: Vec<MembersError>,
}

impl Record<'_> {
    fn metadata(&mut self, metadata: Map<String, Value>) {
        for (key, value) in metadata.into_iter().filter(|(key, _)| !matches!(key.as_str(), "role" | "port")) {
            match value {
                Value::String(value) if key == "weight" => self.own_weight(&value),
                Value::String(value) => self.tag(&key, &value),
                _ => self.leave_out_tag(&key, "its value is not text"),
            }
        }
    }

    /// A service tag `KEY=VALUE` is a tag of its own. The others are joined in the tag `tags`.
    fn service_tags(&mut self, service_tags: &[Value]) {
        for tag in service_tags.iter().filter(|tag| !tag.is_string()) {
            self.leave_out_service_tag(&tag.to_string(), "is not text");
        }
        // Sorted, so that their order in Consul does not change the record.
        let words: BTreeSet<&str> = service_tags.iter().filter_map(Value::as_str).collect();
        let (pairs, words): (Vec<&str>, Vec<&str>) = words.into_iter().partition(|word| pair(word).is_some());
        for (key, value) in pairs.into_iter().filter_map(pair) {
            // The metadata takes precedence, and then the value that sorts first.
            if !self.tags.contains_key(key) {
                self.tag(key, value);
            }
        }
        let joined = self.joined(&words);
        if !joined.is_empty() {
            self.tags.entry("tags".to_owned()).or_insert(joined);
        }
    }

    /// The words that fit into a tag, joined by commas.
    fn joined(&mut self, words: &[&str]) -> String {
        let mut joined = String::new();
        for word in words.iter().copied().filter(|word| !word.is_empty()) {
            let comma = if joined.is_empty() { "" } else { "," };
            if let Err(NodeError::TagValue(_, why)) = check_tag("tags", word) {
                self.leave_out_service_tag(word, why);
            } else if joined.len() + comma.len() + word.len() > TAG_VALUE_MAX {
                self.leave_out_service_tag(word, "does not fit into 512 bytes with the others");
            } else {
                joined.extend([comma, word]);
            }
        }
        joined
    }

    /// A weight that HAProxy rejects would cost the server.
    fn own_weight(&mut self, text: &str) {
        let digits = Some(text).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        match digits.and_then(|digits| digits.parse().ok()) {
            Some(weight @ 0..=WEIGHT_MAX) => drop(self.tags.insert("weight".to_owned(), weight.to_string())),
            _ => self.leave_out_tag("weight", "its value is not a number from 0 to 256"),
        }
    }

    /// A weight of 1 is not recorded, because it is HAProxy's default.
    fn weight(&mut self, weight: Option<u64>) {
        match weight {
            _ if self.tags.contains_key("weight") => return,
            None => return self.leave_out("the weights", "they are not numbers", "without them"),
            Some(1) => return,
            Some(0..=WEIGHT_MAX) => {}
            Some(weight) => {
                let why = "HAProxy's highest weight is 256";
                self.leave_out(&format!("weight {weight}"), why, "with weight 256");
            }
        }
        let weight = weight.unwrap_or(1).min(WEIGHT_MAX);
        self.tags.insert("weight".to_owned(), weight.to_string());
    }

    fn tag(&mut self, key: &str, value: &str) {
        let counts = |key: &str| !OWN_SOURCE.contains(&key);
        let is_full = || self.tags.keys().filter(|key| counts(key)).count() == TAGS_MAX;
        match check_tag(key, value) {
            Err(NodeError::TagKey(_, why)) => self.leave_out_tag(key, &format!("its key {why}")),
            Err(NodeError::TagValue(_, why)) => self.leave_out_tag(key, &format!("its value {why}")),
            Err(err) => self.leave_out_tag(key, &err.to_string()),
            Ok(()) if counts(key) && is_full() => self.leave_out_tag(key, "the record has 128 tags already"),
            Ok(()) => drop(self.tags.insert(key.to_owned(), value.to_owned())),
        }
    }

    fn leave_out_tag(&mut self, key: &str, why: &str) {
        self.leave_out(&format!("tag '{}'", excerpt(key.as_bytes())), why, "without it");
    }

    fn leave_out_service_tag(&mut self, word: &str, why: &str) {
        self.leave_out(
            &format!("service tag '{}'", excerpt(word.as_bytes())),
            &format!("it {why}"),
            "without it",
        );
    }

    fn leave_out(&mut self, what: &str, why: &str, recorded: &'static str) {
        let (what, why) = (what.to_owned(), why.to_owned());
        self.left_out.push(MembersError::Value { what, name: self.name.to_owned(), why, recorded });
    }
}

/// The key and value of a service tag `KEY=VALUE`, if a record may have that key.
fn pair(service_tag: &str) -> Option<(&str, &str)> {
    let (key, value) = service_tag.split_once('=')?;
    (!OWN_SOURCE.contains(&key) && check_tag(key, "").is_ok()).then_some((key, value))
}
