//! A Consul agent, alone in development mode or one of a cluster, and a watch that runs a handler.

use std::ffi::OsString;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::network::namespace;
use crate::run::Run;
use crate::run::daemon::Daemon;
use crate::run::error::{Result, system};
use crate::run::process;
use crate::run::{poll, programs};

/// A leader is elected first.
const READY: Duration = Duration::from_secs(30);

/// How an agent is started.
#[derive(Clone, Debug)]
pub struct Settings {
    name: String,
    address: Ipv4Addr,
    namespace: Option<String>,
    /// Its configuration file. Without one it runs in development mode: it is its own server, and keeps nothing on disk.
    config: Option<Value>,
}

/// A running agent.
#[derive(Debug)]
pub struct Consul {
    address: Ipv4Addr,
    /// Its process.
    pub daemon: Daemon,
}

impl Settings {
    /// An agent of the node `name` in development mode.
    pub fn alone(name: &str, address: Ipv4Addr) -> Settings {
        Settings { name: name.to_owned(), address, namespace: None, config: None }
    }

    /// A client that joins these servers, with Consul's own defaults.
    pub fn client(name: &str, address: Ipv4Addr, servers: &[Ipv4Addr]) -> Settings {
        let config = json!({
            "node_name": name,
            "bind_addr": address,
            "client_addr": address,
            "retry_join": servers,
            "retry_interval": "1s",
            "ports": { "dns": -1 },
            "disable_update_check": true,
            "log_level": "warn",
        });
        Settings { config: Some(config), ..Settings::alone(name, address) }
    }

    /// One of these servers.
    pub fn server(name: &str, address: Ipv4Addr, servers: &[Ipv4Addr]) -> Settings {
        let mut settings = Settings::client(name, address, servers);
        if let Some(config) = &mut settings.config {
            config["server"] = true.into();
            config["bootstrap_expect"] = servers.len().into();
            // As Consul's own advice for a production server.
            config["performance"] = json!({ "raft_multiplier": 1 });
        }
        settings
    }

    /// It runs in a network namespace.
    #[must_use]
    pub fn within(mut self, namespace: &str) -> Settings {
        self.namespace = Some(namespace.to_owned());
        self
    }

    /// It registers a service, given as Consul's configuration files have it.
    #[must_use]
    pub fn service(mut self, service: &Value) -> Settings {
        if let Some(config) = &mut self.config {
            config["services"] = json!([service]);
        }
        self
    }

    /// Starts the agent. An agent of this name that ran before has left its data.
    pub fn start(&self, run: &Run) -> Result<Consul> {
        let mut command = Command::new(programs::find("consul")?);
        match &self.config {
            None => {
                let at = self.address.to_string();
                command.args(["agent", "-dev", "-node", &self.name, "-bind", &at, "-client", &at]);
                // It serves no DNS and no gRPC.
                command.args(["-dns-port=-1", "-grpc-port=-1", "-log-level=warn"]);
            }
            Some(config) => {
                let file = run.join(&format!("consul-{}.json", self.name));
                write(&file, config)?;
                command.arg("agent").arg("-config-file").arg(file);
                command.arg("-data-dir").arg(run.join(&format!("consul-{}-data", self.name)));
            }
        }
        if let Some(namespace) = &self.namespace {
            command = namespace::within(namespace, &command);
        }
        let daemon = Daemon::start(run, &format!("consul-{}", self.name), command)?;
        Ok(Consul { address: self.address, daemon })
    }
}

impl Consul {
    /// Starts an agent in development mode and waits until it has registered its node.
    pub fn start(run: &Run, name: &str, address: Ipv4Addr) -> Result<Consul> {
        let mut consul = Settings::alone(name, address).start(run)?;
        consul.wait_for_node(run, name)?;
        Ok(consul)
    }

    /// Waits until its server knows the node `name`.
    pub fn wait_for_node(&mut self, run: &Run, name: &str) -> Result<()> {
        poll::try_until(READY, &format!("the node {name} in Consul"), || {
            self.daemon.check()?;
            let nodes = self.command(run, &["catalog", "nodes"]).unwrap_or_default();
            Ok(String::from_utf8_lossy(&nodes).contains(name).then_some(()))
        })
    }

    /// Registers a service, given as Consul's configuration files have it, or replaces the one with its id.
    pub fn register(&self, run: &Run, service: &Value) -> Result<()> {
        let file = run.join("service.json");
        write(&file, &json!({ "service": service }))?;
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

    /// Starts `consul watch` for a service, with a handler that runs in a shell with these variables.
    pub fn watch(
        &self,
        run: &Run,
        service: &str,
        handler: &Path,
        environment: &[(String, OsString)],
    ) -> Result<Daemon> {
        let mut command = Command::new(programs::find("consul")?);
        command.args(["watch", "-type=service", "-service", service]).arg(handler);
        command.envs(environment.iter().map(|(key, value)| (key, value)));
        command.env("CONSUL_HTTP_ADDR", self.http());
        Daemon::start(run, "consul-watch", command)
    }

    /// Where its clients ask it.
    pub fn http(&self) -> String {
        format!("{}:8500", self.address)
    }

    fn command(&self, run: &Run, arguments: &[&str]) -> Result<Vec<u8>> {
        let mut command = Command::new(programs::find("consul")?);
        command.args(arguments).env("CONSUL_HTTP_ADDR", self.http()).current_dir(Path::new("/"));
        process::output(run, &mut command)
    }
}

fn write(file: &Path, value: &Value) -> Result<()> {
    common::replace::replace(file, value.to_string().as_bytes(), 0o600)
        .map_err(system("write", file.display()))
}
