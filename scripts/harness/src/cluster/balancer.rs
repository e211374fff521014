//! The balancer: HAProxy, the Serf agent that calls the shipped handler, and the shipped reconcile on a timer.
//!
//! It is set up as docs/installation.md describes: the first configuration is rendered from an empty nodes directory,
//! HAProxy starts on it, and after that only `scripts/serf-handler` and `scripts/reconcile` change anything.

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use crate::cluster::environment::Environment;
use crate::daemons::haproxy::{Haproxy, Mode};
use crate::daemons::serf::{self, Agent};
use crate::network::namespace;
use crate::run::Run;
use crate::run::daemon::Daemon;
use crate::run::error::{Error, Result, system};
use crate::run::timer::Timer;
use crate::run::{process, programs};

/// The port at which the balancer serves.
pub const FRONT_PORT: u16 = 8080;
/// The port of its stats page.
pub const STATS_PORT: u16 = 1936;

/// The name of a balancer, and of its agent, in a run that has only one.
pub const NAME: &str = "balancer";

/// The parts of a balancer. Each can be started and stopped alone.
#[derive(Debug)]
pub struct Balancer {
    run: Arc<Run>,
    name: String,
    address: Ipv4Addr,
    /// The network namespace in which all its parts run.
    namespace: Option<String>,
    directory: PathBuf,
    environment: Environment,
    agent_settings: Vec<(&'static str, serde_json::Value)>,
    timer: Option<Timer>,
    /// The agent, while it runs. It is dropped before HAProxy, so that no handler reloads a stopped HAProxy.
    pub agent: Option<Agent>,
    /// `scripts/watch`, while it runs.
    pub watcher: Option<Daemon>,
    /// HAProxy, while it runs.
    pub haproxy: Option<Haproxy>,
}

impl Balancer {
    /// A balancer at an address; none of its parts runs yet.
    pub fn new(run: Arc<Run>, address: Ipv4Addr) -> Result<Balancer> {
        Balancer::named(run, NAME, address, None)
    }

    /// Like `new`, in a network namespace of the same name (see `network::namespace`). A run may have several.
    pub fn within(run: Arc<Run>, name: &str, address: Ipv4Addr) -> Result<Balancer> {
        Balancer::named(run, name, address, Some(name.to_owned()))
    }

    fn named(run: Arc<Run>, name: &str, address: Ipv4Addr, namespace: Option<String>) -> Result<Balancer> {
        let directory = run.join(name);
        for part in ["nodes", "state"] {
            let path = directory.join(part);
            std::fs::create_dir_all(&path).map_err(system("make", path.display()))?;
        }
        let mut balancer = Balancer {
            run,
            name: name.to_owned(),
            address,
            namespace,
            directory,
            environment: Environment::default(),
            agent_settings: Vec::new(),
            timer: None,
            agent: None,
            watcher: None,
            haproxy: None,
        };
        let set = format!(
            "bind={} stats_bind={} admin_socket={} user= group=",
            balancer.front(),
            balancer.stats(),
            balancer.admin_socket().display()
        );
        let rpc = format!("{address}:{}", serf::RPC_PORT);
        balancer.environment = Environment::of_balancer(name, &balancer.directory, &set, &rpc)?;
        Ok(balancer)
    }

    /// Sets a variable of the shipped scripts, such as ROLLCALL_MIN_NODES, for all programs that are started later.
    pub fn set_env(&mut self, key: &str, value: impl Into<OsString>) {
        self.environment.set(key, value.into());
    }

    /// Adds a setting of the template to the existing ones, for all programs that are started later.
    pub fn add_setting(&mut self, name: &str, value: impl AsRef<OsStr>) {
        let old = self.environment.get("ROLLCALL_SET");
        let set = [old, format!(" {name}=").into(), value.as_ref().into()].join(OsStr::new(""));
        self.set_env("ROLLCALL_SET", set);
    }

    /// Sets a key of the agent's configuration file; the agent uses it from its next start on.
    pub fn set_agent(&mut self, key: &'static str, value: impl Into<serde_json::Value>) {
        self.agent_settings.push((key, value.into()));
    }

    /// Its address.
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// The address at which it serves.
    pub fn front(&self) -> SocketAddr {
        SocketAddr::from((self.address, FRONT_PORT))
    }

    /// The address of its stats page.
    pub fn stats(&self) -> SocketAddr {
        SocketAddr::from((self.address, STATS_PORT))
    }

    /// HAProxy's configuration file.
    pub fn config(&self) -> PathBuf {
        self.directory.join("haproxy.cfg")
    }

    /// The nodes directory.
    pub fn nodes_dir(&self) -> PathBuf {
        self.directory.join("nodes")
    }

    /// The log of the handler and its steps.
    pub fn log_path(&self) -> PathBuf {
        self.directory.join("rollcall.log")
    }

    /// The log of the handler and its steps so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.log_path()).unwrap_or_default()).into_owned()
    }

    /// The socket that takes HAProxy's commands.
    pub fn admin_socket(&self) -> PathBuf {
        self.directory.join("admin.sock")
    }

    /// Renders the configuration from the current nodes directory, and starts HAProxy on it.
    pub fn start_haproxy(&mut self, mode: Mode) -> Result<()> {
        self.render()?;
        let (config, admin) = (self.config(), self.admin_socket());
        let started = match &self.namespace {
            None => Haproxy::start(&self.run, "haproxy", &config, mode, Some(&admin)),
            Some(namespace) => {
                let name = format!("haproxy-{}", self.name);
                Haproxy::start_within(namespace, &self.run, &name, &config, mode, Some(&admin))
            }
        };
        self.haproxy = Some(started?);
        Ok(())
    }

