//! The whole membership from Consul: the JSON that `consul watch -type=service` passes to its handler.
//!
//! An instance becomes a node called `NODE-ID`, because a service id is unique on its node only. The address is the
//! service's, or else the node's. Tags are the metadata and `port`. The role is the metadata's `role`, or else the
//! service's name. An instance with a critical check is not in service.

use serde::Deserialize;
use serde_json::Value;

use crate::members::{Member, MembersError, json_error, unique};
use crate::node::Tags;

const LIST: &str = "list of consul services";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Instance {
    node: ConsulNode,
    service: Service,
    checks: Option<Vec<Check>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ConsulNode {
    node: String,
    address: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Service {
    #[serde(rename = "ID")]
    id: String,
    service: String,
    #[serde(default)]
    address: String,
    #[serde(default)]
    port: u32,
    meta: Option<Tags>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Check {
    status: String,
}

/// Reads the instances that have no critical check.
pub fn parse(json: &[u8]) -> Result<Vec<Member>, MembersError> {
    // Consul passes `null` for an unknown service.
    let list: Option<Vec<Value>> =
        serde_json::from_slice(json).map_err(|err| json_error(LIST, &err.to_string(), json))?;
    let entries = list.unwrap_or_default().into_iter().enumerate();
    Ok(unique(LIST, entries.filter_map(|(index, value)| entry(index + 1, value)).collect()))
}

fn entry(number: usize, value: Value) -> Option<Member> {
    match serde_json::from_value::<Instance>(value) {
        Ok(instance) => in_service(&instance).then(|| member(instance)),
        Err(err) => Some(Member::unreadable(LIST, number, String::new(), &err)),
    }
}

fn in_service(instance: &Instance) -> bool {
    let mut checks = instance.checks.iter().flatten();
    !checks.any(|check| check.status == "critical")
}

fn member(instance: Instance) -> Member {
    let Instance { node, service, .. } = instance;
    let address = if service.address.is_empty() { &node.address } else { &service.address };
    let mut tags = service.meta.unwrap_or_default();
    if service.port != 0 {
        tags.insert("port".to_owned(), service.port.to_string());
    }
    tags.entry("role".to_owned()).or_insert(service.service);
    Member::new(LIST, format!("{}-{}", node.node, service.id), address, tags)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixture() -> Vec<u8> {
        std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/consul/service.json")).unwrap()
    }

    #[test]
    fn instances_become_nodes_with_port_and_role() {
        let members = parse(&fixture()).unwrap();
        let node = members[0].node.as_ref().unwrap();
        assert_eq!((node.name.as_str(), node.role.as_str()), ("foobar-redis", "redis"));
        assert_eq!(node.address.to_string(), "10.1.10.12");
        assert_eq!(node.tags["port"], "8000");
    }

    #[test]
    fn tags_and_role_come_from_metadata_and_the_service_address_takes_precedence() {
        let members = parse(&fixture()).unwrap();
        let node = members[1].node.as_ref().unwrap();
        assert_eq!((node.name.as_str(), node.role.as_str()), ("foobaz-redis-2", "backend"));
        assert_eq!(node.address.to_string(), "10.1.10.99");
        assert_eq!(node.tags["weight"], "20");
    }

    #[test]
    fn an_instance_with_a_critical_check_is_not_in_service() {
        assert_eq!(parse(&fixture()).unwrap().len(), 2);
    }

    #[test]
    fn a_list_without_instances_is_valid_and_other_json_is_not() {
        assert!(parse(b"null").unwrap().is_empty());
        assert!(parse(b"[]").unwrap().is_empty());
        assert!(parse(b"{\"members\":null}").is_err());
    }
}
