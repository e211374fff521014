//! A server joins or leaves under load, in three ways: by commands, by a reload through the master's socket, and by a
//! second HAProxy with `-sf`.
//!
//! It counts what visitors notice: failed requests, and connections that they had to open again. Half of the visitors
//! keep their connections.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::node::{Node, Tags};
use common::nodes_directory::NodesDir;
use harness::cluster::balancer::Balancer;
use harness::daemons::haproxy::Mode;
use harness::daemons::webapp::WebApp;
use harness::network::subnet::Subnet;
use harness::run::Run;
use harness::run::{poll, programs};
use harness::traffic::load::{Load, Rate, Sample};
use harness::{Error, Result};

use crate::results::sampling::median;
use crate::results::timed_run::TimedRun;

const APPS: usize = 3;
const RATE: Rate = Rate { visitors: 20, every: Duration::from_millis(20) };
/// The time between two changes: long enough for a few requests on every kept connection.
const BETWEEN: Duration = Duration::from_millis(150);
const UP: Duration = Duration::from_secs(10);

/// How HAProxy is switched to another file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// reload-haproxy changes servers by commands.
    Commands,
    /// reload-haproxy reloads through the master's socket.
    Reload,
    /// A check, then a second HAProxy with `-sf`.
    Finish,
}

/// The results of the changes.
pub struct Seen {
    /// The median time of a change.
    pub took: Duration,
    /// Requests.
    pub requests: u64,
    /// The failed requests, as text; empty if there are none.
    pub failed: String,
    /// Connections that visitors would have kept but had to open again.
    pub reopened: usize,
}

/// Makes this number of changes under load.
pub fn changes(way: Way, count: usize) -> Result<Seen> {
    let (run, net) = (Arc::new(Run::new()?), Subnet::claim()?);
    let mut balancer = Balancer::new(Arc::clone(&run), net.next_host())?;
    let app = |number: usize| WebApp::start(&run, &format!("app{number}"), net.next_host());
    let mut apps: Vec<WebApp> = (0..APPS).map(app).collect::<Result<_>>()?;
    for (number, app) in apps.iter().enumerate() {
        set(&balancer, number, Some(app))?;
    }
    balancer.start_haproxy(if way == Way::Finish { Mode::Classic } else { Mode::MasterSocket })?;
    let is_up =
        || Ok((balancer.haproxy()?.servers()?.iter().filter(|s| s.is_up()).count() == APPS).then_some(()));
    poll::try_until(UP, "all servers to be up", is_up)?;
    if way != Way::Finish {
        // After this, reload-haproxy has a note of the file that HAProxy has loaded.
        bring(Way::Reload, &run, &balancer)?;
    }
    let load = Load::start(balancer.front(), "/", RATE);
    poll::pass(BETWEEN)?;
    let begun = Instant::now();
    let mut times = Vec::new();
    for number in 0..count {
        set(&balancer, APPS - 1, (number % 2 == 1).then(|| &apps[APPS - 1]))?;
        balancer.render()?;
        times.push(bring(way, &run, &balancer)?);
        poll::pass(BETWEEN)?;
    }
    let counts = load.since(begun);
    let reopened = reopened(&load.stop());
    apps.iter_mut().for_each(WebApp::kill9);
    Ok(Seen { took: median(times), requests: counts.requests, failed: counts.failures_shown(), reopened })
}

/// Writes or removes the record of an app.
fn set(balancer: &Balancer, number: usize, app: Option<&WebApp>) -> Result<()> {
    let unfit = |err: &dyn std::fmt::Display| Error::Unfit(err.to_string());
    let name = format!("app{number}");
    let mut nodes = NodesDir::lock(&balancer.nodes_dir(), UP).map_err(|err| unfit(&err))?;
    match app {
        None => drop(nodes.remove(&name).map_err(|err| unfit(&err))?),
        Some(app) => {
            let tags = Tags::from([("role".to_owned(), "backend".to_owned())]);
            let node = Node::new(&name, &app.address().ip().to_string(), tags).map_err(|err| unfit(&err))?;
            nodes.put(&node).map_err(|err| unfit(&err))?;
        }
    }
    nodes.finish().into_iter().next().map_or(Ok(()), |err| Err(unfit(&err)))
}

fn bring(way: Way, run: &Run, balancer: &Balancer) -> Result<Duration> {
    let config = balancer.config();
    let mut step = match way {
        Way::Finish => {
            let pid_file = balancer.haproxy()?.pid_file();
            let script = "PATH=$PATH:/usr/sbin:/sbin; haproxy -c -q -f \"$1\" && haproxy -D -f \"$1\" -p \"$2\" -sf $(cat \"$2\")";
            let step = TimedRun::new("sh", ["-c", script, "sh"]);
            step.with(|command| run.adopt(command).arg(&config).arg(pid_file))
        }
        way => {
            let method = if way == Way::Commands { "runtime" } else { "master" };
            let step = TimedRun::new(programs::bin_dir()?.join("reload-haproxy"), ["--method", method]);
            let state = balancer.directory().join("state");
            step.with(|command| run.adopt(command).arg("--config").arg(&config).arg("--state-dir").arg(state))
        }
    };
    step.time(None)
}

/// How often visitors had to open a kept connection again. It counts the connections that were used more than once,
/// without the first one of each visitor that keeps its connection.
fn reopened(samples: &[Sample]) -> usize {
    let kept: BTreeSet<Instant> =
        samples.iter().filter(|sample| sample.opened < sample.sent).map(|sample| sample.opened).collect();
    kept.len().saturating_sub(RATE.visitors / 2)
}
