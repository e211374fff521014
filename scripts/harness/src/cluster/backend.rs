//! A backend: the web app and the Serf agent that announces it, on one address.
//!
//! It starts the app first and stops the agent first, so that it is announced only while it serves. A backend has
//! nothing else to do, and needs only an address to join.

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
    /// When the start of its agent began.
    pub announced: Instant,
    /// Its agent, before the app, because fields are dropped in order and the agent must leave first.
    pub agent: Agent,
    /// Its web app.
    pub app: WebApp,
}

/// How a backend announces itself: role and port, and what `more` adds.
pub fn settings(name: &str, address: Ipv4Addr, seeds: &[Ipv4Addr]) -> serf::Settings {
    let settings =
        serf::Settings::new(name, address).tag("role", "backend").tag("port", &webapp::PORT.to_string());
    // Otherwise a new member with the name of a dead one would lose Serf's vote on the name, and end itself.
    settings.retry_join(seeds).set("disable_name_resolution", true)
}

impl Backend {
    /// Starts it: the app, and once that is healthy the agent, which joins `seeds`.
    pub fn start(run: &Run, name: &str, address: Ipv4Addr, seeds: &[Ipv4Addr]) -> Result<Backend> {
        Backend::start_with(run, name, address, settings(name, address, seeds))
    }

    /// The same with an agent of other settings.
    pub fn start_with(run: &Run, name: &str, address: Ipv4Addr, settings: serf::Settings) -> Result<Backend> {
        let app = WebApp::start(run, name, address)?;
        let announced = Instant::now();
        let agent = settings.start(run)?;
        Ok(Backend { name: name.to_owned(), address, announced, app, agent })
    }

    /// Leaves in order: `serf leave`, then the app, which drains before it ends.
    pub fn stop(&mut self, run: &Run) -> Result<()> {
        self.agent.leave(run)?;
        self.app.stop()?;
        Ok(())
    }

    /// kill -9 of both, app first, as when the machine dies.
    pub fn kill9(&mut self) {
        self.app.kill9();
        self.agent.kill9();
    }

    /// Sets a tag with which the balancer sends it no new sessions.
    pub fn drain(&self, run: &Run) -> Result<()> {
        self.agent.set_tag(run, "state", "drain")
    }
}
