//! The nodes of each service: by its name, by role, by tags, or by role and tags.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use common::messages::excerpt;
use tera::Value;
use tera::value::{Key, Map};

use super::service::Service;
use super::shape::get;
use crate::near::near;

/// The tag with the name of a node's service.
const SERVICE: &str = "service";

/// All nodes, in the order of the text, and indexes of them. Without the indexes a thousand services would look through
/// all nodes a thousand times.
pub(super) struct Members {
    nodes: Value,
    roles: Value,
    indexes: RefCell<HashMap<By, Index>>,
}

/// What an index is made of.
#[derive(Clone, PartialEq, Eq, Hash)]
enum By {
    /// The tag `service`, or the role of a node without that tag.
    Service,
    /// A tag.
    Tag(String),
}

/// Nodes by a value.
type Index = HashMap<String, Vec<Value>>;

impl Members {
    /// `nodes` is the list of all nodes, and `roles` a table with a list for each role.
    pub(super) fn new(nodes: Value, roles: Value) -> Members {
        Members { nodes, roles, indexes: RefCell::default() }
    }

    /// The nodes of a service: those of its role and with its tags. If it names neither, those whose tag `service` is its
    /// name, and those without that tag whose role is its name.
    pub(super) fn of(&self, service: &Service) -> Vec<Value> {
        let tags: Vec<(&str, &str)> =
            service.get("tags").and_then(Value::as_map).map(texts).unwrap_or_default();
        let role = service.text("role");
        let Some(((key, value), others)) = tags.split_first() else {
            return match role {
                Some(role) => self.of_role(role),
                None => self.with(By::Service, &service.name),
            };
        };
        let mut members = self.with(By::Tag((*key).to_owned()), value);
        members.retain(|node| {
            role.is_none_or(|role| self::role(node) == Some(role))
                && others.iter().all(|(key, value)| tag(node, key) == Some(value))
        });
        members
    }

    /// A line for each tag `service` of nodes that no service takes: probably a slip in the tag or in the settings.
    pub(super) fn left_over(&self, services: &[Service]) -> Vec<String> {
        let names: BTreeSet<&str> = services.iter().map(|service| service.name.as_str()).collect();
        let mut left: BTreeMap<&str, (&str, usize)> = BTreeMap::new();
        for node in self.nodes.as_array().unwrap_or_default() {
            let Some(tag) = tag(node, SERVICE).filter(|tag| !names.contains(tag)) else { continue };
            if !services.iter().any(|service| takes(service, node)) {
                let name = get(node, "name").and_then(Value::as_str).unwrap_or_default();
                left.entry(tag).or_insert((name, 0)).1 += 1;
            }
        }
        let line = |(tag, (first, count)): (&str, (&str, usize))| {
            let others = if count > 1 { format!(" and {} more", count - 1) } else { String::new() };
            let advice = near(tag, names.iter().copied()).map(|near| format!("; did you mean '{near}'?"));
            let tag = excerpt(tag.as_bytes());
            format!(
                "no service takes '{first}'{others}, with the tag service={tag}{}",
                advice.unwrap_or_default()
            )
        };
        left.into_iter().map(line).collect()
    }

    fn of_role(&self, role: &str) -> Vec<Value> {
        let nodes = self.roles.as_map().and_then(|roles| roles.get(&Key::Str(role)));
        nodes.and_then(Value::as_array).unwrap_or_default().to_vec()
    }

    fn with(&self, by: By, value: &str) -> Vec<Value> {
        let mut indexes = self.indexes.borrow_mut();
        let index = indexes.entry(by.clone()).or_insert_with(|| self.index(&by));
        index.get(value).cloned().unwrap_or_default()
    }

    fn index(&self, by: &By) -> Index {
        let mut index = Index::new();
        for node in self.nodes.as_array().unwrap_or_default() {
            let value = match by {
                By::Service => tag(node, SERVICE).or_else(|| role(node)),
                By::Tag(key) => tag(node, key),
            };
            if let Some(value) = value {
                match index.get_mut(value) {
                    Some(nodes) => nodes.push(node.clone()),
                    None => drop(index.insert(value.to_owned(), vec![node.clone()])),
                }
            }
        }
        index
    }
}

/// Whether a node whose tag `service` is not the name of a service is one of this service's.
fn takes(service: &Service, node: &Value) -> bool {
    let tags: Vec<(&str, &str)> = service.get("tags").and_then(Value::as_map).map(texts).unwrap_or_default();
    let role = service.text("role");
    let chooses = role.is_some() || !tags.is_empty();
    chooses
        && role.is_none_or(|role| self::role(node) == Some(role))
        && tags.iter().all(|(key, value)| tag(node, key) == Some(value))
}

fn role(node: &Value) -> Option<&str> {
    get(node, "role")?.as_str()
}

fn tag<'n>(node: &'n Value, key: &'n str) -> Option<&'n str> {
    let tags = get(node, "tags")?.as_map()?;
    tags.get(&Key::Str(key))?.as_str()
}

fn texts(map: &Map) -> Vec<(&str, &str)> {
    map.iter().filter_map(|(key, value)| Some((key.as_str()?, value.as_str()?))).collect()
}
