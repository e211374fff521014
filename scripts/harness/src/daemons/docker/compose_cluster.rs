//! The images of `docker/`, run by a real engine as a user runs them: with the compose file.
//!
//! Every cluster is a separate compose project on free ports of loopback. Only one runs at a time, because its daemons
//! share the machine with the load that counts failed requests.

use std::env;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use serde_json::Value;

use crate::daemons::docker::container::Container;
use crate::daemons::docker::engine::{command, compose_command, docker, is_here};
use crate::daemons::haproxy::{Server, servers_in};
use crate::run::error::{Error, Result};
use crate::run::{poll, programs};
use crate::traffic::http::Client;
use crate::traffic::response::Response;

/// How long a cluster with built images may take until it serves. On an idle machine it takes half of that.
pub const UP: Duration = Duration::from_secs(60);

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// A compose project that is up. Dropping it removes it with its network and volume.
#[derive(Debug)]
pub struct ComposeCluster {
    project: String,
    ports: [u16; 4],
    settings: Vec<(String, String)>,
    _turn: MutexGuard<'static, ()>,
}

impl ComposeCluster {
    /// A cluster that is not running yet; its images are built. `None` if the test is to be skipped (see
    /// `engine::is_here`).
    pub fn new() -> Result<Option<ComposeCluster>> {
        let turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        if !is_here() {
            return Ok(None);
        }
        static NUMBER: Mutex<u32> = Mutex::new(0);
        let mut number = NUMBER.lock().unwrap_or_else(PoisonError::into_inner);
        *number += 1;
        let project = format!("rollcall-test-{}-{number}", std::process::id());
        let cluster = ComposeCluster { project, ports: free_ports()?, settings: Vec::new(), _turn: turn };
        cluster.build()?;
        Ok(Some(cluster))
    }

    /// A cluster with this number of backends, all of them in the pool.
    pub fn serving(backends: usize) -> Result<Option<ComposeCluster>> {
        let Some(cluster) = ComposeCluster::new()? else { return Ok(None) };
        cluster.scale(backends)?;
        cluster.wait_for_up(backends, UP)?;
        Ok(Some(cluster))
    }

    /// Builds the images, once per process. Unchanged layers come from the engine's cache.
    fn build(&self) -> Result<()> {
        static BUILT: OnceLock<()> = OnceLock::new();
        if BUILT.get().is_none() {
            command(Command::new(programs::shipped("docker/base")))?;
            self.compose(&["--profile", "autoscale", "build"])?;
            BUILT.get_or_init(|| ());
        }
        Ok(())
    }

    /// Runs compose on the project, from the tested source tree; returns its stdout.
    pub fn compose(&self, arguments: &[&str]) -> Result<String> {
        self.compose_file(&programs::shipped("docker/docker-compose.yml").display().to_string(), arguments)
    }

    /// Like `compose`, with another compose file.
    pub fn compose_file(&self, file: &str, arguments: &[&str]) -> Result<String> {
        let mut compose = compose_command();
        compose.args(["-f", file, "-p", &self.project]).args(arguments);
        self.set_variables(&mut compose);
        command(compose)
    }

    /// Lets a command that calls compose work on this project.
    pub fn set_environment(&self, command: &mut Command) {
        command.env("COMPOSE_FILE", programs::shipped("docker/docker-compose.yml"));
        command.env("COMPOSE_PROJECT_NAME", &self.project);
        self.set_variables(command);
    }

    fn set_variables(&self, command: &mut Command) {
        for (name, port) in ["HTTP_PORT", "STATS_PORT", "HTTP_PORT_2", "STATS_PORT_2"].iter().zip(self.ports)
        {
            command.env(name, format!("127.0.0.1:{port}"));
        }
        if let Some(socket) =
            env::var_os("DOCKER_HOST").as_ref().and_then(|host| host.to_str()?.strip_prefix("unix://"))
        {
            command.env("DOCKER_SOCKET", socket);
        }
        command.envs(self.settings.iter().cloned());
    }

    /// Sets a variable of the compose file, which the containers get from their next start on.
    pub fn set(&mut self, name: &str, value: &str) {
        self.settings.push((name.to_owned(), value.to_owned()));
    }

    /// Runs `up` with this number of backends.
    pub fn scale(&self, backends: usize) -> Result<()> {
        self.compose(&["up", "-d", "--no-build", "--scale", &format!("webapp={backends}")]).map(drop)
    }

    /// The project's name.
    pub fn project(&self) -> &str {
        &self.project
    }

