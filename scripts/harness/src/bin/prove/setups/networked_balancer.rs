//! A balancer and slots for its backends, each in its own network namespace.
//!
//! The proofs that change the membership and the network use it. The caller's thread is in the balancer's namespace,
//! and so are HAProxy, its agent and the visitors.

use std::sync::Arc;
use std::time::{Duration, Instant};

use harness::cluster::balancer::Balancer;
use harness::daemons::haproxy::{Mode, Server};
use harness::daemons::serf::Member;
use harness::network::namespace::Network;
use harness::run::Run;
use harness::run::poll;
use harness::{Error, Result};

use crate::setups::backend_slot::{BALANCER, BackendSlot};

/// The period of the timer, as in docs/installation.md.
pub const RECONCILE: Duration = Duration::from_secs(15);
/// How long Serf remembers a member that has gone, in a cluster where hundreds of names come and go. It is longer
/// than 30 s: for that time other members still report a member as failed, and the member must be able to answer that
/// it is alive.
pub const FORGOTTEN: &str = "40s";
/// How many backends start at once: more would only slow each other down.
const AT_ONCE: usize = 5;
const STARTED: Duration = Duration::from_secs(60);

/// A balancer and slots for backends. Dropping it ends everything.
#[derive(Debug)]
pub struct NetworkedBalancer {
    /// The slots and their backends.
    pub slots: Vec<BackendSlot>,
    /// The balancer.
    pub balancer: Balancer,
    /// The network.
    pub network: Arc<Network>,
    // The last field, because dropping it ends all processes of the run.
    run: Arc<Run>,
}

impl NetworkedBalancer {
    /// This number of empty slots, and a balancer that is not started. It must be called within `namespace::apart`.
    pub fn new(places: usize, forgotten: Option<&'static str>) -> Result<NetworkedBalancer> {
        let run = Arc::new(Run::new()?);
        let network = Arc::new(Network::new(Arc::clone(&run), BALANCER)?);
        let mut balancer = Balancer::new(Arc::clone(&run), BALANCER)?;
        for key in ["reconnect_timeout", "tombstone_timeout"] {
            forgotten.into_iter().for_each(|time| balancer.set_agent(key, time));
        }
        let slot = |number| BackendSlot::new(Arc::clone(&run), Arc::clone(&network), number, forgotten);
        let slots = (1..=places).map(slot).collect::<Result<_>>()?;
        Ok(NetworkedBalancer { slots, balancer, network, run })
    }

    /// Starts HAProxy, the agent and the timer.
    pub fn start_balancer(&mut self) -> Result<()> {
        self.balancer.start_haproxy(Mode::MasterSocket)?;
        self.balancer.start_agent(&[])?;
        self.balancer.reconcile_every(RECONCILE);
        Ok(())
    }

    /// Starts a backend in every slot, and waits until HAProxy sends requests to all of them.
    pub fn fill(&mut self) -> Result<()> {
        let mut slots = self.slots.iter_mut();
        loop {
            let some: Vec<&mut BackendSlot> = slots.by_ref().take(AT_ONCE).collect();
            if some.is_empty() {
                break;
            }
            std::thread::scope(|scope| {
                let starts: Vec<_> = some.into_iter().map(|slot| scope.spawn(|| slot.join())).collect();
                starts.into_iter().try_for_each(|start| start.join().unwrap_or_else(|_| Err(panicked())))
            })?;
        }
        self.wait_for_up(self.slots.len(), STARTED)
    }

    /// Waits until HAProxy sends requests to this number of servers.
    pub fn wait_for_up(&self, count: usize, within: Duration) -> Result<()> {
        poll::until(within, &format!("{count} servers to be up"), || {
            (self.servers().ok()?.iter().filter(|server| server.is_up()).count() == count).then_some(())
        })
    }

    /// The servers that HAProxy has, without those that have left.
    pub fn servers(&self) -> Result<Vec<Server>> {
        let mut servers = self.balancer.haproxy()?.servers()?;
        servers.retain(|server| !server.is_in_maintenance());
        Ok(servers)
    }

    /// The backends in the list of the balancer's agent, in any state.
    pub fn members(&mut self) -> Result<Vec<Member>> {
        let run = Arc::clone(&self.run);
        let mut members = self.balancer.agent()?.members(&run)?;
        members.retain(|member| member.tags.get("role").is_some_and(|role| role == "backend"));
        Ok(members)
    }

    /// How many backends are alive in the list of the balancer's agent.
    pub fn alive(&mut self) -> Result<usize> {
        Ok(self.members()?.iter().filter(|member| member.status == "alive").count())
    }

    /// Waits until this number of backends is alive in the list of the balancer's agent; returns how long that took.
    pub fn wait_for_alive(&mut self, count: usize, within: Duration) -> Result<Duration> {
        let start = Instant::now();
        let what = format!("{count} backends to be alive for the balancer's agent");
        poll::try_until(within, &what, || Ok((self.alive()? == count).then_some(())))?;
        Ok(start.elapsed())
    }

    /// Stops everything in order, the balancer first.
    pub fn stop(&mut self) -> Result<()> {
        self.balancer.end_reconciling();
        if let Some(mut agent) = self.balancer.agent.take() {
            agent.stop_and_wait()?;
        }
        self.balancer.watcher.take();
        self.balancer.haproxy.take();
        self.slots.iter_mut().for_each(BackendSlot::kill9);
        Ok(())
    }

    /// The run.
    pub fn run(&self) -> &Arc<Run> {
        &self.run
    }
}

impl Drop for NetworkedBalancer {
    fn drop(&mut self) {
        // No other member is left to notice it, so an orderly leave is not needed.
        if let Some(mut agent) = self.balancer.agent.take() {
            agent.kill9();
        }
        self.slots.iter_mut().for_each(BackendSlot::kill9);
    }
}

/// The error for a thread of a proof that panicked; the reason is on stderr.
pub fn panicked() -> Error {
    Error::Unfit("a thread panicked".to_owned())
}
