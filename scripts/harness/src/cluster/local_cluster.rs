//! A whole cluster: a balancer and any number of backends, each at its own loopback address.
//!
//! The tour, the demo that stays up and the tests of the whole chain all use it, so the demo shows exactly what is
//! tested. A backend that is started again under its old name gets a new address unless one is given, as a container
//! would.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use crate::cluster::backend::Backend;
use crate::cluster::balancer::Balancer;
use crate::daemons::haproxy::{Mode, Server};
use crate::network::subnet::Subnet;
use crate::run::Run;
use crate::run::error::{Error, Result};
use crate::run::{poll, programs};

const BALANCER_HOST: u8 = 1;

/// The time limit for the effect of an event that Serf sends at once: Serf holds an event for up to 3 s, and the rest
/// is for a slow machine.
pub const SOON: Duration = Duration::from_secs(15);
/// The time limit for marking a killed member failed: Serf takes 6 to 8 s, or up to 25 s if few members are left to
/// confirm it.
pub const GIVEN_UP: Duration = Duration::from_secs(45);

/// A balancer and its backends. Dropping it stops everything and removes the run's directory.
#[derive(Debug)]
pub struct Cluster {
    /// The running backends, by name.
    pub backends: BTreeMap<String, Backend>,
    /// The balancer.
    pub balancer: Balancer,
    /// The addresses.
    pub net: Subnet,
    // The last field, because dropping it ends all processes of the run.
    run: Arc<Run>,
}

impl Cluster {
    /// A cluster in a new directory; nothing runs yet.
    pub fn new() -> Result<Cluster> {
        Cluster::on(Run::new()?)
    }

    /// A cluster for a test: a balancer that serves these backends, all of them up. `None` if the test is to be
    /// skipped (see `programs::are_all_here`).
    pub fn serving(names: &[&str]) -> Result<Option<Cluster>> {
        if !programs::are_all_here() {
            return Ok(None);
        }
        let mut cluster = Cluster::new()?;
        cluster.start_balancer()?;
        for name in names {
            cluster.add(name)?;
        }
        cluster.wait_for_servers(names, SOON)?;
        for name in names {
            cluster.wait_for_up(name, SOON)?;
        }
        Ok(Some(cluster))
    }

    /// A cluster in the directory of an existing run.
    pub fn on(run: Run) -> Result<Cluster> {
        let run = Arc::new(run);
        let net = Subnet::claim()?;
        let balancer = Balancer::new(Arc::clone(&run), net.host(BALANCER_HOST))?;
        Ok(Cluster { backends: BTreeMap::new(), balancer, net, run })
    }

    /// Starts the balancer: HAProxy with its master's socket, then the Serf agent.
    pub fn start_balancer(&mut self) -> Result<()> {
        self.balancer.start_haproxy(Mode::MasterSocket)?;
        self.start_agent()
    }

    /// Starts the balancer's agent, which joins the running backends.
    pub fn start_agent(&mut self) -> Result<()> {
        let seeds: Vec<Ipv4Addr> = self.backends.values().map(|backend| backend.address).collect();
        self.balancer.start_agent(&seeds)
    }

    /// The run.
    pub fn run(&self) -> &Arc<Run> {
        &self.run
    }

    /// The address that visitors use.
    pub fn front(&self) -> SocketAddr {
        self.balancer.front()
    }

    /// The address that a backend joins: the balancer's.
    pub fn seeds(&self) -> Vec<Ipv4Addr> {
        vec![self.balancer.address()]
    }

    /// Starts a backend at a new address; returns the address.
    pub fn add(&mut self, name: &str) -> Result<Ipv4Addr> {
        let address = self.net.next_host();
        self.add_at(name, address)?;
        Ok(address)
    }

    /// Starts a backend at this address.
    pub fn add_at(&mut self, name: &str, address: Ipv4Addr) -> Result<()> {
        if self.backends.contains_key(name) {
            return Err(Error::Unfit(format!("cannot add '{name}': it is already running")));
        }
        let backend = Backend::start(&self.run, name, address, &self.seeds())?;
        self.backends.insert(name.to_owned(), backend);
        Ok(())
    }

    /// A running backend.
    pub fn backend(&mut self, name: &str) -> Result<&mut Backend> {
        self.backends.get_mut(name).ok_or_else(|| unknown(name))
    }

    /// Removes a backend from this value without stopping it.
    pub fn take(&mut self, name: &str) -> Result<Backend> {
        self.backends.remove(name).ok_or_else(|| unknown(name))
    }

    /// Makes a backend leave in order, and waits for its end.
    pub fn stop(&mut self, name: &str) -> Result<()> {
        self.take(name)?.stop(&self.run)
    }

    /// Kills a backend's app and agent with SIGKILL.
    pub fn kill9(&mut self, name: &str) -> Result<()> {
        self.take(name)?.kill9();
        Ok(())
    }

    /// The servers that HAProxy has now, without those in maintenance, which have left.
    pub fn servers(&self) -> Result<Vec<Server>> {
        let mut servers = self.balancer.haproxy()?.servers()?;
        servers.retain(|server| !server.is_in_maintenance());
        Ok(servers)
    }

    /// Waits until HAProxy has exactly these servers, sorted by name, regardless of their health.
    pub fn wait_for_servers(&self, names: &[&str], within: Duration) -> Result<()> {
        poll::until(within, &format!("HAProxy to have the servers {names:?}"), || {
            // While HAProxy reloads, its socket may not answer.
            let servers = self.servers().ok()?;
            let mut have: Vec<&str> = servers.iter().map(|server| server.name.as_str()).collect();
            have.sort_unstable();
            (have == names).then_some(())
        })
    }

    /// Waits until a server gets new requests.
    pub fn wait_for_up(&self, name: &str, within: Duration) -> Result<()> {
        poll::until(within, &format!("{name} to be up"), || {
            let servers = self.servers().ok()?;
            servers.iter().any(|server| server.name == name && server.is_up()).then_some(())
        })
    }

    /// Drains a backend by its tag, and waits until HAProxy gives it no new visitors.
    pub fn drain(&self, name: &str) -> Result<()> {
        self.backends[name].drain(self.run())?;
        poll::until(SOON, &format!("{name} to drain"), || {
            let servers = self.servers().ok()?;
            servers.iter().any(|server| server.name == name && server.weight == 0).then_some(())
        })
    }

    /// Lets s3 join, s2 leave and s3 crash, of a cluster that serves s1 and s2. Waits until HAProxy follows each change.
    pub fn join_leave_and_crash(&mut self) -> Result<()> {
        self.add("s3")?;
        self.wait_for_servers(&["s1", "s2", "s3"], SOON)?;
        self.wait_for_up("s3", SOON)?;
        self.stop("s2")?;
        self.wait_for_servers(&["s1", "s3"], SOON)?;
        self.kill9("s3")?;
        self.wait_for_servers(&["s1"], GIVEN_UP)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // An orderly leave would take seconds for each agent, and no other member is left to notice it.
        if let Some(mut agent) = self.balancer.agent.take() {
            agent.kill9();
        }
        self.backends.values_mut().for_each(Backend::kill9);
    }
}

fn unknown(name: &str) -> Error {
    Error::Unfit(format!("no backend '{name}' is running"))
}