    /// The image of a service, with the tag that the compose file takes from the environment.
    pub fn image(&self, service: &str) -> String {
        format!("rollcall-{service}:{}", env::var("IMAGE_TAG").unwrap_or_else(|_| "latest".to_owned()))
    }

    /// Its network.
    pub fn network(&self) -> String {
        format!("{}_cluster", self.project)
    }

    /// The address that visitors use.
    pub fn front(&self) -> SocketAddr {
        self.loopback(0)
    }

    /// The address of its stats page.
    pub fn stats(&self) -> SocketAddr {
        self.loopback(1)
    }

    /// The address of the second balancer for visitors, if it runs.
    pub fn second_front(&self) -> SocketAddr {
        self.loopback(2)
    }

    fn loopback(&self, port: usize) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.ports[port]))
    }

    /// The balancer.
    pub fn balancer(&self) -> Result<Container> {
        let mut all = self.containers("ha")?;
        all.pop().ok_or_else(|| Error::Unfit("no balancer is there".to_owned()))
    }

    /// The running backends.
    pub fn backends(&self) -> Result<Vec<Container>> {
        self.containers("webapp")
    }

    /// The running containers of a service.
    pub fn containers(&self, service: &str) -> Result<Vec<Container>> {
        let filters = ["project", "service"].map(|key| format!("label=com.docker.compose.{key}="));
        let project = format!("{}{}", filters[0], self.project);
        let service = format!("{}{service}", filters[1]);
        let ids = docker(&["ps", "-q", "--no-trunc", "--filter", &project, "--filter", &service])?;
        Ok(ids.split_whitespace().map(Container::new).collect())
    }

    /// The output of `reload-haproxy --status` on the balancer; null if there is none.
    pub fn status(&self) -> Value {
        let ask = ["reload-haproxy", "--status", "--json", "--config", "/run/haproxy/haproxy.cfg"];
        // While the balancer is down, so is everything else.
        let said = self.balancer().and_then(|balancer| balancer.exec(&ask));
        said.ok().and_then(|said| serde_json::from_str(&said).ok()).unwrap_or_default()
    }

    /// The servers of the pool, read from the stats page; empty while it does not answer. This costs the machine less
    /// than a command in a container.
    pub fn servers(&self) -> Vec<Server> {
        let page = Client::fresh(self.stats()).get("/stats;csv").and_then(Response::success);
        let mut servers = servers_in(&page.map(|page| page.text()).unwrap_or_default());
        servers.retain(|server| !server.is_in_maintenance());
        servers
    }

    /// How often the balancer's HAProxy has reloaded its file, by HAProxy's own count.
    pub fn reloads(&self) -> Option<u64> {
        self.status()["reloads"].as_u64()
    }

    /// Waits until the pool has exactly this number of servers and all are up.
    pub fn wait_for_up(&self, servers: usize, within: Duration) -> Result<()> {
        let waited = poll::until(within, &format!("{servers} servers to be up"), || {
            let now = self.servers();
            (now.len() == servers && now.iter().all(Server::is_up)).then_some(())
        });
        waited.inspect_err(|_| eprintln!("{}\n{}", self.status(), self.logs()))
    }

    /// The whole output of the containers.
    pub fn logs(&self) -> String {
        self.compose(&["logs", "--no-color"]).unwrap_or_default()
    }
}

impl Drop for ComposeCluster {
    fn drop(&mut self) {
        // An orderly leave is not needed. The engine prints an error for anything that it cannot remove.
        let ids =
            docker(&["ps", "-aq", "--filter", &format!("label=com.docker.compose.project={}", self.project)]);
        for id in ids.unwrap_or_default().split_whitespace() {
            let _ = docker(&["rm", "-f", "-v", id]);
        }
        let _ =
            self.compose(&["--profile", "two", "--profile", "autoscale", "down", "-v", "--remove-orphans"]);
    }
}

/// Free ports of loopback, below the ephemeral ones, which any connection may get. If another program takes one before it
/// is used, `up` fails with an error.
fn free_ports() -> Result<[u16; 4]> {
    let start = std::process::id() % 10_000;
    let ports = (0..10_000).filter_map(|step| u16::try_from(20_000 + (start + step) % 10_000).ok());
    let free = ports.filter(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok());
    let found: Vec<u16> = free.take(4).collect();
    found.try_into().map_err(|_| Error::Unfit("cannot find four free ports: all are taken".to_owned()))
}
