//! The nodes of each service: by role, by tags, or by both.

use std::cell::RefCell;
use std::collections::HashMap;

use tera::Value;
use tera::value::{Key, Map};

use super::service::Service;
use super::shape::get;

/// All nodes, in the order of the text, and an index of those tags by which services choose theirs. Without the index a
/// thousand services would look through all nodes a thousand times.
pub(super) struct Members {
    nodes: Value,
    roles: Value,
    by_tag: RefCell<HashMap<String, HashMap<String, Vec<Value>>>>,
}

impl Members {
    /// `nodes` is the list of all nodes, and `roles` a table with a list for each role.
    pub(super) fn new(nodes: Value, roles: Value) -> Members {
        Members { nodes, roles, by_tag: RefCell::default() }
    }

    /// The nodes of a service: those with its tags, of its role if it names one. Without both, the role is its name.
    pub(super) fn of(&self, service: &Service) -> Vec<Value> {
        let tags: Vec<(&str, &str)> =
            service.get("tags").and_then(Value::as_map).map(texts).unwrap_or_default();
        let role = service.text("role").or_else(|| tags.is_empty().then_some(service.name.as_str()));
        let Some(((key, value), others)) = tags.split_first() else {
            return self.of_role(role.unwrap_or_default());
        };
        let mut members = self.with_tag(key, value);
        members.retain(|node| {
            role.is_none_or(|role| get(node, "role").and_then(Value::as_str) == Some(role))
                && others.iter().all(|(key, value)| tag(node, key) == Some(value))
        });
        members
    }

    fn of_role(&self, role: &str) -> Vec<Value> {
        let nodes = self.roles.as_map().and_then(|roles| roles.get(&Key::Str(role)));
        nodes.and_then(Value::as_array).unwrap_or_default().to_vec()
    }

    fn with_tag(&self, key: &str, value: &str) -> Vec<Value> {
        let mut by_tag = self.by_tag.borrow_mut();
        let values = by_tag.entry(key.to_owned()).or_insert_with(|| {
            let mut values: HashMap<String, Vec<Value>> = HashMap::new();
            for node in self.nodes.as_array().unwrap_or_default() {
                if let Some(value) = tag(node, key) {
                    values.entry(value.to_owned()).or_default().push(node.clone());
                }
            }
            values
        });
        values.get(value).cloned().unwrap_or_default()
    }
}

fn tag<'n>(node: &'n Value, key: &'n str) -> Option<&'n str> {
    let tags = get(node, "tags")?.as_map()?;
    tags.get(&Key::Str(key))?.as_str()
}

fn texts(map: &Map) -> Vec<(&str, &str)> {
    map.iter().filter_map(|(key, value)| Some((key.as_str()?, value.as_str()?))).collect()
}
