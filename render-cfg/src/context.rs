//! What a template sees: the nodes, sorted and grouped by role, the environment, and what `--set` gave.

use std::collections::BTreeMap;
use std::{iter, mem};

use common::node::Node;
use tera::{Context, Value};

use crate::filters::object;

/// Builds the context, all but `revision`. `nodes` come sorted by name and stay so within each role; their
/// tags are taken from them, for ten thousand nodes twice over cost more time than anything else here. Most
/// nodes announce the same tags as the one before, and share them.
pub(crate) fn context(nodes: &mut [Node], vars: &BTreeMap<String, String>) -> Context {
    let mut all = Vec::with_capacity(nodes.len());
    let mut roles: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    let mut tags = Value::none();
    let is_like_last = nodes.windows(2).map(|pair| pair[0].tags == pair[1].tags);
    let is_like_last: Vec<bool> = iter::once(false).chain(is_like_last).collect();
    for (node, is_like_last) in nodes.iter_mut().zip(is_like_last) {
        if !is_like_last {
            tags = Value::from(mem::take(&mut node.tags));
        }
        let value = node_value(node, tags.clone());
        match roles.get_mut(&node.role) {
            Some(role) => role.push(value.clone()),
            None => drop(roles.insert(node.role.clone(), vec![value.clone()])),
        }
        all.push(value);
    }
    let mut context = Context::new();
    context.insert_value("nodes", Value::from(all));
    context.insert_value("roles", Value::from(roles));
    context.insert_value("vars", Value::from(vars.clone()));
    context.insert_value("env", environment());
    context
}

fn node_value(node: &Node, tags: Value) -> Value {
    object([
        ("name", Value::from(node.name.as_str())),
        ("address", Value::from(node.address.to_string())),
        ("role", Value::from(node.role.as_str())),
        ("tags", tags),
    ])
}

/// The environment, sorted; what is not UTF-8 is shown with U+FFFD, or left out if its name is not.
fn environment() -> Value {
    let pairs = std::env::vars_os()
        .filter_map(|(key, value)| Some((key.into_string().ok()?, value.to_string_lossy().into_owned())));
    Value::from(pairs.collect::<BTreeMap<String, String>>())
}
