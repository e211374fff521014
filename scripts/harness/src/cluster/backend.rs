//! A backend: the web app and the Serf agent that announces it, on one address.
//!
//! The app starts first and the agent stops first, so the backend is announced only while it serves. A backend needs
//! only an address to join.

use std::net::Ipv4Addr;
use std::time::Instant;

use crate::daemons::serf;
use crate::daemons::serf::Agent;
use crate::daemons::webapp;
use crate::daemons::webapp::WebApp;
use crate::run::Run;
use crate::run::error::Result;

/// A running backend. When dropped, it leaves and stops.
#[derive(Debug)]
pub struct Backend {
    /// Its name.
    pub name: String,
    /// Its address.
    pub address: Ipv4Addr,
    /// When its agent was started.
    pub announced: Instant,
    /// Its agent. It comes before the app because fields are dropped in order and the agent must leave first.
    pub agent: Agent,
    /// Its web app.
    pub app: WebApp,
}

/// The settings of a backend's agent, which announces its role and port.
pub fn settings(name: &str, address: Ipv4Addr, seeds: &[Ipv4Addr]) -> serf::Settings {
    let settings =
        serf::Settings::new(name, address).tag("role", "backend").tag("port", &webapp::PORT.to_string());
    // Without this, a new member with the name of a dead one loses Serf's vote on the name and ends.
    settings.retry_join(seeds).set("disable_name_resolution", true)
}

impl Backend {
    /// Starts the app, and once it is healthy the agent, which joins `seeds`.
    pub fn start(run: &Run, name: &str, address: Ipv4Addr, seeds: &[Ipv4Addr]) -> Result<Backend> {
        Backend::start_with(run, name, address, settings(name, address, seeds))
    }

    /// Like `start`, with other settings of the agent.
    pub fn start_with(run: &Run, name: &str, address: Ipv4Addr, settings: serf::Settings) -> Result<Backend> {
        Backend::announce(run, name, address, WebApp::start(run, name, address)?, settings)
    }

    /// Like `start_with`, for a web app that is already healthy at that address.
    pub fn announce(
        run: &Run,
        name: &str,
        address: Ipv4Addr,
        app: WebApp,
        settings: serf::Settings,
    ) -> Result<Backend> {
        let announced = Instant::now();
        let agent = settings.start(run)?;
        Ok(Backend { name: name.to_owned(), address, announced, app, agent })
    }

    /// Leaves in order: runs `serf leave`, then stops the app, which drains before it ends.
    pub fn stop(&mut self, run: &Run) -> Result<()> {
        self.agent.leave(run)?;
        self.app.stop()?;
        Ok(())
    }

    /// Kills both with SIGKILL, app first, as when the machine dies.
    pub fn kill9(&mut self) {
        self.app.kill9();
        self.agent.kill9();
    }

    /// Sets a tag that keeps the balancer from sending it new sessions.
    pub fn drain(&self, run: &Run) -> Result<()> {
        self.agent.set_tag(run, "state", "drain")
    }
}
