//! The backends of a running demo: their names, and the addresses of those that were killed.
//!
//! A killed backend that is added again gets its old address, as a restarted machine does. At another address, Serf
//! would accept the name only after it has forgotten the dead member, which takes up to a minute.
//!
//! The start of a backend takes time, so it is apart from the list: `reserve`, `Start::run`, `insert`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use harness::cluster::backend;
use harness::cluster::backend::Backend;
use harness::cluster::local_cluster::Cluster;
use harness::daemons::webapp::WebApp;
use harness::run::Run;
use harness::{Error, Result};

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
    delay: Duration,
    killed: BTreeMap<String, Ipv4Addr>,
    starting: BTreeSet<String>,
    // Those in the list and those that start, the oldest first.
    order: Vec<String>,
    named: u32,
}

/// A backend that is about to start.
#[derive(Debug)]
pub struct Start {
    /// Its name.
    pub name: String,
    /// Its address.
    pub address: Ipv4Addr,
    run: Arc<Run>,
    seeds: Vec<Ipv4Addr>,
    delay: Duration,
}

impl Start {
    /// Starts the web app, sets its delay, and announces it.
    pub fn run(&self) -> Result<Backend> {
        let app = WebApp::start(&self.run, &self.name, self.address)?;
        if !self.delay.is_zero() {
            app.set_delay(self.delay)?;
        }
        let settings = backend::settings(&self.name, self.address, &self.seeds);
        Backend::announce(&self.run, &self.name, self.address, app, settings)
    }
}

impl Backends {
    /// Starts with no backends. Each one will take `delay` for an answer.
    pub fn new(cluster: Cluster, delay: Duration) -> Backends {
        Backends {
            cluster,
            delay,
            killed: BTreeMap::new(),
            starting: BTreeSet::new(),
            order: Vec::new(),
            named: 0,
        }
    }

    /// Reserves a name, the next of s1, s2, ... if none is given, and an address. `insert` must follow.
    pub fn reserve(&mut self, name: Option<String>) -> Result<Start> {
        let name = name.unwrap_or_else(|| self.next_name());
        if self.is_taken(&name) {
            return Err(Error::Unfit(format!("cannot add '{name}': it is already running")));
        }
        let address = self.killed.get(&name).copied().unwrap_or_else(|| self.cluster.net.next_host());
        let mut order = std::mem::take(&mut self.order);
        order.retain(|known| self.is_taken(known));
        order.push(name.clone());
        self.order = order;
        self.starting.insert(name.clone());
        let (run, seeds) = (Arc::clone(self.cluster.run()), self.cluster.seeds());
        Ok(Start { name, address, run, seeds, delay: self.delay })
    }

    /// Adds a backend to the list, or, if its start failed, gives its name free.
    pub fn insert(&mut self, name: &str, started: Result<Backend>) -> Result<()> {
        self.starting.remove(name);
        self.cluster.backends.insert(name.to_owned(), started?);
        self.killed.remove(name);
        Ok(())
    }

    fn is_taken(&self, name: &str) -> bool {
        self.cluster.backends.contains_key(name) || self.starting.contains(name)
    }

    fn next_name(&mut self) -> String {
        loop {
            self.named += 1;
            let name = format!("s{}", self.named);
            if !self.is_taken(&name) && !self.killed.contains_key(&name) {
                return name;
            }
        }
    }

    /// How many run or start.
    pub fn count(&self) -> usize {
        self.cluster.backends.len() + self.starting.len()
    }

    /// Removes a backend from the list; the caller stops it.
    pub fn take(&mut self, name: &str) -> Result<Backend> {
        self.cluster.take(name)
    }

    /// Removes the backend that was reserved last.
    pub fn take_newest(&mut self) -> Option<Backend> {
        let mut newest_first = self.order.iter().rev();
        newest_first.find_map(|name| self.cluster.backends.remove(name))
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
