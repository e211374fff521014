//! A balancer with many servers and a handler; one server joins and leaves in turn.
//!
//! `scripts/serf-handler` and the handler in shell use the same HAProxy and the same configuration. Both check the
//! file with `haproxy -c`, and after each change HAProxy is asked whether it has the server. Beside
//! `scripts/serf-handler`, `scripts/reconcile` runs on its timer, and asks for the whole membership, which the fake Serf
//! returns.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use common::node::{Node, Tags};
use common::records::read_all;
use common::replace::replace;
use harness::cluster::balancer::{self, Balancer};
use harness::daemons::haproxy::{Haproxy, Mode};
use harness::network::subnet::Subnet;
use harness::run::Run;
use harness::run::{poll, programs};
use harness::{Error, Result};

use crate::results::timed_run::{TimedRun, system};
use crate::setups::fake_serf::FakeSerf;
use crate::setups::node_records::{NodeRecords, payload};
use crate::setups::rare_checks_template;
use crate::setups::reconcile_timer::ReconcileTimer;

const SERVER: &str = "    server ";
/// The server that joins and leaves. Its address is beyond those of the pool.
const NEWCOMER: (&str, &str) = ("newcomer", "127.203.0.1");
const SETTLED: Duration = Duration::from_secs(30);
/// Servers in a shard.
pub const SHARD: usize = 1_000;

/// How the servers are arranged in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// All in one backend, as in the shipped template.
    OneBackend,
    /// A thousand servers in each backend.
    Shards,
}

/// A balancer with this number of servers, and one of the two handlers.
pub struct BalancerWithHandler {
    /// HAProxy.
    pub haproxy: Haproxy,
    /// How long it took to start.
    pub started_in: Duration,
    /// The balancer, without its HAProxy.
    pub balancer: Balancer,
    program: PathBuf,
    handler: TimedRun,
    timer: Option<ReconcileTimer>,
    standin: Option<FakeSerf>,
    nodes: Vec<Node>,
    is_there: bool,
    event: PathBuf,
    _net: Subnet,
    // The last field, because dropping it ends all processes of the run.
    run: Arc<Run>,
}

impl BalancerWithHandler {
    /// A balancer with this HAProxy and `scripts/serf-handler`. HAProxy runs in the mode that Debian uses.
    pub fn ours(program: &Path, count: usize, layout: Layout) -> Result<BalancerWithHandler> {
        let (run, net, mut balancer) = rendered(count, layout)?;
        balancer.set_env("ROLLCALL_HAPROXY", program);
        let standin = FakeSerf::new(run.join("bin"))?;
        balancer.set_env("PATH", standin.path());
        let handler = TimedRun::new(programs::shipped("scripts/serf-handler"), [] as [&str; 0]);
        let handler = handler.with(|command| balancer.with_environment(run.adopt(command)));
        // Serf sets it for its handlers.
        let handler = handler.env("SERF_SELF_NAME", balancer::NAME);
        let timer = ReconcileTimer::new(&run, &balancer);
        let config = balancer.config();
        let started = (program, config.as_path(), Mode::MasterSocket);
        let mut site = BalancerWithHandler::new(run, net, balancer, handler, started)?;
        (site.timer, site.standin) = (Some(timer), Some(standin));
        site.answer()?;
        // After this, reload-haproxy has a note of the file that HAProxy has loaded.
        site.reloading("master")?.time(None)?;
        Ok(site)
    }

    /// A balancer with this HAProxy and the handler in shell; `arguments` are the options of `shell-handler`.
    pub fn shell(program: &Path, count: usize, arguments: &[&str]) -> Result<BalancerWithHandler> {
        let (run, net, balancer) = rendered(count, Layout::OneBackend)?;
        let path = balancer.config();
        let text = fs::read_to_string(&path).map_err(system("read", &path))?;
        let (template, config) = (run.join("haproxy.cfg.template"), run.join("haproxy.cfg"));
        for (path, text) in [(&template, without_servers(&text)), (&config, text)] {
            replace(path, text.as_bytes(), 0o600).map_err(system("write", path))?;
        }
        write_for_shell(&run, &records(&balancer)?)?;
        let handler = TimedRun::new(programs::shipped("scripts/bench.d/shell-handler"), arguments);
        let handler = handler.with(|command| run.adopt(command).arg(run.path()));
        let handler = handler.env("PATH", first_in_path(program));
        BalancerWithHandler::new(run, net, balancer, handler, (program, &config, Mode::Classic))
    }

