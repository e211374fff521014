//! The variables of a template: the nodes, sorted and grouped by role, the environment, and the settings.

use std::collections::BTreeMap;
use std::sync::Arc;

use common::node::{Node, Tags};
use tera::value::Key;
use tera::{Context, Value};

use crate::vars::Var;
use crate::vars_files::FileVars;

/// A node as a template sees it.
#[derive(Debug)]
pub(crate) struct NodeView {
    pub(crate) name: String,
    pub(crate) role: String,
    value: Value,
}

impl NodeView {
    /// The node's tags.
    pub(crate) fn tags(&self) -> impl Iterator<Item = (&str, &str)> {
        let tags =
            self.value.as_map().and_then(|fields| fields.get(&Key::Str("tags"))).and_then(Value::as_map);
        tags.into_iter().flatten().filter_map(|(key, value)| Some((key.as_str()?, value.as_str()?)))
    }
}

/// Converts nodes for a template. A node with the same tags as the previous one shares its copy of them: with ten
/// thousand nodes, separate copies would take more time than any other step.
pub(crate) fn views(nodes: Vec<Node>) -> Vec<NodeView> {
    let mut last = Arc::new(Tags::new());
    let mut tags = Value::from(Tags::new());
    let view = |node: Node| {
        if node.tags != last {
            last = node.tags;
            tags = Value::from(Tags::clone(&last));
        }
        let value = object([
            ("name", Value::from(node.name.as_str())),
            ("address", Value::from(node.address.to_string())),
            ("role", Value::from(node.role.as_str())),
            ("tags", tags.clone()),
        ]);
        NodeView { name: node.name, role: node.role, value }
    };
    nodes.into_iter().map(view).collect()
}

/// The part of the context that is the same for any nodes: the environment and the settings. Those of `--set`
/// replace those of the files.
pub(crate) fn fixed(files: &FileVars, vars: &[Var]) -> Context {
    let mut all: BTreeMap<String, Value> =
        files.table.iter().map(|(key, value)| (key.clone(), Value::from_serializable(value))).collect();
    all.extend(vars.iter().map(|var| (var.name.clone(), Value::from(var.value.as_str()))));
    let mut context = Context::new();
    context.insert_value("vars", Value::from(all));
    context.insert_value("env", environment());
    context
}

/// Adds nodes to a context, which then lacks only `revision`. They are sorted, and stay sorted within each role.
pub(crate) fn with_nodes<'n>(mut context: Context, nodes: impl Iterator<Item = &'n NodeView>) -> Context {
    let mut roles: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    let mut all = Vec::with_capacity(nodes.size_hint().0);
    for node in nodes {
        roles.entry(&node.role).or_default().push(node.value.clone());
        all.push(node.value.clone());
    }
    let roles: BTreeMap<String, Vec<Value>> =
        roles.into_iter().map(|(role, nodes)| (role.to_owned(), nodes)).collect();
    context.insert_value("nodes", all.into());
    context.insert_value("roles", Value::from(roles));
    context
}

/// The environment, sorted. Bytes of a value that are not UTF-8 become U+FFFD. A variable whose name is not UTF-8 is
/// left out.
fn environment() -> Value {
    let pairs = std::env::vars_os()
        .filter_map(|(key, value)| Some((key.into_string().ok()?, value.to_string_lossy().into_owned())));
    Value::from(pairs.collect::<BTreeMap<String, String>>())
}

/// A Tera object with these fields, sorted by name. (Tera's own `Map` would be hashed twice, which is
/// measurable with thousands of nodes.)
pub(crate) fn object<const N: usize>(fields: [(&'static str, Value); N]) -> Value {
    Value::from(BTreeMap::from(fields))
}
