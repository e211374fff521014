//! One or two real HAProxys with a backend of eight slow servers, four of them in service, and looks at them.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use common::replace::replace;
use harness::daemons::counting_server::CountingServer;
use harness::daemons::haproxy::{Haproxy, Mode};
use harness::network::subnet::Subnet;
use harness::run::Run;
use harness::run::{poll, programs};
use harness::{Result, system};

use crate::judging::verdict::Verdict;
use crate::proofs::autoscale::real::held_load::HeldLoad;

/// Servers that carry the load.
pub const CARRY: u32 = 4;
/// The bounds, and what a server carries.
pub const MIN: u32 = 2;
/// The most servers.
pub const MAX: u32 = 8;
const TARGET: usize = 5;
const SOON: Duration = Duration::from_secs(20);

/// What a look printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// The exit code.
    pub code: i32,
    /// The number.
    pub wanted: Option<u32>,
    /// What it reported on stderr.
    pub complaint: String,
}

/// The balancers and the servers.
pub struct ScaledBackend {
    /// The balancers. They have half of the load each.
    pub haproxies: Vec<Haproxy>,
    /// The load, which four servers carry.
    pub load: Vec<HeldLoad>,
    subnet: Subnet,
    _servers: Vec<CountingServer>,
    // The last field, because dropping it ends all processes of the run.
    run: Run,
}

impl ScaledBackend {
    /// Starts so many balancers, and waits until all of the load is in the backend.
    pub fn start(balancers: u8) -> Result<ScaledBackend> {
        let (run, subnet) = (Run::new()?, Subnet::claim()?);
        let server = |number| CountingServer::start((subnet.host(10 + number), 8000).into());
        let servers = (1..=MAX as u8).map(server).collect::<Result<_>>()?;
        let mut backend =
            ScaledBackend { haproxies: Vec::new(), load: Vec::new(), subnet, _servers: servers, run };
        for number in 0..balancers {
            backend.start_haproxy(number)?;
        }
        backend.load_with(CARRY as usize * TARGET)?;
        Ok(backend)
    }

    /// Starts a balancer, again if it was stopped.
    pub fn start_haproxy(&mut self, number: u8) -> Result<()> {
        let (config, socket) = (self.run.join(&format!("haproxy-{number}.cfg")), self.socket(number));
        replace(&config, self.text(number).as_bytes(), 0o644).map_err(system("write", config.display()))?;
        let name = format!("haproxy-{number}");
        let haproxy = Haproxy::start(&self.run, &name, &config, Mode::MasterSocket, Some(&socket))?;
        if self.haproxies.len() > number.into() {
            self.haproxies[usize::from(number)] = haproxy;
        } else {
            self.haproxies.push(haproxy);
        }
        Ok(())
    }

    fn text(&self, number: u8) -> String {
        let server = |server: u32| {
            let state = if server > CARRY { "disabled" } else { "" };
            format!("  server s{server} {}:8000 check {state}\n", self.subnet.host(10 + server as u8))
        };
        let servers: String = (1..=MAX).map(server).collect();
        format!(
            "global\n  stats socket {} mode 666 level admin\n  hard-stop-after 10s\ndefaults\n  mode http\n  \
             timeout client 10s\n  timeout server 10s\n  timeout connect 1s\nfrontend web\n  bind {}\n  \
             default_backend nodes\nbackend nodes\n  balance leastconn\n{servers}",
            self.socket(number).display(),
            self.front(number),
        )
    }

    /// Replaces the load by so many visitors, and waits until they are all in the backend.
    pub fn load_with(&mut self, visitors: usize) -> Result<()> {
        self.load.clear();
        let balancers = self.haproxies.len();
        self.load = (0..balancers as u8)
            .map(|number| HeldLoad::start(self.front(number), visitors / balancers))
            .collect();
        poll::try_until(SOON, "the load in the backend", || {
            Ok((self.sessions()? >= visitors as u64).then_some(()))
        })
    }

    fn sessions(&self) -> Result<u64> {
        let mut sessions = 0;
        for haproxy in &self.haproxies {
            let rows = haproxy.show_stat()?;
            let row = rows.iter().find(|row| row["pxname"] == "nodes" && row["svname"] == "BACKEND");
            sessions += row.and_then(|row| row["scur"].parse::<u64>().ok()).unwrap_or(0);
        }
        Ok(sessions)
    }

    fn front(&self, number: u8) -> SocketAddr {
        (self.subnet.host(1 + number), 8080).into()
    }

    /// A balancer's stats socket.
    pub fn socket(&self, number: u8) -> PathBuf {
        self.run.join(&format!("admin-{number}.sock"))
    }

    /// The run that owns all of this.
    pub fn run(&self) -> &Run {
        &self.run
    }

    /// The arguments of each look: short windows, so that a number that may go down does so soon.
    pub fn arguments(&self) -> Vec<String> {
        let mut arguments = vec!["--backend=nodes".to_owned(), format!("--target={TARGET}")];
        let sockets = (0..self.haproxies.len() as u8).map(|number| self.socket(number));
        arguments.extend(sockets.map(|socket| format!("--socket={}", socket.display())));
        arguments.extend([format!("--min={MIN}"), format!("--max={MAX}")]);
        let times = ["--timeout=300ms", "--down-window=1s", "--down-period=0s", "--up-period=1s"];
        arguments.extend(times.map(str::to_owned));
        arguments
    }

    /// A command that looks, with this state file.
    pub fn command(&self, state: &Path) -> Result<Command> {
        let mut command = Command::new(programs::bin_dir()?.join("autoscale"));
        command.args(self.arguments()).arg("--state").arg(state).stdin(Stdio::null());
        self.run.adopt(&mut command);
        Ok(command)
    }

    /// Looks once.
    pub fn look(&self, state: &Path) -> Result<Look> {
        outcome(self.command(state)?)
    }

    /// Waits until the number is this one; the last look may end with any code.
    pub fn wait_for(&self, state: &Path, wanted: u32) -> Result<()> {
        poll::try_until(SOON, &format!("the number {wanted}"), || {
            Ok((self.look(state)?.wanted == Some(wanted)).then_some(()))
        })
    }
}

/// Runs a look to its end.
pub fn outcome(mut command: Command) -> Result<Look> {
    let output = command.output().map_err(system("run", "autoscale"))?;
    let wanted = String::from_utf8_lossy(&output.stdout).trim().parse().ok();
    let complaint = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Ok(Look { code: output.status.code().unwrap_or(-1), wanted, complaint })
}

/// Checks a look under the load: an expected exit code, and a number that carries the load and is within the bounds.
pub fn judge(verdict: &mut Verdict, at: &str, look: &Look, codes: &[i32]) {
    let is_number_right = look.wanted.is_none_or(|wanted| (CARRY..=MAX).contains(&wanted));
    // Without a number the caller changes nothing.
    let is_number_there = look.wanted.is_some() || look.code != 0;
    let is_right = codes.contains(&look.code) && is_number_right && is_number_there;
    verdict.check(is_right, &format!("{at}: {look:?}"));
}
