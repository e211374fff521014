//! The backends of a demo that is up: their names, and the addresses of those that were killed.
//!
//! A killed backend that is added again gets its old address, as a restarted machine does. At another address Serf would
//! accept it only after it has forgotten the dead member of that name, which takes up to a minute.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use harness::Result;
use harness::cluster::backend::Backend;
use harness::cluster::local_cluster::Cluster;

/// A name of a backend, as the commands take it: one that Rollcall takes too.
pub fn check_name(name: &str) -> std::result::Result<String, String> {
    let is_fit = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    let is_good = starts_well && name.len() <= 63 && name.chars().all(is_fit);
    is_good
        .then(|| name.to_owned())
        .ok_or_else(|| "use 1 to 63 of A-Z, a-z, 0-9, '.', '_' and '-'".to_owned())
}

/// A cluster, and what its backends are called.
#[derive(Debug)]
pub struct Backends {
    /// The cluster.
    pub cluster: Cluster,
    killed: BTreeMap<String, Ipv4Addr>,
    named: u32,
}

impl Backends {
    /// No backends yet.
    pub fn new(cluster: Cluster) -> Backends {
        Backends { cluster, killed: BTreeMap::new(), named: 0 }
    }

    /// Starts a backend; returns its name and address.
    pub fn add(&mut self, name: Option<String>) -> Result<(String, Ipv4Addr)> {
        let name = name.unwrap_or_else(|| self.next_name());
        let address = self.killed.get(&name).copied().unwrap_or_else(|| self.cluster.net.next_host());
        self.cluster.add_at(&name, address)?;
        self.killed.remove(&name);
        Ok((name, address))
    }

    fn next_name(&mut self) -> String {
        loop {
            self.named += 1;
            let name = format!("s{}", self.named);
            if !self.cluster.backends.contains_key(&name) && !self.killed.contains_key(&name) {
                return name;
            }
        }
    }

    /// Takes a backend off, to be stopped.
    pub fn take(&mut self, name: &str) -> Result<Backend> {
        self.cluster.take(name)
    }

    /// kill -9.
    pub fn kill(&mut self, name: &str) -> Result<()> {
        let mut backend = self.cluster.take(name)?;
        backend.kill9();
        self.killed.insert(backend.name.clone(), backend.address);
        Ok(())
    }

    /// Tags a backend state=drain.
    pub fn drain(&mut self, name: &str) -> Result<()> {
        let run = self.cluster.run().clone();
        self.cluster.backend(name)?.drain(&run)
    }
}