    /// Renders the configuration from the current nodes directory, without a reload.
    pub fn render(&self) -> Result<()> {
        let mut command = self.render_command()?;
        let haproxy = PathBuf::from(self.environment.get("ROLLCALL_HAPROXY"));
        command.arg("--check").arg(format!("{} -c -f {{}}", haproxy.display()));
        process::output(&self.run, &mut command).map(drop)
    }

    /// The configuration rendered from another nodes directory.
    pub fn rendered_from(&self, nodes: &Path) -> Result<String> {
        let mut command = self.rendering()?;
        let text = process::output(&self.run, command.arg("--nodes").arg(nodes))?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// The command that renders the configuration, without a check.
    pub fn render_command(&self) -> Result<Command> {
        let mut command = self.rendering()?;
        command.arg("--output").arg(self.config());
        Ok(command)
    }

    fn rendering(&self) -> Result<Command> {
        let mut command = Command::new(programs::bin_dir()?.join("render-cfg"));
        command.arg("--template").arg(self.environment.get("ROLLCALL_TEMPLATE"));
        command.args(["--set-from", "ROLLCALL_SET", "--vars-from", "ROLLCALL_VARS"]);
        command.arg("--set").arg(format!("self={}", self.name));
        self.with_environment(&mut command);
        Ok(command)
    }

    /// Starts the agent, which calls `scripts/serf-handler`. It retries until it has joined one of `seeds`.
    pub fn start_agent(&mut self, seeds: &[Ipv4Addr]) -> Result<()> {
        let handler = programs::shipped("scripts/serf-handler");
        let mut settings =
            serf::Settings::new(&self.name, self.address).tag("role", "balancer").handler(&handler);
        settings = settings.set("disable_name_resolution", true);
        if let Some(namespace) = &self.namespace {
            settings = settings.within(namespace);
        }
        if !seeds.is_empty() {
            settings = settings.retry_join(seeds);
        }
        for (key, value) in &self.agent_settings {
            settings = settings.set(key, value.clone());
        }
        for (key, value) in self.environment.pairs() {
            settings = settings.env(key, value);
        }
        self.agent = Some(settings.start(&self.run)?);
        Ok(())
    }

    /// The agent; an error if it does not run.
    pub fn agent(&mut self) -> Result<&mut Agent> {
        self.agent.as_mut().ok_or_else(|| Error::Unfit("the balancer's agent is not running".to_owned()))
    }

    /// HAProxy; an error if it does not run.
    pub fn haproxy(&self) -> Result<&Haproxy> {
        self.haproxy.as_ref().ok_or_else(|| Error::Unfit("the balancer's HAProxy is not running".to_owned()))
    }

    /// Runs `scripts/reconcile` once; returns its exit code.
    pub fn reconcile(&self) -> Result<i32> {
        let status = self.reconcile_command().status().map_err(system("run", "scripts/reconcile"))?;
        Ok(status.code().unwrap_or(-1))
    }

    /// Runs `scripts/reconcile` periodically, as cron or a systemd timer would.
    pub fn reconcile_every(&mut self, period: Duration) {
        self.timer = Some(Timer::start(period, self.reconcile_command()));
    }

    /// Stops the timer, and waits for the current run.
    pub fn end_reconciling(&mut self) {
        self.timer = None;
    }

    /// `scripts/reconcile`, without an event.
    pub fn reconcile_command(&self) -> Command {
        let mut command = Command::new(programs::shipped("scripts/reconcile"));
        self.with_environment(&mut command);
        if let Some(namespace) = &self.namespace {
            command = namespace::within(namespace, &command);
        }
        self.run.adopt(&mut command);
        // Ctrl-C must reach only the run, which lets this command finish.
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        command
    }

    /// Starts `scripts/watch`, as a service manager does.
    pub fn start_watcher(&mut self) -> Result<()> {
        let mut command = Command::new(programs::shipped("scripts/watch"));
        self.with_environment(&mut command);
        self.watcher = Some(Daemon::start(&self.run, "watch", command)?);
        Ok(())
    }

    /// Starts `scripts/serf-handler` as Serf does for one event. Its messages go to the log.
    pub fn start_handler(&self, event: &str, payload: &str) -> Result<Child> {
        let mut command = Command::new(programs::shipped("scripts/serf-handler"));
        let command = self.with_environment(self.run.adopt(&mut command));
        command.envs([("SERF_EVENT", event), ("SERF_SELF_NAME", &self.name)]).process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut handler = command.spawn().map_err(system("run", "scripts/serf-handler"))?;
        if let Some(mut stdin) = handler.stdin.take() {
            // A handler that ends early does not read its stdin; its exit code shows that.
            let _ = stdin.write_all(payload.as_bytes());
        }
        Ok(handler)
    }

    /// The exit code of `start_handler`, after its end.
    pub fn handle(&self, event: &str, payload: &str) -> Result<i32> {
        let status = self.start_handler(event, payload)?.wait();
        Ok(status.map_err(system("wait for", "scripts/serf-handler"))?.code().unwrap_or(-1))
    }

    /// The variables of the shipped scripts.
    pub fn environment(&self) -> &[(String, OsString)] {
        self.environment.pairs()
    }

    /// Sets the variables of the shipped scripts for a command.
    pub fn with_environment<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.envs(self.environment.pairs().iter().map(|(key, value)| (key, value)))
    }

    /// Its directory, within the run's.
    pub fn directory(&self) -> &Path {
        &self.directory
    }
}
