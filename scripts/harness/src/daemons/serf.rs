//! A Serf agent at its own address, and commands for it.
//!
//! The settings are in a configuration file, because half of the important ones (leave_on_terminate,
//! disable_name_resolution, rejoin_after_leave) have no flag. The name is on the command line, where it can be any
//! bytes, even hostile ones.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::network::namespace;
use crate::network::subnet::GOSSIP_PORT;
use crate::run::Run;
use crate::run::daemon::Daemon;
use crate::run::error::system;
use crate::run::error::{Error, Result};
use crate::run::process;
use crate::run::{poll, programs};

/// The port for commands, on each agent's own address.
pub const RPC_PORT: u16 = 7373;
/// All member events.
pub const MEMBER_EVENTS: &str = "member-join,member-leave,member-failed,member-update,member-reap";

const READY: Duration = Duration::from_secs(10);

/// The settings of an agent that has not been started yet.
#[derive(Clone, Debug)]
pub struct Settings {
    name: OsString,
    address: Ipv4Addr,
    config: BTreeMap<&'static str, Value>,
    environment: Vec<(OsString, OsString)>,
    namespace: Option<String>,
}

impl Settings {
    /// An agent `name` at `address`. On SIGTERM it leaves the cluster in order.
    pub fn new(name: impl AsRef<OsStr>, address: Ipv4Addr) -> Settings {
        let settings = Settings {
            name: name.as_ref().to_owned(),
            address,
            config: BTreeMap::new(),
            environment: Vec::new(),
            namespace: None,
        };
        let settings = settings.set("bind", format!("{address}:{GOSSIP_PORT}"));
        let settings = settings.set("rpc_addr", format!("{address}:{RPC_PORT}"));
        settings.set("leave_on_terminate", true).set("tags", json!({}))
    }

    /// Sets any key of Serf's configuration file (`retry_interval`, `profile`, `encrypt_key`, ...).
    pub fn set(mut self, key: &'static str, value: impl Into<Value>) -> Settings {
        self.config.insert(key, value.into());
        self
    }

    /// Sets a tag.
    pub fn tag(mut self, key: &str, value: &str) -> Settings {
        self.config.entry("tags").or_insert_with(|| json!({}))[key] = json!(value);
        self
    }

    /// Joins these once, at the start. If that fails, the agent ends.
    pub fn join(self, seeds: &[Ipv4Addr]) -> Settings {
        self.set("start_join", addresses(seeds))
    }

    /// Joins these, and retries every second until it has succeeded once.
    pub fn retry_join(self, seeds: &[Ipv4Addr]) -> Settings {
        self.set("retry_join", addresses(seeds)).set("retry_interval", "1s")
    }

    /// Runs a program on all member events.
    pub fn handler(self, program: &Path) -> Settings {
        self.set("event_handlers", vec![format!("{MEMBER_EVENTS}={}", program.display())])
    }

    /// Keeps its member list in this file, and rejoins from it.
    pub fn snapshot(self, path: &Path) -> Settings {
        self.set("snapshot_path", path.display().to_string()).set("rejoin_after_leave", true)
    }

