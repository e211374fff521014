//! One machine of a Swarm: an engine with a network, processes and files of its own.

use std::fs;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use crate::daemons::docker::engine::command;
use crate::daemons::haproxy::{Server, servers_in};
use crate::network::namespace::within;
use crate::run::daemon::Daemon;
use crate::run::error::{Error, Result, system};
use crate::run::{Run, poll, programs};

/// The stack's name.
pub const STACK: &str = "rollcall";

/// How long an engine may take until it answers. On an idle machine it takes a second.
const START: Duration = Duration::from_secs(60);

/// An engine in a namespace. Dropping it ends all its containers.
#[derive(Debug)]
pub struct SwarmNode {
    /// Its name, which is that of its namespace, too.
    pub name: &'static str,
    /// Its address on the segment.
    pub address: Ipv4Addr,
    directory: PathBuf,
    engine: Option<Daemon>,
    run: Arc<Run>,
}

impl SwarmNode {
    pub(super) fn start(run: &Arc<Run>, name: &'static str, address: Ipv4Addr) -> Result<SwarmNode> {
        let directory = run.join(name);
        fs::create_dir(&directory).map_err(system("make", directory.display()))?;
        let mut machine = SwarmNode { name, address, directory, engine: None, run: Arc::clone(run) };
        machine.power_on()?;
        Ok(machine)
    }

    /// Starts the engine, with what it had; `wait_until_it_answers` waits for it.
    pub fn power_on(&mut self) -> Result<()> {
        // The engine is the first process of its namespace: whatever it has started ends with it.
        let script = format!(
            "cd '{}' && rm -rf pid exec && echo '{{}}' >daemon.json && hostname {} && exec '{}' \
             --config-file $PWD/daemon.json --iptables=false --ip6tables=false --bridge=none \
             --data-root $PWD/data --exec-root $PWD/exec -H unix://$PWD/socket -p $PWD/pid",
            self.directory.display(),
            self.name,
            programs::find("dockerd")?.display()
        );
        let mut engine = Command::new("unshare");
        engine.args(["--pid", "--fork", "--kill-child", "--mount-proc", "--uts", "sh", "-c", &script]);
        self.engine = Some(Daemon::start(&self.run, self.name, within(self.name, &engine))?);
        Ok(())
    }

    /// Ends the engine and its containers in an instant, as when the power fails. Its peers get what the kernel sends
    /// for closed connections, unless it was unplugged before.
    pub fn cut_power(&mut self) {
        if let Some(mut engine) = self.engine.take() {
            engine.kill9();
        }
    }

    /// Waits until the engine answers.
    pub fn wait_until_it_answers(&mut self) -> Result<()> {
        poll::try_until(START, &format!("the engine of {}", self.name), || {
            if let Some(engine) = &mut self.engine {
                engine.check()?;
            }
            Ok(self.docker(&["version"]).ok().map(drop))
        })
    }

    /// Lets a command that calls docker ask this engine.
    pub(super) fn aim(&self, mut command: Command) -> Command {
        command.env("DOCKER_HOST", format!("unix://{}/socket", self.directory.display()));
        command
    }

    /// Runs docker on this engine; returns its stdout.
    pub fn docker(&self, arguments: &[&str]) -> Result<String> {
        let mut docker = Command::new("docker");
        docker.args(arguments);
        command(self.aim(docker))
    }

    /// The id of the balancer's container.
    pub fn balancer(&self) -> Result<String> {
        self.containers("ha")?.pop().ok_or_else(|| Error::Unfit(format!("no balancer runs on {}", self.name)))
    }

    /// The ids of the running containers of a service.
    pub fn containers(&self, service: &str) -> Result<Vec<String>> {
        let filter = format!("label=com.docker.swarm.service.name={STACK}_{service}");
        let ids = self.docker(&["ps", "-q", "--no-trunc", "--filter", &filter])?;
        Ok(ids.split_whitespace().map(str::to_owned).collect())
    }

    /// Runs a line of shell in a container; returns its stdout.
    pub fn shell(&self, container: &str, line: &str) -> Result<String> {
        self.docker(&["exec", container, "sh", "-c", line])
    }

    /// How many servers its balancer uses, and how many of them are up.
    pub fn servers_up(&self) -> Result<(usize, usize)> {
        let ask = "exec 3<>/dev/tcp/127.0.0.1/1936; printf 'GET /stats;csv HTTP/1.0\\r\\n\\r\\n' >&3; \
                   sed '1,/^.$/d' <&3";
        let page = self.docker(&["exec", &self.balancer()?, "bash", "-c", ask])?;
        let mut servers = servers_in(&page);
        servers.retain(|server| !server.is_in_maintenance());
        Ok((servers.len(), servers.iter().filter(|server| Server::is_up(server)).count()))
    }
}
