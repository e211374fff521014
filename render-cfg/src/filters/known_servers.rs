//! The results of the filter `server` for nodes that have not changed, in a program that renders again and again. For ten
//! thousand nodes, making and freeing them takes half of the time of a render.
//!
//! A node is the same if its value is the same object: `kept.rs` keeps the objects of unchanged records. No value of a
//! template can be changed, so an object always has the same content.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::ptr;

use tera::Value;

/// The servers of the last render.
#[derive(Debug, Default)]
pub(crate) struct KnownServers {
    /// By the address of the node's object.
    servers: HashMap<usize, KnownServer>,
    /// The number of the render.
    render: u64,
}

#[derive(Debug)]
struct KnownServer {
    /// Holds the object, so that no other one gets its address.
    _node: Value,
    port: u16,
    port_tag: String,
    endpoint: SocketAddr,
    server: Value,
    /// The last render that asked for it.
    render: u64,
}

impl KnownServers {
    /// Begins a render. Forgets the servers for which the last one did not ask.
    pub(crate) fn begin_render(&mut self) {
        let last = self.render;
        self.servers.retain(|_, known| known.render == last);
        self.render += 1;
    }

    /// The endpoint of a node and its server, which depend on the node and on these arguments of the filter alone.
    pub(crate) fn get(&mut self, node: &Value, port: u16, port_tag: &str) -> Option<(SocketAddr, Value)> {
        let known = self.servers.get_mut(&address(node)?)?;
        if known.port != port || known.port_tag != port_tag {
            return None;
        }
        known.render = self.render;
        Some((known.endpoint, known.server.clone()))
    }

    /// Keeps the endpoint and the server of a node.
    pub(crate) fn keep(
        &mut self,
        node: &Value,
        port: u16,
        port_tag: &str,
        (endpoint, server): (SocketAddr, &Value),
    ) {
        let Some(address) = address(node) else { return };
        let (port_tag, server) = (port_tag.to_owned(), server.clone());
        let (render, _node) = (self.render, node.clone());
        self.servers.insert(address, KnownServer { _node, port, port_tag, endpoint, server, render });
    }
}

/// Where the object of a node is.
fn address(node: &Value) -> Option<usize> {
    node.as_map().map(|fields| ptr::from_ref(fields).addr())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::object;

    #[test]
    fn only_the_same_object_with_the_same_arguments_is_known_and_only_while_it_is_used() {
        let new = || object([("name", Value::from("s1"))]);
        let (node, endpoint) = (new(), SocketAddr::from(([10, 0, 0, 1], 80)));
        let mut known = KnownServers::default();
        known.begin_render();
        assert_eq!(known.get(&node, 80, "port"), None);
        known.keep(&node, 80, "port", (endpoint, &Value::from("server")));
        known.begin_render();
        let server = Some((endpoint, Value::from("server")));
        assert_eq!(known.get(&node.clone(), 80, "port"), server);
        assert_eq!(known.get(&node, 81, "port"), None);
        assert_eq!(known.get(&node, 80, "other_port"), None);
        assert_eq!(known.get(&new(), 80, "port"), None, "an equal node");
        known.begin_render();
        known.begin_render();
        assert_eq!(known.get(&node, 80, "port"), None, "a render did without it");
        assert!(known.servers.is_empty());
    }
}
