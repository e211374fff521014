//! What the filter `server` keeps while a template is rendered: the nodes that get no server line, and the endpoints
//! (address and port) that are already in use.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tera::Value;

/// The nodes that get no server line, shared between the filter and its template.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unservable(Arc<Mutex<Endpoints>>);

impl Unservable {
    /// Forgets the last render.
    pub(crate) fn reset(&self) {
        *self.endpoints() = Endpoints::default();
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
    /// The nodes of each pool, by its name and the tag with their port. The same endpoint in another pool is not a
    /// duplicate.
    pools: HashMap<String, HashMap<String, HashMap<SocketAddr, Value>>>,
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
        // The keys are copied only once: this runs for each server.
        if !self.pools.contains_key(pool) {
            self.pools.insert(pool.to_owned(), HashMap::new());
        }
        let by_tag = self.pools.get_mut(pool)?;
        if !by_tag.contains_key(port_tag) {
            by_tag.insert(port_tag.to_owned(), HashMap::new());
        }
        let first = by_tag.get_mut(port_tag)?.entry(endpoint).or_insert_with(|| name.clone());
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
