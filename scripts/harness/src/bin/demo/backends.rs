//! The backends of a running demo: their names, and the addresses of those that were killed.
//!
//! A killed backend that is added again gets its old address, as a restarted machine does. At another address, Serf
//! would accept the name only after it has forgotten the dead member, which takes up to a minute.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use harness::Result;
use harness::cluster::backend::Backend;
use harness::cluster::local_cluster::Cluster;

/// Checks a backend's name, as given to the commands. Rollcall must accept it too.
pub fn check_name(name: &str) -> std::result::Result<String, String> {
    let is_fit = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    let is_good = starts_well && name.len() <= 63 && name.chars().all(is_fit);
    is_good
        .then(|| name.to_owned())
        .ok_or_else(|| "use 1 to 63 of A-Z, a-z, 0-9, '.', '_' and '-'".to_owned())
}

/// A cluster, and the names of its backends.
#[derive(Debug)]
pub struct Backends {
    /// The cluster.
    pub cluster: Cluster,
    killed: BTreeMap<String, Ipv4Addr>,
    named: u32,
}

impl Backends {
    /// Starts with no backends.
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

    /// Removes a backend from the list; the caller stops it.
    pub fn take(&mut self, name: &str) -> Result<Backend> {
        self.cluster.take(name)
    }

    /// Kills a backend with SIGKILL.
    pub fn kill(&mut self, name: &str) -> Result<()> {
        let mut backend = self.cluster.take(name)?;
        backend.kill9();
        self.killed.insert(backend.name.clone(), backend.address);
        Ok(())
    }

    /// Sets a backend's tag state=drain.
    pub fn drain(&mut self, name: &str) -> Result<()> {
        let run = self.cluster.run().clone();
        self.cluster.backend(name)?.drain(&run)
    }
}
