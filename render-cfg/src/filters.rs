//! The filters that a template for haproxy.cfg needs beyond Tera's own. Each checks what it is given:
//! what it lets through needs no second look.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tera::value::Key;
use tera::{Error, Kwargs, State, Tera, TeraResult, Value};

use crate::server::{Server, parse_port};
use render_cfg::escape::comment;

/// What the filter `server` has seen: the nodes that it could not serve, and why, by name, and who serves
/// an endpoint.
#[derive(Clone, Debug, Default)]
pub(crate) struct LeftOut(Arc<Mutex<Served>>);

#[derive(Debug, Default)]
struct Served {
    problems: BTreeMap<String, String>,
    pools: Vec<Pool>,
}

/// One role's nodes by one of their ports. An endpoint that is in another pool too is no duplicate.
#[derive(Debug)]
struct Pool {
    role: String,
    port_tag: String,
    names: HashMap<SocketAddr, Value>,
}

impl LeftOut {
    /// Takes the nodes that have gathered.
    pub(crate) fn take(&self) -> BTreeMap<String, String> {
        std::mem::take(&mut self.served().problems)
    }

    fn served(&self) -> MutexGuard<'_, Served> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Served {
    fn add(&mut self, name: &Value, problem: &str) {
        self.problems.insert(name.to_string(), problem.to_owned());
    }

    /// The node that was served there before, if it is another one than `name`.
    fn other_at(&mut self, endpoint: SocketAddr, role: &str, port_tag: &str, name: &Value) -> Option<&Value> {
        let is_it = |pool: &Pool| pool.role == role && pool.port_tag == port_tag;
        let at = self.pools.iter().position(is_it).unwrap_or_else(|| {
            let (role, port_tag) = (role.to_owned(), port_tag.to_owned());
            self.pools.push(Pool { role, port_tag, names: HashMap::new() });
            self.pools.len() - 1
        });
        let first = self.pools[at].names.entry(endpoint).or_insert_with(|| name.clone());
        (first != name).then_some(first)
    }
}

/// Makes the filters known to `tera`. The nodes that cannot be served gather in `left_out`.
pub(crate) fn register(tera: &mut Tera, left_out: &LeftOut) {
    let left_out = left_out.clone();
    tera.register_filter("endpoint", endpoint);
    tera.register_filter("server", move |nodes: Value, given: Kwargs, _: &State| {
        servers(&nodes, &given, &mut left_out.served())
    });
    tera.register_filter("logformat", |text: &str, _: Kwargs, _: &State| text.replace('%', "%%"));
    tera.register_filter("group_by", group_by);
    tera.register_filter("comment", |text: &str, _: Kwargs, _: &State| Value::safe_string(&comment(text)));
}

/// `address | endpoint(port=3000)`: `10.0.0.1:3000`, or `[fd00::1]:3000`. It has passed both checks, so
/// it needs no escaping.
fn endpoint(address: &str, given: Kwargs, _: &State) -> TeraResult<Value> {
    let port = port_of(given.must_get("port")?)?;
    let address: IpAddr =
        address.parse().map_err(|_| Error::message(format!("'{address}' is no IP address")))?;
    Ok(Value::safe_string(&SocketAddr::new(address, port).to_string()))
}

/// `nodes | group_by(attribute="tags.zone")`: a list for each value, sorted by that. Tera's own gives the groups in
/// another order each time, and so another text for the same nodes; and it fails for one node without the attribute.
fn group_by(all: &[Value], given: Kwargs, _: &State) -> TeraResult<Value> {
    let attribute = given.must_get::<&str>("attribute")?;
    let mut groups: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for one in all {
        if let Some(value) = one.get_from_path(attribute).filter(|value| !value.is_none()) {
            groups.entry(value.to_string()).or_default().push(one.clone());
        }
    }
    Ok(Value::from(groups))
}

/// `node | server(port=3000)`: what the node's tags say about serving it, or a `problem`; of a list, a list.
fn servers(nodes: &Value, given: &Kwargs, seen: &mut Served) -> TeraResult<Value> {
    let port = port_of(given.must_get("port")?)?;
    let port_tag = given.get::<&str>("port_tag")?.unwrap_or("port");
    let mut one = |node| server(node, port, port_tag, seen);
    match nodes.as_array() {
        Some(nodes) => nodes.iter().map(one).collect::<TeraResult<Vec<Value>>>().map(Value::from),
        None => one(nodes),
    }
}

fn server(node: &Value, port: u16, port_tag: &str, seen: &mut Served) -> TeraResult<Value> {
    let field = |name| node.as_map().and_then(|fields| fields.get(&Key::Str(name)));
    let no_node = || Error::message("the filter 'server' takes a node, or a list of nodes");
    let name = field("name").filter(|name| name.as_str().is_some()).ok_or_else(no_node)?;
    let address = field("address").and_then(Value::as_str).and_then(|text| text.parse().ok());
    let tags = field("tags").and_then(Value::as_map).ok_or_else(no_node)?;
    let own_port = (port_tag, tags.get(&Key::Str(port_tag)).and_then(Value::as_str));
    let tag = |key: &'static str| tags.get(&Key::Str(key)).and_then(Value::as_str);
    let role = field("role").and_then(Value::as_str).unwrap_or_default();
    let server = match Server::read(address.ok_or_else(no_node)?, own_port, port, tag) {
        Ok(server) => server,
        Err(problem) => return Ok(unserved(name, problem.to_string(), seen)),
    };
    // Nearly always the record of a node that came back under another name. HAProxy warns about two.
    if let Some(other) = seen.other_at(server.endpoint, role, port_tag, name) {
        let problem = format!("it serves the same address as '{other}'");
        return Ok(unserved(name, problem, seen));
    }
    Ok(served(name, &server))
}

