//! The filter `server`: the values for a node's server line, or the problem because of which the node is left out.

use std::net::SocketAddr;

use common::halves::in_halves_of;
use tera::value::Key;
use tera::{ArgFromValue, Error, Kwargs, TeraResult, Value};

use crate::context::object;
use crate::filters::endpoints::Endpoints;
use crate::filters::server::{Problem, Server};
use crate::values::{PORT, port_of, unwanted};

/// Nodes of one backend, and where their ports are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pool<'p> {
    /// Two nodes of a pool of this name cannot have one endpoint.
    pub(crate) name: &'p str,
    /// The port of a node without the tag.
    pub(crate) port: u16,
    /// The tag with a node's port.
    pub(crate) port_tag: &'p str,
}

/// `node | server(port=3000)`: the values for the node's server line, or a `problem`. For a list it returns a list.
pub(crate) fn server_or_list(nodes: &Value, given: &Kwargs, endpoints: &mut Endpoints) -> TeraResult<Value> {
    let port = given_port(given)?;
    let port_tag = given.get::<&str>("port_tag")?.unwrap_or("port");
    if nodes.is_undefined() || nodes.is_none() {
        // A role without nodes. The error is that of a filter for lists.
        <&[Value]>::from_value(nodes)?;
    }
    match nodes.as_array() {
        Some(nodes) => all(nodes, |node| of_role(node, port, port_tag), endpoints).map(Value::from),
        None => server(nodes, &of_role(nodes, port, port_tag), endpoints),
    }
}

/// `nodes | servers(port=3000)`: the same for a list, without the nodes that have a `problem`.
pub(crate) fn usable_servers(
    nodes: &[Value],
    given: &Kwargs,
    endpoints: &mut Endpoints,
) -> TeraResult<Value> {
    let all = server_or_list(&Value::from(nodes), given, endpoints)?;
    let is_usable = |server: &&Value| server.get_from_path("problem").is_none_or(Value::is_none);
    let usable: Vec<Value> = all.as_array().unwrap_or_default().iter().filter(is_usable).cloned().collect();
    Ok(Value::from(usable))
}

/// The values for the server lines of a pool's nodes.
pub(crate) fn servers(nodes: &[Value], pool: &Pool, endpoints: &mut Endpoints) -> TeraResult<Vec<Value>> {
    all(nodes, |_| *pool, endpoints)
}

/// The values for the server lines of nodes, of which `pool` tells the pool. Values that are kept between renders are used;
/// otherwise this is most of a render, and two threads share it.
fn all<'p>(
    nodes: &'p [Value],
    pool: impl Fn(&'p Value) -> Pool<'p> + Sync,
    endpoints: &mut Endpoints,
) -> TeraResult<Vec<Value>> {
    if endpoints.known.is_some() {
        return nodes.iter().map(|node| server(node, &pool(node), endpoints)).collect();
    }
    let nodes: Vec<(&Value, Pool)> = nodes.iter().map(|node| (node, pool(node))).collect();
    let (mut found, more) = in_halves_of(&nodes, |nodes| {
        nodes.iter().map(|(node, pool)| found(node, pool)).collect::<Vec<TeraResult<Found>>>()
    });
    found.extend(more);
    let both = nodes.iter().zip(found);
    both.map(|((node, pool), found)| claimed(node, pool, found?, endpoints)).collect()
}

/// The pool of a node's role.
fn of_role<'p>(node: &'p Value, port: u16, port_tag: &'p str) -> Pool<'p> {
    Pool { name: field(node, "role").and_then(Value::as_str).unwrap_or_default(), port, port_tag }
}

fn field<'n>(node: &'n Value, name: &'static str) -> Option<&'n Value> {
    node.as_map().and_then(|fields| fields.get(&Key::Str(name)))
}

fn server(node: &Value, pool: &Pool, endpoints: &mut Endpoints) -> TeraResult<Value> {
    let found = known_or_found(node, pool, endpoints)?;
    claimed(node, pool, found, endpoints)
}

/// The values for the server line of a node, unless its endpoint is in use.
fn claimed(node: &Value, pool: &Pool, found: Found, endpoints: &mut Endpoints) -> TeraResult<Value> {
    let name = name_of(node)?;
    let (endpoint, server) = match found {
        Ok(found) => found,
        Err(problem) => return Ok(unserved(name, problem.to_string(), endpoints)),
    };
    // Nearly always a node has come back under another name, and one of the two records is its old one. HAProxy warns
    // about such a pair.
    if let Some(other) = endpoints.claim(endpoint, pool.name, pool.port_tag, name) {
        let problem = format!("it serves the same address as '{other}'");
        return Ok(unserved(name, problem, endpoints));
    }
    Ok(server)
}

/// The endpoint of a node, and the values for its line; the error is that of a tag.
type Found = Result<(SocketAddr, Value), Problem>;

/// What was found in an earlier render, or is found now.
fn known_or_found(node: &Value, pool: &Pool, endpoints: &mut Endpoints) -> TeraResult<Found> {
    let known = endpoints.known.as_mut().and_then(|known| known.get(node, pool.port, pool.port_tag));
    if let Some(known) = known {
        return Ok(Ok(known));
    }
    let found = found(node, pool)?;
    if let (Some(known), Ok((endpoint, server))) = (&mut endpoints.known, &found) {
        known.keep(node, pool.port, pool.port_tag, (*endpoint, server));
    }
    Ok(found)
}

fn found(node: &Value, pool: &Pool) -> TeraResult<Found> {
    let name = name_of(node)?;
    let address = field(node, "address").and_then(Value::as_str).and_then(|text| text.parse().ok());
    let tags = field(node, "tags").and_then(Value::as_map).ok_or_else(not_a_node)?;
    let own_port = (pool.port_tag, tags.get(&Key::Str(pool.port_tag)).and_then(Value::as_str));
    let tag = |key: &'static str| tags.get(&Key::Str(key)).and_then(Value::as_str);
    let server = Server::read(address.ok_or_else(not_a_node)?, own_port, pool.port, tag);
    Ok(server.map(|server| (server.endpoint, served(name, &server))))
}

fn name_of(node: &Value) -> TeraResult<&Value> {
    field(node, "name").filter(|name| name.as_str().is_some()).ok_or_else(not_a_node)
}

fn not_a_node() -> Error {
    Error::message("the filter 'server' takes a node, or a list of nodes")
}

/// The result for a node that gets no server line.
fn unserved(name: &Value, problem: String, endpoints: &mut Endpoints) -> Value {
    endpoints.refuse(name, &problem);
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

/// The port that a template passes.
pub(crate) fn given_port(given: &Kwargs) -> TeraResult<u16> {
    let value = given.get::<Value>("port")?.unwrap_or_else(Value::undefined);
    port_of(&value).ok_or_else(|| Error::message(no_port(&value)))
}

/// Why the value is not a port, with a remedy if it is missing.
fn no_port(value: &Value) -> String {
    if value.is_undefined() || value.is_none() {
        return "the port is missing; for a default write port=node.tags.port | default(value=3000)"
            .to_owned();
    }
    unwanted(value, PORT)
}
