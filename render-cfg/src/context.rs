//! What a template sees: the nodes, sorted and grouped by role, the environment, and what `--set` gave.

use std::collections::BTreeMap;
use std::mem;

use common::node::{Node, Tags};
use tera::{Context, Value};

use crate::filters::object;

/// A node as a template sees it.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) name: String,
    pub(crate) role: String,
    value: Value,
}

/// Makes values of nodes. Most announce the same tags as the one before, and share them: for ten thousand nodes,
/// tags of each one's own cost more time than anything else here.
pub(crate) fn seen(nodes: Vec<Node>) -> Vec<Seen> {
    let mut last = Tags::new();
    let mut tags = Value::from(Tags::new());
    let see = |mut node: Node| {
        if node.tags != last {
            last = mem::take(&mut node.tags);
            tags = Value::from(last.clone());
        }
        let value = object([
            ("name", Value::from(node.name.as_str())),
            ("address", Value::from(node.address.to_string())),
            ("role", Value::from(node.role.as_str())),
            ("tags", tags.clone()),
        ]);
        Seen { name: node.name, role: node.role, value }
    };
    nodes.into_iter().map(see).collect()
}

/// Builds the context, all but `revision`. `nodes` come sorted by name and stay so within each role.
pub(crate) fn context(nodes: &[Seen], vars: &BTreeMap<String, String>) -> Context {
    let mut roles: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for node in nodes {
        roles.entry(&node.role).or_default().push(node.value.clone());
    }
    let roles: BTreeMap<String, Vec<Value>> =
        roles.into_iter().map(|(role, nodes)| (role.to_owned(), nodes)).collect();
    let mut context = Context::new();
    context.insert_value("nodes", nodes.iter().map(|node| node.value.clone()).collect::<Vec<_>>().into());
    context.insert_value("roles", Value::from(roles));
    context.insert_value("vars", Value::from(vars.clone()));
    context.insert_value("env", environment());
    context
}

/// The environment, sorted; what is not UTF-8 is shown with U+FFFD, or left out if its name is not.
fn environment() -> Value {
    let pairs = std::env::vars_os()
        .filter_map(|(key, value)| Some((key.into_string().ok()?, value.to_string_lossy().into_owned())));
    Value::from(pairs.collect::<BTreeMap<String, String>>())
}