    /// Sets an environment variable for its event handlers.
    pub fn env(mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Settings {
        self.environment.push((key.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Runs it in a network namespace (see `network::namespace`).
    pub fn within(mut self, namespace: &str) -> Settings {
        self.namespace = Some(namespace.to_owned());
        self
    }

    /// Starts it and waits until it accepts commands.
    pub fn start(self, run: &Run) -> Result<Agent> {
        let mut agent = self.start_unready(run)?;
        let rpc = agent.rpc();
        poll::try_until(READY, &format!("the Serf agent at {}", agent.address), || {
            agent.daemon.check()?;
            Ok(TcpStream::connect_timeout(&rpc, READY).ok())
        })?;
        Ok(agent)
    }

    /// Starts it without waiting. For agents that are expected to fail.
    pub fn start_unready(self, run: &Run) -> Result<Agent> {
        let label = format!("serf-{}", self.address);
        let file = run.join(&format!("{label}.json"));
        let config = serde_json::to_vec(&self.config).expect("a map with string keys is JSON");
        common::replace::replace(&file, &config, 0o600).map_err(system("write", file.display()))?;
        let mut command = Command::new(programs::find("serf")?);
        command.args(["agent", "-config-file"]).arg(&file).arg("-node").arg(&self.name);
        command.envs(self.environment).env("SERF_RPC_ADDR", format!("{}:{RPC_PORT}", self.address));
        if let Some(namespace) = &self.namespace {
            command = namespace::within(namespace, &command);
        }
        let daemon = Daemon::start(run, &label, command)?;
        Ok(Agent { address: self.address, daemon })
    }
}

fn addresses(seeds: &[Ipv4Addr]) -> Vec<String> {
    seeds.iter().map(|seed| format!("{seed}:{GOSSIP_PORT}")).collect()
}

/// A member as `serf members -format=json` shows it.
#[derive(Clone, Debug, Deserialize)]
pub struct Member {
    /// Its name, with replacement characters for bytes that are not UTF-8.
    pub name: String,
    /// Its address and gossip port.
    pub addr: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// alive, leaving, left or failed.
    pub status: String,
}

/// A running agent. Dropping it makes it leave the cluster and end.
#[derive(Debug)]
pub struct Agent {
    address: Ipv4Addr,
    /// Its process.
    pub daemon: Daemon,
}

impl Agent {
    /// Its address.
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// The address for commands.
    pub fn rpc(&self) -> SocketAddr {
        SocketAddr::from((self.address, RPC_PORT))
    }

    /// All members in its list, unsorted.
    pub fn members(&self, run: &Run) -> Result<Vec<Member>> {
        #[derive(Deserialize)]
        struct List {
            members: Option<Vec<Member>>,
        }
        let output = self.command(run, &["members", "-format=json"])?;
        let list: serde_json::Result<List> = serde_json::from_slice(&output);
        let wrong =
            |err: serde_json::Error| Error::Answer { from: "serf members".into(), reason: err.to_string() };
        Ok(list.map_err(wrong)?.members.unwrap_or_default())
    }

    /// The names of the members with status `alive`, sorted.
    pub fn alive(&self, run: &Run) -> Result<Vec<String>> {
        let members = self.members(run)?.into_iter().filter(|member| member.status == "alive");
        let mut names: Vec<String> = members.map(|member| member.name).collect();
        names.sort_unstable();
        Ok(names)
    }

    /// Waits until exactly this number of members is alive in its list.
    pub fn wait_for_alive(&self, run: &Run, count: usize, within: Duration) -> Result<()> {
        let what = format!("{} to have {count} live members", self.address);
        poll::try_until(within, &what, || Ok((self.alive(run)?.len() == count).then_some(())))
    }

    /// Sets one of its tags.
    pub fn set_tag(&self, run: &Run, key: &str, value: &str) -> Result<()> {
        self.command(run, &["tags", "-set", &format!("{key}={value}")]).map(drop)
    }

    /// Removes one of its tags.
    pub fn delete_tag(&self, run: &Run, key: &str) -> Result<()> {
        self.command(run, &["tags", "-delete", key]).map(drop)
    }

    /// Makes it join a member.
    pub fn join(&self, run: &Run, seed: Ipv4Addr) -> Result<()> {
        self.command(run, &["join", &format!("{seed}:{GOSSIP_PORT}")]).map(drop)
    }

    /// Runs `serf leave` and waits for the end of the agent.
    pub fn leave(&mut self, run: &Run) -> Result<ExitStatus> {
        self.command(run, &["leave"])?;
        self.daemon.wait(READY)
    }

    /// Sends SIGTERM and waits for its end. It leaves in order, unless `leave_on_terminate` was set to false.
    pub fn stop_and_wait(&mut self) -> Result<ExitStatus> {
        self.daemon.stop()
    }

    /// Kills it with SIGKILL. A running handler continues, as in production.
    pub fn kill9(&mut self) {
        self.daemon.kill9();
    }

    /// Runs any command of `serf` with this agent's address; returns its stdout.
    pub fn command(&self, run: &Run, arguments: &[&str]) -> Result<Vec<u8>> {
        let mut command = Command::new(programs::find("serf")?);
        command.args(arguments).env("SERF_RPC_ADDR", self.rpc().to_string());
        process::output(run, &mut command)
    }
}
