//! A slot for a backend: a network namespace in which a backend starts, leaves, crashes and moves as a machine or a
//! container does.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use harness::cluster::backend;
use harness::cluster::backend::Backend;
use harness::daemons::webapp::WebApp;
use harness::network::namespace::Network;
use harness::run::Run;
use harness::run::poll;
use harness::{Error, Result};

/// The balancer's address.
pub const BALANCER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
/// How long a backend keeps serving after its leave (docs/installation.md, step 8).
const SERVES_ON: Duration = Duration::from_secs(5);
/// How many addresses a slot uses in turn. By the time that one is used again, Serf has forgotten its last member.
const ADDRESSES: usize = 20;

/// A slot, and its backend.
#[derive(Debug)]
pub struct BackendSlot {
    run: Arc<Run>,
    network: Arc<Network>,
    number: usize,
    /// The namespace.
    pub namespace: String,
    names: usize,
    addresses: usize,
    /// How long Serf remembers a member that has gone; `None` for the default, a day.
    forgotten: Option<&'static str>,
    /// The backend in the slot.
    pub backend: Option<Backend>,
    /// Whether its tag asks the balancer not to send it new sessions.
    pub is_drained: bool,
}

impl BackendSlot {
    /// An empty slot.
    pub fn new(
        run: Arc<Run>,
        network: Arc<Network>,
        number: usize,
        forgotten: Option<&'static str>,
    ) -> Result<BackendSlot> {
        let namespace = format!("b{number}");
        let mut slot = BackendSlot {
            run,
            network,
            number,
            namespace,
            names: 0,
            addresses: 0,
            forgotten,
            backend: None,
            is_drained: false,
        };
        slot.network.add(&slot.namespace, slot.address())?;
        slot.names = 1;
        Ok(slot)
    }

    /// The address of the next backend.
    fn address(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 77, self.number as u8, (self.addresses % ADDRESSES + 1) as u8)
    }

    fn name(&self) -> String {
        format!("b{}-{}", self.number, self.names)
    }

    /// The name of its backend.
    pub fn whose(&self) -> Result<&str> {
        self.here().map(|backend| backend.name.as_str())
    }

    fn here(&self) -> Result<&Backend> {
        self.backend.as_ref().ok_or_else(|| Error::Unfit(format!("no backend is at {}", self.namespace)))
    }

    fn gone(&mut self) -> Result<Backend> {
        let backend = self.backend.take();
        self.is_drained = false;
        backend.ok_or_else(|| Error::Unfit(format!("no backend is at {}", self.namespace)))
    }

    /// Starts a backend: the web app, then the agent.
    pub fn join(&mut self) -> Result<()> {
        let (name, address) = (self.name(), self.address());
        let mut settings = backend::settings(&name, address, &[BALANCER]).within(&self.namespace);
        if let Some(time) = self.forgotten {
            settings = settings.set("reconnect_timeout", time).set("tombstone_timeout", time);
        }
        let app = WebApp::start_within(&self.run, &self.namespace, &name, address)?;
        let announced = Instant::now();
        let agent = settings.start(&self.run)?;
        self.backend = Some(Backend { name, address, announced, agent, app });
        Ok(())
    }

    /// Makes the backend leave in order: `serf leave`, then the web app keeps serving for a while and ends. True if
    /// Serf's leave was confirmed in time.
    pub fn leave(&mut self) -> Result<bool> {
        let mut backend = self.gone()?;
        let has_left = self.say_goodbye(&mut backend);
        poll::pass(SERVES_ON)?;
        backend.app.stop()?;
        Ok(has_left)
    }

    /// Runs `serf leave`. If no member confirms it in time, Serf gives up and the agent ends anyway.
    fn say_goodbye(&mut self, backend: &mut Backend) -> bool {
        let has_left = backend.agent.leave(&self.run).is_ok();
        if !has_left {
            backend.agent.kill9();
            self.names += 1;
        }
        has_left
    }

    /// Gives the next backend another name.
    pub fn rename(&mut self) {
        self.names += 1;
    }

    /// Empties the slot; its next backend gets another address.
    pub fn relocate(&mut self) -> Result<()> {
        let old = self.address();
        self.readdress()?;
        self.network.take(&self.namespace, old)
    }

    /// Crashes the backend, if there is one. The next backend gets another name, because Serf does not accept the old
    /// one from another address at once.
    pub fn kill9(&mut self) {
        if let Ok(mut backend) = self.gone() {
            backend.kill9();
            self.names += 1;
        }
    }

    /// Moves the backend to another address under the same name. Its web app keeps serving at the old address for a
    /// while, as after an orderly leave.
    pub fn move_on(&mut self) -> Result<bool> {
        let mut old = self.gone()?;
        let has_left = self.say_goodbye(&mut old);
        let left = Instant::now();
        self.readdress()?;
        self.join()?;
        poll::pass(SERVES_ON.saturating_sub(left.elapsed()))?;
        old.app.stop()?;
        self.network.take(&self.namespace, old.address)?;
        Ok(has_left)
    }

    /// Adds another address, for the next backend, beside the present one.
    fn readdress(&mut self) -> Result<()> {
        self.addresses += 1;
        self.network.give(Some(&self.namespace), self.address())
    }

    /// Sets a tag.
    pub fn tag(&mut self, key: &str, value: &str) -> Result<()> {
        self.here()?.agent.set_tag(&self.run, key, value)?;
        self.is_drained |= key == "state" && value == "drain";
        Ok(())
    }

    /// Makes it accept new sessions again.
    pub fn undrain(&mut self) -> Result<()> {
        self.here()?.agent.delete_tag(&self.run, "state")?;
        self.is_drained = false;
        Ok(())
    }

    /// Makes the backend join the balancer again.
    pub fn rejoin(&self) -> Result<()> {
        self.here()?.agent.join(&self.run, BALANCER)
    }

    /// Cuts its link for this time: no gossip and no request gets through.
    pub fn cut(&self, time: Duration) -> Result<()> {
        self.network.unplug(&self.namespace, self.address())?;
        let passed = poll::pass(time);
        self.network.replug(&self.namespace, self.address())?;
        passed
    }
}
