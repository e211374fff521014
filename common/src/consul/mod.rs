//! The whole membership from Consul: the JSON that `consul watch -type=service` passes to its handler.
//!
//! The address of an instance is the service's, or else the node's. The role is the metadata's `role`, or else the
//! service's name. An instance with a critical check is not in service. Consul validates almost nothing, so a bad value
//! is left out alone, and an instance that cannot be served is rejected alone.

mod instance;
mod record_tags;

use std::collections::HashMap;

use serde_json::Value;

use crate::members::{Departure, Member, MembersError, json_error, unique};
use crate::node::{Node, NodeError, check_tag};

use crate::record_name::record_name;
use instance::Instance;

const LIST: &str = "list of consul services";

/// Reads the instances that have no critical check.
pub fn parse(json: &[u8]) -> Result<Vec<Member>, MembersError> {
    let entries = entries(json)?.into_iter().enumerate();
    Ok(unique(LIST, entries.filter_map(|(index, value)| entry(index + 1, value)).collect()))
}

/// Reads the instances with a critical check, by the names of their records. Only Consul's gossip has lost those that are
/// `Failed`.
pub fn parse_departed(json: &[u8]) -> Result<HashMap<String, Departure>, MembersError> {
    let instances =
        entries(json)?.into_iter().filter_map(|value| serde_json::from_value::<Instance>(value).ok());
    let departed = |instance: Instance| {
        instance.departure().map(|departure| (record_name(instance.node(), instance.id()), departure))
    };
    Ok(instances.filter_map(departed).collect())
}

fn entries(json: &[u8]) -> Result<Vec<Value>, MembersError> {
    let list = serde_json::from_slice(json).map_err(|err| json_error(LIST, &err.to_string(), json))?;
    match list {
        Value::Array(entries) if !entries.iter().any(is_without_health) => Ok(entries),
        // Consul passes `null` for an unknown service.
        Value::Null => Ok(Vec::new()),
        _ => Err(MembersError::NotHealth),
    }
}

/// Whether the entry has the flat form of Consul's lists of the catalog, of nodes or of checks. These lists do not show
/// whether a service is healthy, so their entries must not be recorded.
fn is_without_health(entry: &Value) -> bool {
    entry["Node"].is_string()
}

fn entry(number: usize, value: Value) -> Option<Member> {
    // The name is read first: an instance that cannot be read otherwise keeps the record that it has.
    let key = (value["Node"]["Node"].as_str(), value["Service"]["ID"].as_str());
    let name = key.0.zip(key.1).map(|(node, id)| record_name(node, id));
    match serde_json::from_value::<Instance>(value) {
        Ok(instance) => instance.departure().is_none().then(|| member(&instance)),
        Err(err) => Some(Member::unreadable(LIST, number, name.unwrap_or_default(), &err)),
    }
}

fn member(instance: &Instance) -> Member {
    let name = record_name(instance.node(), instance.id());
    let (tags, left_out) = record_tags::of(instance, &name);
    let refuse = |err| refusal(instance, err);
    let node = tags.and_then(|tags| Node::new(&name, instance.address(), tags)).map_err(refuse);
    let role = match &node {
        Ok(node) => node.role.clone(),
        // A role that is not legal matches no --role. An empty role is always reported.
        Err(_) => {
            instance.role().filter(|role| check_tag("role", role).is_ok()).unwrap_or_default().to_owned()
        }
    };
    Member { name, role, node, left_out }
}

fn refusal(instance: &Instance, err: NodeError) -> MembersError {
    let remedy = match err {
        NodeError::Address(..) => "register the service with an IP address",
        _ => "correct the service's registration",
    };
    MembersError::Instance { node: instance.node().to_owned(), id: instance.id().to_owned(), err, remedy }
}

#[cfg(test)]
mod tests;
