//! A Consul agent in development mode at its own address, and a watch that runs a handler.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::run::Run;
use crate::run::daemon::Daemon;
use crate::run::error::{Result, system};
use crate::run::process;
use crate::run::{poll, programs};

/// It elects itself leader first.
const READY: Duration = Duration::from_secs(30);

/// A running agent, which is its own server. It keeps nothing on disk.
#[derive(Debug)]
pub struct Consul {
    address: Ipv4Addr,
    /// Its process.
    pub daemon: Daemon,
}

impl Consul {
    /// Starts an agent of the node `name` at `address` and waits until it has registered its node.
    pub fn start(run: &Run, name: &str, address: Ipv4Addr) -> Result<Consul> {
        let mut command = Command::new(programs::find("consul")?);
        let at = address.to_string();
        command.args(["agent", "-dev", "-node", name, "-bind", &at, "-client", &at]);
        // It serves no DNS and no gRPC.
        command.args(["-dns-port=-1", "-grpc-port=-1", "-log-level=warn"]);
        let mut consul = Consul { address, daemon: Daemon::start(run, "consul", command)? };
        poll::try_until(READY, "the Consul agent", || {
            consul.daemon.check()?;
            let nodes = consul.command(run, &["catalog", "nodes"]).unwrap_or_default();
            Ok(String::from_utf8_lossy(&nodes).contains(name).then_some(()))
        })?;
        Ok(consul)
    }

    /// Registers a service, given as Consul's configuration files have it, or replaces the one with its id.
    pub fn register(&self, run: &Run, service: &Value) -> Result<()> {
        let file = run.join("service.json");
        let json = serde_json::json!({ "service": service }).to_string();
        common::replace::replace(&file, json.as_bytes(), 0o600).map_err(system("write", file.display()))?;
        self.command(run, &["services", "register", &file.display().to_string()]).map(drop)
    }

    /// Removes the service with this id.
    pub fn deregister(&self, run: &Run, id: &str) -> Result<()> {
        self.command(run, &["services", "deregister", "-id", id]).map(drop)
    }

    /// Takes the service with this id out of service.
    pub fn maintain(&self, run: &Run, id: &str) -> Result<()> {
        self.command(run, &["maint", "-enable", "-service", id]).map(drop)
    }

    /// Starts `consul watch` for a service, with a handler that runs in a shell.
    pub fn watch(&self, run: &Run, service: &str, handler: &str, path: &str) -> Result<Daemon> {
        let mut command = Command::new(programs::find("consul")?);
        command.args(["watch", "-type=service", "-service", service, handler]);
        command.env("CONSUL_HTTP_ADDR", self.http()).env("PATH", path);
        Daemon::start(run, "consul-watch", command)
    }

    fn command(&self, run: &Run, arguments: &[&str]) -> Result<Vec<u8>> {
        let mut command = Command::new(programs::find("consul")?);
        command.args(arguments).env("CONSUL_HTTP_ADDR", self.http()).current_dir(Path::new("/"));
        process::output(run, &mut command)
    }

    fn http(&self) -> String {
        format!("{}:8500", self.address)
    }
}