fn unserved(name: &Value, problem: String, seen: &mut Served) -> Value {
    seen.add(name, &problem);
    object([("name", name.clone()), ("problem", Value::from(problem))])
}

fn served(name: &Value, server: &Server) -> Value {
    object([
        ("name", name.clone()),
        ("endpoint", Value::safe_string(&server.endpoint.to_string())),
        ("weight", Value::from(server.weight)),
        ("maxconn", Value::from(server.maxconn)),
        ("backup", Value::from(server.backup)),
        ("drain", Value::from(server.drain)),
        ("problem", Value::none()),
    ])
}

/// A Tera object with these fields, sorted by name. (Made by way of Tera's own `Map` it would be hashed twice,
/// which shows with thousands of nodes.)
pub(crate) fn object<const N: usize>(fields: [(&'static str, Value); N]) -> Value {
    Value::from(BTreeMap::from(fields))
}

/// Reads a port as a template gives it: a number, or text from a tag or `--set`.
fn port_of(value: &Value) -> TeraResult<u16> {
    let port = value.as_str().map_or_else(|| parse_port(&value.to_string()), parse_port);
    port.ok_or_else(|| Error::message(format!("port '{value}' is not 1 to 65535")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tera::Context;

    fn render(template: &str) -> Result<String, String> {
        let mut tera = Tera::new();
        let left_out = LeftOut::default();
        register(&mut tera, &left_out);
        tera.add_raw_template("t", template).map_err(|err| err.to_string())?;
        let tags = Value::from(BTreeMap::from([("port", "0")]));
        let name = Value::from("s1");
        let mut context = Context::new();
        context
            .insert_value("bad", object([("name", name), ("address", Value::from("::1")), ("tags", tags)]));
        let text = tera.render("t", &context).map_err(|err| err.to_string())?;
        Ok(left_out.take().into_iter().fold(text, |text, (name, why)| format!("{text}; {name}: {why}")))
    }

    #[test]
    fn groups_come_sorted_and_without_those_that_have_no_such_thing() {
        let zones = "[{'z': 'c'}, {'z': 'a', 'n': 1}, {}, {'z': 'b'}, {'z': 'a', 'n': 2}, {'z': 'd'}]";
        let template = format!(
            "{{% set all = {zones} | group_by(attribute='z') %}}{{% for zone, of in all %}}{{{{ zone }}}}{{{{ of | \
             length }}}} {{% endfor %}}"
        );
        assert_eq!(render(&template).unwrap(), "a2 b1 c1 d1 ");
    }

    #[test]
    fn an_endpoint_has_a_checked_port_and_ipv6_in_brackets() {
        assert_eq!(render("{{ '10.0.0.1' | endpoint(port=3000) }}").unwrap(), "10.0.0.1:3000");
        assert_eq!(render("{{ 'fd00::1' | endpoint(port='80') }}").unwrap(), "[fd00::1]:80");
        for bad in ["0", "65536", "-1", "'80 x'", "''", "1.5", "true"] {
            assert!(render(&format!("{{{{ '10.0.0.1' | endpoint(port={bad}) }}}}")).is_err(), "{bad}");
        }
        assert!(render("{{ 'localhost' | endpoint(port=80) }}").unwrap_err().contains("is no IP address"));
        assert!(render("{{ '10.0.0.1' | endpoint }}").unwrap_err().contains("port"));
    }

    #[test]
    fn a_node_that_cannot_be_served_has_a_problem_and_is_remembered_once() {
        let template =
            "{% set s = bad | server(port=80) %}{{ s.problem }}{{ bad | server(port=1) | get(key='name') }}";
        let sentence = "its tag 'port' is '0', not 1 to 65535";
        assert_eq!(render(template).unwrap(), format!("{sentence}s1; s1: {sentence}"));
    }

    #[test]
    fn of_two_nodes_with_one_endpoint_in_a_pool_the_second_is_left_out() {
        let mut seen = Served::default();
        let endpoint = SocketAddr::from(([10, 0, 0, 1], 80));
        let mut other_at = |role, name: &str| {
            seen.other_at(endpoint, role, "port", &Value::from(name)).map(ToString::to_string)
        };
        assert_eq!(other_at("a", "s1"), None);
        assert_eq!(other_at("a", "s1"), None, "a template may ask twice");
        assert_eq!(other_at("a", "s2").as_deref(), Some("s1"));
        assert_eq!(other_at("b", "s2"), None, "another pool");
    }

    #[test]
    fn of_a_list_of_nodes_it_makes_a_list() {
        let template =
            "{% for s in [bad, bad] | server(port=1, port_tag='none') %}{{ s.endpoint }} {% endfor %}";
        assert_eq!(render(template).unwrap(), "[::1]:1 [::1]:1 ");
        for bad in ["[bad, 1] | server(port=1)", "1 | server(port=1)", "[bad] | server(port=0)"] {
            assert!(render(&format!("{{{{ {bad} }}}}")).is_err(), "{bad}");
        }
        assert_eq!(render("{{ [] | server(port=1) | length }}").unwrap(), "0");
    }

    #[test]
    fn another_tag_may_hold_the_port() {
        let template = "{% set s = bad | server(port=1024, port_tag='peer_port') %}{{ s.endpoint }}";
        assert_eq!(render(template).unwrap(), "[::1]:1024");
    }

    #[test]
    fn a_percent_sign_is_doubled_for_a_log_format() {
        assert_eq!(render("{{ '100%[src]' | logformat }}").unwrap(), "100%%[src]");
    }
}
