//! A service as the template sees it: its settings, its name, and its servers with their weights.

use tera::value::{Key, Map};
use tera::{TeraResult, Value};

use super::members::Members;
use super::service::Service;
use super::shape::get;
use super::versions::{Member, weights};
use crate::context::object;
use crate::filters::effects::Effects;
use crate::filters::server_lines::{Pool, servers};

/// The tag with a node's version.
const VERSION: &str = "version";

/// The algorithm that is not used where there are backup servers: in HAProxy 3.2 and 3.4, if all other servers die at once
/// under load, requests can stay in the queue although the backup servers are up.
const LEASTCONN: &str = "leastconn";
/// The algorithm that is used instead. It also looks at the load of servers.
const INSTEAD: &str = "random";

/// The settings that services have in common.
#[derive(Debug)]
pub(super) struct Defaults<'d> {
    /// The port of a node that announces none.
    pub(super) port: u16,
    /// The algorithm of a service that needs no other.
    pub(super) balance: &'d str,
}

/// The backends of a service: its own, and one for each version that somebody can prefer.
pub(super) fn served(
    service: &Service,
    defaults: &Defaults,
    members: &Members,
    effects: &Effects,
) -> TeraResult<Vec<Value>> {
    let own_port = service.get("port").and_then(Value::as_u64).and_then(|port| u16::try_from(port).ok());
    let pool = Pool {
        name: &service.name,
        port: own_port.unwrap_or(defaults.port),
        port_tag: service.text("port_tag").unwrap_or("port"),
    };
    let nodes = members.of(service);
    let servers = servers(&nodes, &pool, &mut effects.unservable.endpoints())?;
    let Some(shares) = service.get("versions").and_then(Value::as_map).map(shares) else {
        return Ok(vec![backend(service, &service.name, servers, defaults)]);
    };
    let versions: Vec<Option<&str>> = nodes.iter().map(version).collect();
    let shared = with_shares(&servers, &versions, &shares);
    let mut all = vec![backend(service, &service.name, shared, defaults)];
    for version in preferred(service) {
        let of_version = servers.iter().zip(&versions).filter(|(_, of)| **of == Some(version));
        let servers: Vec<Value> = of_version.map(|(server, _)| server.clone()).collect();
        all.push(backend(service, &backend_of(service, version), servers, defaults));
    }
    Ok(all)
}

/// The versions that somebody can prefer.
fn preferred(service: &Service) -> Vec<&str> {
    let versions = service.get("versions").filter(|_| service.get("prefer").is_some());
    versions
        .and_then(Value::as_map)
        .into_iter()
        .flatten()
        .filter_map(|(version, _)| version.as_str())
        .collect()
}

/// How requests ask for versions of a service: for each version its backend, and the header or the cookie with its name.
pub(super) fn preferences(service: &Service) -> Vec<Value> {
    let text =
        |key| service.get("prefer").and_then(|prefer| get(prefer, key)).cloned().unwrap_or_else(Value::none);
    let preference = |version: &str| {
        object([
            ("service", Value::from(service.name.as_str())),
            ("backend", Value::from(backend_of(service, version))),
            ("version", Value::from(version)),
            ("header", text("header")),
            ("cookie", text("cookie")),
        ])
    };
    preferred(service).into_iter().map(preference).collect()
}

/// The name of the backend of a version. No service has it: its name has no dot.
fn backend_of(service: &Service, version: &str) -> String {
    format!("{}.{version}", service.name)
}

fn backend(service: &Service, name: &str, servers: Vec<Value>, defaults: &Defaults) -> Value {
    let mut fields = service.settings.as_map().cloned().unwrap_or_default();
    let balance = algorithm(service, defaults);
    let avoids_leastconn = balance == LEASTCONN && servers.iter().any(is_backup);
    let balance = if avoids_leastconn { INSTEAD } else { balance };
    if balance == defaults.balance {
        fields.shift_remove(&Key::Str("balance"));
    } else {
        fields.insert(Key::Str("balance"), Value::from(balance));
    }
    fields.insert(Key::Str("avoids_leastconn"), Value::from(avoids_leastconn));
    fields.insert(Key::Str("name"), Value::from(name));
    fields.insert(Key::Str("service"), Value::from(service.name.as_str()));
    fields.insert(Key::Str("servers"), Value::from(servers));
    Value::from(fields)
}

/// The algorithm of a service. With leastconn, idle servers get requests whatever their weights are, so that neither
/// shares nor slow start would hold.
fn algorithm<'s>(service: &'s Service, defaults: &'s Defaults) -> &'s str {
    let needs_weights = service.get("versions").or(service.get("slowstart")).is_some();
    service.text("balance").unwrap_or(if needs_weights { "roundrobin" } else { defaults.balance })
}

fn is_backup(server: &Value) -> bool {
    get(server, "backup").and_then(Value::as_bool) == Some(true)
}

fn shares(versions: &Map) -> Vec<(&str, u64)> {
    versions.iter().filter_map(|(version, share)| Some((version.as_str()?, share.as_u64()?))).collect()
}

fn version(node: &Value) -> Option<&str> {
    get(get(node, "tags")?, VERSION)?.as_str()
}

/// The servers with weights by the shares of their versions. One that drains, or that has the weight 0, does not count.
fn with_shares(servers: &[Value], versions: &[Option<&str>], shares: &[(&str, u64)]) -> Vec<Value> {
    let number = |server: &Value| match get(server, "weight").and_then(Value::as_u64) {
        _ if get(server, "drain").and_then(Value::as_bool) != Some(false) => 0,
        weight => weight.unwrap_or(1),
    };
    let member =
        |(place, server): (usize, &Value)| Member { place, version: versions[place], weight: number(server) };
    let members: Vec<Member> =
        servers.iter().enumerate().map(member).filter(|member| member.weight > 0).collect();
    let mut servers = servers.to_vec();
    for (place, weight) in weights(shares, &members) {
        if let Some(mut fields) = servers[place].as_map().cloned() {
            fields.insert(Key::Str("weight"), Value::from(weight));
            servers[place] = Value::from(fields);
        }
    }
    servers
}