    fn new(
        run: Arc<Run>,
        net: Subnet,
        balancer: Balancer,
        handler: TimedRun,
        (program, config, mode): (&Path, &Path, Mode),
    ) -> Result<BalancerWithHandler> {
        let (begun, admin) = (Instant::now(), balancer.admin_socket());
        let haproxy = Haproxy::start_program(program, &run, "haproxy", config, mode, Some(&admin))?;
        let started_in = begun.elapsed();
        let mut nodes = records(&balancer)?;
        let tags = [("port", "3000"), ("role", "backend"), ("shard", "0"), ("weight", "100")];
        let tags: Tags = tags.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        let newcomer = Node::new(NEWCOMER.0, NEWCOMER.1, tags);
        nodes.push(newcomer.expect("name, address and tags pass the whitelists"));
        let event = run.join("event");
        replace(&event, payload(&nodes[nodes.len() - 1]).as_bytes(), 0o600)
            .map_err(system("write", &event))?;
        let (timer, standin, is_there, _net) = (None, None, false, net);
        Ok(BalancerWithHandler {
            haproxy,
            started_in,
            balancer,
            program: program.to_owned(),
            handler,
            timer,
            standin,
            nodes,
            is_there,
            event,
            _net,
            run,
        })
    }

    /// Makes the next change with the handler; returns how long that took. If it is time, `scripts/reconcile` runs
    /// before; that is not measured.
    pub fn change(&mut self) -> Result<Duration> {
        self.timer.as_mut().map_or(Ok(()), ReconcileTimer::run_if_due)?;
        self.turn()?;
        let_pass(&self.balancer.nodes_dir(), NEWCOMER.0);
        self.handler.set_env("SERF_EVENT", self.event_name());
        let took = self.handler.time(Some(&self.event))?;
        self.settled()?;
        Ok(took)
    }

    /// Begins the next change without calling the handler: the caller runs the steps one after the other.
    pub fn turn(&mut self) -> Result<()> {
        self.is_there = !self.is_there;
        self.answer()
    }

    /// Makes the fake Serf print the current members.
    fn answer(&self) -> Result<()> {
        if let Some(standin) = &self.standin {
            let count = self.nodes.len() - usize::from(!self.is_there);
            standin.answer(self.nodes[..count].iter().map(|node| (node, "alive")))?;
        }
        Ok(())
    }

    /// Waits until HAProxy has the change. A HAProxy started with -sf may answer at its socket a moment later; that
    /// time is not measured.
    pub fn settled(&self) -> Result<()> {
        poll::until(SETTLED, "HAProxy to have the change", || {
            let servers = self.haproxy.servers().ok()?;
            let mut served = servers.iter().filter(|server| !server.is_in_maintenance());
            (served.any(|server| server.name == NEWCOMER.0) == self.is_there).then_some(())
        })
    }

