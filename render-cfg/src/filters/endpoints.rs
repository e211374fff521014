//! What the filter `server` keeps while a template is rendered: the nodes that get no server line, and the endpoints
//! (address and port) that are already in use.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tera::Value;

use crate::filters::known_servers::KnownServers;

/// The nodes that get no server line, shared between the filter and its template.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unservable(Arc<Mutex<Endpoints>>);

impl Unservable {
    /// From now on keeps servers from one render to the next.
    pub(crate) fn keep_servers(&self) {
        self.endpoints().known = Some(KnownServers::default());
    }

    /// Forgets the last render, except the servers that are kept.
    pub(crate) fn reset(&self) {
        let mut endpoints = self.endpoints();
        let known = endpoints.known.take();
        *endpoints = Endpoints { known, ..Endpoints::default() };
        endpoints.known.iter_mut().for_each(KnownServers::begin_render);
    }

    /// Removes and returns the nodes: the name of each, and the reason.
    pub(crate) fn take(&self) -> BTreeMap<String, String> {
        std::mem::take(&mut self.endpoints().problems)
    }

    /// Locks the endpoints for a call of the filter.
    pub(crate) fn endpoints(&self) -> MutexGuard<'_, Endpoints> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The endpoints in use, and the nodes that cannot be served.
#[derive(Debug, Default)]
pub(crate) struct Endpoints {
    problems: BTreeMap<String, String>,
    pools: Vec<Pool>,
    /// The place of each pool, by its name and the tag with its nodes' ports.
    places: HashMap<(String, String), usize>,
    /// The place of the pool that was asked for last. Most calls are about the same one.
    last: usize,
    /// `None` in a program that renders once.
    pub(crate) known: Option<KnownServers>,
}

/// The endpoints of one pool's nodes whose port is in one tag. The same endpoint in another pool is not a duplicate.
#[derive(Debug)]
struct Pool {
    name: String,
    port_tag: String,
    nodes: HashMap<SocketAddr, Value>,
}

impl Endpoints {
    /// Notes that the node called `name` cannot be served.
    pub(crate) fn refuse(&mut self, name: &Value, problem: &str) {
        self.problems.insert(name.to_string(), problem.to_owned());
    }

    /// Claims the endpoint for the node `name`. If another node has it already, returns that node's name.
    pub(crate) fn claim(
        &mut self,
        endpoint: SocketAddr,
        pool: &str,
        port_tag: &str,
        name: &Value,
    ) -> Option<&Value> {
        let is_it = |known: &Pool| known.name == pool && known.port_tag == port_tag;
        if !self.pools.get(self.last).is_some_and(is_it) {
            let (pool, port_tag) = (pool.to_owned(), port_tag.to_owned());
            self.last = *self.places.entry((pool.clone(), port_tag.clone())).or_insert(self.pools.len());
            if self.last == self.pools.len() {
                self.pools.push(Pool { name: pool, port_tag, nodes: HashMap::new() });
            }
        }
        let first = self.pools[self.last].nodes.entry(endpoint).or_insert_with(|| name.clone());
        (first != name).then_some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_of_two_nodes_with_one_endpoint_in_a_pool_does_not_get_it() {
        let mut endpoints = Endpoints::default();
        let endpoint = SocketAddr::from(([10, 0, 0, 1], 80));
        let mut claim = |role, name: &str| {
            endpoints.claim(endpoint, role, "port", &Value::from(name)).map(ToString::to_string)
        };
        assert_eq!(claim("a", "s1"), None);
        assert_eq!(claim("a", "s1"), None, "a template may ask twice");
        assert_eq!(claim("a", "s2").as_deref(), Some("s1"));
        assert_eq!(claim("b", "s2"), None, "another pool");
    }
}
