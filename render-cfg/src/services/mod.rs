//! Several services on one balancer: the setting `services`, checked and joined with its nodes, as the template prints
//! it.
//!
//! A service is a table of settings. Without that setting there is one service, `nodes`, of all nodes of one role.

mod binds;
mod keys;
mod members;
mod routes;
mod rules;
mod served;
mod service;
mod shape;
mod tls;
mod versions;

use tera::{Kwargs, State, Tera, TeraResult, Value};

use crate::context::object;
use crate::filters::effects::Effects;
use crate::natural::natural;
use crate::setting_path::{SettingPath, Wrong};
use crate::values::arguments::of_filter;
use crate::values::unwanted;
use keys::SERVICE_NAME;
use members::Members;
use served::{Defaults, preferences, served, zone_switch};
use service::Service;
use shape::entries;

/// The setting.
const SETTING: &str = "services";
/// The one service without it.
const ALONE: &str = "nodes";
/// The role of its nodes, unless the template gives one.
const BACKEND: &str = "backend";

/// Registers the filters `services` and `tls`.
pub(crate) fn register(tera: &mut Tera, effects: &Effects) {
    tls::register(tera, effects);
    let effects = effects.clone();
    tera.register_filter("services", move |given: Value, more: Kwargs, _: &State| {
        of_filter("services", &more, &["nodes", "roles", "role", "port", "balance", "zone", "binds"])?;
        services(&given, &more, &effects)
    });
}

/// The filter `services`. `nodes` is the list of all nodes and `roles` that of each role; `role` is that of the one service,
/// or an empty text; `port`, `balance` and `zone` are the settings beside `services`, and `binds` the addresses of the other
/// frontends. The result is a table: `http` and `tcp` are lists of backends, `routes` is the map of requests, `preferences`
/// are the versions that requests can choose, `zone_switches` say when all zones are used, `listeners` are the frontends of
/// `tcp`.
fn services(given: &Value, kwargs: &Kwargs, effects: &Effects) -> TeraResult<Value> {
    let defaults = Defaults {
        port: kwargs.must_get("port")?,
        balance: kwargs.must_get("balance")?,
        zone: kwargs.must_get("zone")?,
    };
    let members = Members::new(kwargs.must_get("nodes")?, kwargs.must_get("roles")?);
    let role = Some(kwargs.must_get::<&str>("role")?).filter(|role| !role.is_empty());
    if given.is_undefined() || given.is_none() {
        return alone(role.unwrap_or(BACKEND), &defaults, &members, effects);
    }
    if role.is_some() {
        let reason = "each service has its own role: move it into the setting services";
        return Err(effects.wrong.refuse(Wrong::new(&SettingPath::of("role"), reason)));
    }
    let binds: Vec<String> = kwargs.must_get("binds")?;
    match read(given).and_then(|services| fitting(services, &defaults, &binds)) {
        Ok(services) => {
            effects.warnings.add(members.left_over(&services));
            joined(&services, &defaults, &members, effects)
        }
        Err(wrong) => Err(effects.wrong.refuse(wrong)),
    }
}

/// Refuses services that do not fit the settings beside them.
fn fitting(services: Vec<Service>, defaults: &Defaults, binds: &[String]) -> Result<Vec<Service>, Wrong> {
    binds::check(&services, binds)?;
    let with_min = services.iter().find(|service| service.get("zone_min").is_some());
    if let Some(service) = with_min.filter(|_| defaults.zone.is_empty()) {
        let reason = "it needs the setting zone, the balancer's own zone";
        return Err(Wrong::new(&service.path("zone_min"), reason));
    }
    if rules::is_of_http(defaults.balance) && services.iter().any(Service::is_tcp) {
        let reason = "services of TCP cannot use it: set it in each service of HTTP";
        return Err(Wrong::new(&SettingPath::of("balance"), reason));
    }
    Ok(services)
}

