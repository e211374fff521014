//! What a template sees: the nodes, sorted and grouped by role, the environment, and what `--set` gave.

use std::collections::BTreeMap;
use std::mem;

use common::node::Node;
use tera::{Context, Value};

use crate::filters::object;

/// Builds the context, all but `revision`. `nodes` come sorted by name and stay so within each role; their
/// tags are taken from them, for ten thousand nodes twice over cost more time than anything else here.
pub(crate) fn context(nodes: &mut [Node], vars: &BTreeMap<String, String>) -> Context {
    let mut all = Vec::with_capacity(nodes.len());
    let mut roles: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for node in nodes {
        let value = node_value(node);
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

fn node_value(node: &mut Node) -> Value {
    object([
        ("name", Value::from(node.name.as_str())),
        ("address", Value::from(node.address.to_string())),
        ("role", Value::from(node.role.as_str())),
        ("tags", Value::from(mem::take(&mut node.tags))),
    ])
}

/// The environment, sorted; what is not UTF-8 is shown with U+FFFD, or left out if its name is not.
fn environment() -> Value {
    let pairs = std::env::vars_os()
        .filter_map(|(key, value)| Some((key.into_string().ok()?, value.to_string_lossy().into_owned())));
    Value::from(pairs.collect::<BTreeMap<String, String>>())
}