    fn event_name(&self) -> &'static str {
        if self.is_there { "member-join" } else { "member-leave" }
    }

    /// The event for the change.
    pub fn event(&self) -> &Path {
        &self.event
    }

    /// Runs member-join or member-leave for the change; its stdin is the event.
    pub fn recording(&self) -> Result<TimedRun> {
        let step = TimedRun::new(programs::bin_dir()?.join(self.event_name()), ["--role", "backend"]);
        Ok(step.env("NODES_DIR", self.balancer.nodes_dir()).env("SERF_EVENT", self.event_name()))
    }

    /// Runs render-cfg, without a check.
    pub fn rendering(&self) -> Result<TimedRun> {
        Ok(TimedRun::of(self.balancer.render_command()?))
    }

    /// Runs `haproxy -c` on the file.
    pub fn checking(&self) -> Result<TimedRun> {
        Ok(TimedRun::new(&self.program, ["-c", "-q", "-f"])
            .with(|command| command.arg(self.balancer.config())))
    }

    /// Runs reload-haproxy with this method.
    pub fn reloading(&self, method: &str) -> Result<TimedRun> {
        let step = TimedRun::new(
            programs::bin_dir()?.join("reload-haproxy"),
            ["--timeout", "120s", "--method", method],
        );
        let (config, state) = (self.balancer.config(), self.balancer.directory().join("state"));
        Ok(step.with(|command| {
            self.run.adopt(command).arg("--config").arg(config).arg("--state-dir").arg(state)
        }))
    }
}

/// A balancer with its configuration rendered from this number of records, and nothing running.
pub fn rendered(count: usize, layout: Layout) -> Result<(Arc<Run>, Subnet, Balancer)> {
    let (run, net) = (Arc::new(Run::new()?), Subnet::claim()?);
    let mut balancer = Balancer::new(Arc::clone(&run), net.next_host())?;
    if layout == Layout::OneBackend {
        balancer.set_env("ROLLCALL_TEMPLATE", rare_checks_template::template(&run)?);
        NodeRecords::fill(&balancer.nodes_dir(), count)?;
    } else {
        balancer.set_env("ROLLCALL_TEMPLATE", rare_checks_template::in_shards(&run)?);
        let shards = count.div_ceil(SHARD);
        balancer.add_setting("shards", shards.to_string());
        let shard = |number: usize| vec![("shard", (number % shards).to_string())];
        NodeRecords::fill_with(&balancer.nodes_dir(), count, &shard)?;
    }
    let mut command = balancer.render_command()?;
    harness::run::process::output(&run, &mut command)?;
    Ok((run, net, balancer))
}

/// Makes the record of a node old, if there is one, as if minutes had passed since it joined.
pub fn let_pass(nodes: &Path, name: &str) {
    if let Ok(record) = File::open(nodes.join(format!("{name}.json"))) {
        // If this fails, the handler asks for the list, and the figure is higher.
        let _ = record.set_modified(SystemTime::now() - Duration::from_secs(300));
    }
}

fn records(balancer: &Balancer) -> Result<Vec<Node>> {
    let (nodes, _) = read_all(&balancer.nodes_dir()).map_err(|err| Error::Unfit(err.to_string()))?;
    Ok(nodes)
}

/// Writes the records of the handler in shell. A shell does it, because ours would sync each of them.
fn write_for_shell(run: &Run, nodes: &[Node]) -> Result<()> {
    const WRITE: &str =
        "mkdir nodes; while read -r name address; do echo \"$name $address\" >\"nodes/$name\"; done";
    let list = run.join("list");
    let text: String = nodes.iter().map(|node| format!("{} {}\n", node.name, node.address)).collect();
    replace(&list, text.as_bytes(), 0o600).map_err(system("write", &list))?;
    let mut write = TimedRun::new("sh", ["-euc", WRITE]).with(|command| command.current_dir(run.path()));
    write.time(Some(&list)).map(drop)
}

/// `PATH` with this program's directory first.
fn first_in_path(program: &Path) -> OsString {
    let mut path = program.parent().unwrap_or(program).as_os_str().to_owned();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    path
}

/// The configuration with the line `@SERVERS@` in place of all its servers.
fn without_servers(text: &str) -> String {
    let mut lines: Vec<&str> = Vec::new();
    for line in text.lines() {
        match (line.starts_with(SERVER), lines.last()) {
            (true, Some(&"@SERVERS@")) => {}
            (true, _) => lines.push("@SERVERS@"),
            (false, _) => lines.push(line),
        }
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_servers_become_one_line() {
        let text = "backend b\n    server a 1\n    server b 2\n\nfrontend f\n";
        assert_eq!(without_servers(text), "backend b\n@SERVERS@\n\nfrontend f\n");
    }
}