/// The one service without the setting.
fn alone(role: &str, defaults: &Defaults, members: &Members, effects: &Effects) -> TeraResult<Value> {
    let settings = object([("role", Value::from(role))]);
    let service = Service::read(ALONE, &settings, SettingPath::of("role"));
    let service = service.map_err(|wrong| effects.wrong.refuse(wrong))?;
    Ok(object([
        ("http", Value::from(served(&service, defaults, members, effects)?)),
        ("preferences", Value::from(Vec::<Value>::new())),
        ("zone_switches", Value::from(Vec::<Value>::new())),
        ("routes", Value::none()),
        ("tcp", Value::from(Vec::<Value>::new())),
        ("listeners", Value::from(Vec::<Value>::new())),
    ]))
}

fn read(given: &Value) -> Result<Vec<Service>, Wrong> {
    let all = SettingPath::of(SETTING);
    let mut services = Vec::new();
    for (name, value) in entries(given, &all)? {
        let path = all.at(name);
        if !(SERVICE_NAME.is)(name) {
            return Err(Wrong::new(&path, unwanted(&Value::from(name), SERVICE_NAME.wanted)));
        }
        let service = Service::read(name, value, path)?;
        rules::check(&service)?;
        services.push(service);
    }
    if services.is_empty() {
        return Err(Wrong::new(&all, "it has no service"));
    }
    services.sort_by(|a, b| natural(&a.name, &b.name));
    Ok(services)
}

fn joined(
    services: &[Service],
    defaults: &Defaults,
    members: &Members,
    effects: &Effects,
) -> TeraResult<Value> {
    let (tcp, http): (Vec<&Service>, Vec<&Service>) = services.iter().partition(|service| service.is_tcp());
    let refuse = |wrong| effects.wrong.refuse(wrong);
    let routes =
        if http.is_empty() { Value::none() } else { Value::from(routes::http(&http).map_err(refuse)?) };
    let listeners = listeners(&tcp).map_err(refuse)?;
    let all_served = |all: &[&Service]| {
        let served = all.iter().map(|service| served(service, defaults, members, effects));
        served.collect::<TeraResult<Vec<Vec<Value>>>>().map(|all| Value::from(all.concat()))
    };
    Ok(object([
        ("http", all_served(&http)?),
        (
            "preferences",
            Value::from(http.iter().flat_map(|service| preferences(service)).collect::<Vec<Value>>()),
        ),
        (
            "zone_switches",
            Value::from(http.iter().filter_map(|service| zone_switch(service)).collect::<Vec<Value>>()),
        ),
        ("routes", routes),
        ("tcp", all_served(&tcp)?),
        ("listeners", listeners),
    ]))
}

/// The frontends of the services of TCP: those with one bind share it, told apart by SNI.
fn listeners(services: &[&Service]) -> Result<Value, Wrong> {
    let mut binds: Vec<(&str, Vec<&Service>)> = Vec::new();
    for service in services {
        let bind = service.text("bind").unwrap_or_default();
        match binds.iter_mut().find(|(known, _)| *known == bind) {
            Some((_, group)) => group.push(service),
            None => binds.push((bind, vec![service])),
        }
    }
    let listeners: Result<Vec<Value>, Wrong> =
        binds.iter().map(|(bind, group)| listener(bind, group)).collect();
    listeners.map(Value::from)
}

fn listener(bind: &str, group: &[&Service]) -> Result<Value, Wrong> {
    let sni = routes::sni(group)?;
    let mut others = group.iter().filter(|service| service.texts("hosts").is_empty());
    let default = others.next();
    if let Some((second, default)) = others.next().zip(default) {
        let reason = format!("service '{}' already listens there; give one of them hosts", default.name);
        return Err(Wrong::new(&second.path("bind"), reason));
    }
    let text = |text: Option<&str>| text.map_or_else(Value::none, Value::from);
    Ok(object([
        ("name", Value::from(group[0].name.as_str())),
        ("bind", Value::safe_string(bind)),
        ("sni", text(Some(sni.as_str()).filter(|sni| !sni.is_empty()))),
        ("default", text(default.map(|service| service.name.as_str()))),
        ("client", text(rules::client_timeout(group)?)),
    ]))
}
