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
/// The tag with a node's zone.
const ZONE: &str = "zone";

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
    /// The balancer's own zone; empty if it has none.
    pub(super) zone: &'d str,
}

/// The backends of a service: its own, one of all zones if it needs that, and one for each version that requests can
/// choose.
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
    if service.get("versions").is_none() && defaults.zone.is_empty() {
        return Ok(vec![backend(service, &service.name, servers, defaults)]);
    }
    let placed =
        nodes.iter().zip(servers).map(|(node, server)| Placed::new(node, server)).collect::<Vec<Placed>>();
    Ok(spread(service, &placed, defaults))
}

/// The backends of a service whose servers have zones or versions.
fn spread(service: &Service, servers: &[Placed], defaults: &Defaults) -> Vec<Value> {
    let shares = service.get("versions").and_then(Value::as_map).map(shares);
    let (active, backups): (Vec<usize>, Vec<usize>) =
        (0..servers.len()).partition(|place| !is_backup(&servers[*place].server));
    let (near, far): (Vec<usize>, Vec<usize>) =
        active.iter().partition(|place| servers[**place].is_in(defaults.zone));
    let shared = |groups: &[&[usize]]| match &shares {
        Some(shares) => {
            groups.iter().fold(servers.to_vec(), |servers, group| with_shares(servers, shares, group))
        }
        None => servers.to_vec(),
    };
    let own = own_zone_first(shared(&[&near, &far, &backups]), defaults);
    let mut all = vec![backend(service, &service.name, own, defaults)];
    if let Some(name) = of_all_zones(service) {
        let everywhere = shared(&[&active, &backups]).into_iter().map(|placed| placed.server).collect();
        all.push(backend(service, &name, everywhere, defaults));
    }
    for version in preferred(service) {
        let of_version = servers.iter().filter(|placed| placed.version.as_deref() == Some(version)).cloned();
        let servers = own_zone_first(of_version.collect(), defaults);
        all.push(backend(service, &backend_of(service, version), servers, defaults));
    }
    all
}

/// A server with the tags of its node that decide its weight.
#[derive(Clone)]
struct Placed {
    server: Value,
    version: Option<String>,
    zone: Option<String>,
}

impl Placed {
    fn new(node: &Value, server: Value) -> Placed {
        let tag = |key| Some(get(get(node, "tags")?, key)?.as_str()?.to_owned());
        Placed { server, version: tag(VERSION), zone: tag(ZONE) }
    }

    /// Without a zone of the balancer every server is near.
    fn is_in(&self, zone: &str) -> bool {
        zone.is_empty() || self.zone.as_deref() == Some(zone)
    }

    /// Sets a field of the server, unless it is not served.
    fn set(&mut self, key: &'static str, value: Value) {
        let fields = self.server.as_map().cloned();
        if let Some(mut fields) = fields.filter(|fields| fields.contains_key(&Key::Str(key))) {
            fields.insert(Key::Str(key), value);
            self.server = Value::from(fields);
        }
    }
}

/// The servers, with those of other zones as backup servers.
fn own_zone_first(mut servers: Vec<Placed>, defaults: &Defaults) -> Vec<Value> {
    for placed in servers.iter_mut().filter(|placed| !placed.is_in(defaults.zone)) {
        placed.set("backup", Value::from(true));
    }
    servers.into_iter().map(|placed| placed.server).collect()
}

/// The backend with the servers of all zones, if the service uses them before its own zone is empty.
fn of_all_zones(service: &Service) -> Option<String> {
    service.get("zone_min").is_some().then(|| format!("{}:zones", service.name))
}

/// For the frontend: the backend of all zones, and below which number of servers it is used.
pub(super) fn zone_switch(service: &Service) -> Option<Value> {
    let name = of_all_zones(service)?;
    let min = service.get("zone_min").cloned()?;
    Some(object([
        ("service", Value::from(service.name.as_str())),
        ("backend", Value::from(name)),
        ("min", min),
    ]))
}

/// The versions that requests can choose.
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
    // With zones it does not depend on the servers: a change of the algorithm needs a reload.
    let avoids_leastconn =
        balance == LEASTCONN && (!defaults.zone.is_empty() || servers.iter().any(is_backup));
    let balance = if avoids_leastconn { INSTEAD } else { balance };
    if balance == defaults.balance {
        fields.shift_remove(&Key::Str("balance"));
    } else {
        fields.insert(Key::Str("balance"), Value::from(balance));
    }
    fields.insert(Key::Str("avoids_leastconn"), Value::from(avoids_leastconn));
    fields.insert(Key::Str("has_zones"), Value::from(!defaults.zone.is_empty()));
    fields.insert(Key::Str("name"), Value::from(name));
    fields.insert(Key::Str("service"), Value::from(service.name.as_str()));
    fields.insert(Key::Str("servers"), Value::from(servers));
    Value::from(fields)
}

/// The algorithm of a service. With leastconn, idle servers get requests without regard to their weights, so that neither
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

/// The servers. Those at these places, which serve at the same time, get weights by the shares of their versions. One that
/// drains, or that has the weight 0, does not count.
fn with_shares(mut servers: Vec<Placed>, shares: &[(&str, u64)], places: &[usize]) -> Vec<Placed> {
    let number = |server: &Value| match get(server, "weight").and_then(Value::as_u64) {
        _ if get(server, "drain").and_then(Value::as_bool) != Some(false) => 0,
        weight => weight.unwrap_or(1),
    };
    let member = |place: &usize| Member {
        place: *place,
        version: servers[*place].version.as_deref(),
        weight: number(&servers[*place].server),
    };
    let members: Vec<Member> = places.iter().map(member).filter(|member| member.weight > 0).collect();
    for (place, weight) in weights(shares, &members) {
        servers[place].set("weight", Value::from(weight));
    }
    servers
}
