//! Ten thousand members, one real handler and one real HAProxy.
//!
//! Ten thousand agents do not fit on a machine. So their events are created here, coalesced as Serf would, and sent
//! to the real `scripts/serf-handler`, one call at a time. The fake Serf answers `serf members` with all members.
//! HAProxy's servers are real: a responder at every loopback address answers checks and requests. To lose a zone, its
//! responder is killed.

mod coalescer;
mod simulated_cluster;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::process::Child;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::nodes_directory::NodesDir;
use common::records::read_all;
use harness::chart::{Unit, grouped};
use harness::cluster::balancer::Balancer;
use harness::daemons::haproxy::Mode;
use harness::network::subnet::Subnet;
use harness::run::Run;
use harness::run::{poll, process};
use harness::traffic::load::{Load, Rate};
use harness::{Error, Result};

use crate::bench::Bench;
use crate::results::figures::{Figures, Table};
use crate::results::machine;
use crate::results::report::{Figure, Report};
use crate::results::sampling::median;
use crate::setups::fake_serf::FakeSerf;
use crate::setups::node_records::payload;
use crate::setups::responder::Responder;

use crate::measures::simulation::coalescer::{Coalescer, Kind};
use crate::measures::simulation::simulated_cluster::{Happening, SimulatedCluster};

/// How many records are open at once: fewer than any limit of open files.
const BATCH: usize = 500;
const SETTLED: Duration = Duration::from_secs(60);
/// The time limit of a scenario, in case the handler cannot keep up. A whole run takes some minutes.
const GIVE_UP: Duration = Duration::from_secs(300);

/// The results of one scenario.
#[derive(Default)]
struct Seen {
    happened: usize,
    calls: usize,
    failed_calls: usize,
    handlers: Vec<Duration>,
    until_live: Vec<Duration>,
    backlog: usize,
    requests: u64,
    failures: String,
}

/// Measures a cluster of 10,000 that grows, is replaced, and loses a third of its members.
pub fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    bench.off_the_network(|| play(bench, report))
}

fn play(bench: &Bench, report: &mut Report) -> Result<()> {
    let (members, more, over) = if bench.quick { (160, 40, 8) } else { (8_000, 2_000, 120) };
    let mut figures = Figures::of("simulation", machine::describe(bench.run.path()));
    let mut simulation = Simulation::start(members)?;
    let mut table = Table::new(&[
        "",
        "changes of members",
        "calls of the handler",
        "one call",
        "longest call",
        "calls waiting at most",
        "event to live",
        "at most",
        "requests",
        "failed",
    ]);
    let grow = simulation.cluster.grow(more, Duration::from_secs(10));
    let shown = |count: usize| grouped(count as u64);
    let mut rows = vec![(format!("{} join within 10 s", shown(more)), simulation.play(grow, false)?)];
    let roll = simulation.cluster.roll(Duration::from_secs(over));
    let what = format!("all {} are replaced within {over} s", shown(members + more));
    rows.push((what, simulation.play(roll, false)?));
    let lose = simulation.cluster.lose_zone();
    rows.push((format!("a zone of {} dies at once", shown(lose.len())), simulation.play(lose, true)?));
    for (name, seen) in &rows {
        seen.tell(name, report);
        table.row(seen.cells(name));
    }
    let different = simulation.differences()?;
    report.row(
        "servers that are not as the membership, at the end",
        Figure::Count(different),
        Some(Figure::Count(0)),
        1,
    );
    figures.tables.insert("simulation".to_owned(), table);
    figures.publish(bench.quick)
}

impl Seen {
    fn tell(&self, name: &str, report: &mut Report) {
        let n = self.calls;
        report.note(&format!("{name}: {} changes, {} calls, {} requests", self.happened, n, self.requests));
        report.row("one call of scripts/serf-handler", Figure::Time(middle(&self.handlers)), None, n);
        report.row("event to live", Figure::Time(middle(&self.until_live)), None, self.until_live.len());
        let none = Some(Figure::Count(0));
        report.row("calls that did not end with 0", Figure::Count(self.failed_calls as u64), none, n);
        report.row("calls waiting, at most", Figure::Count(self.backlog as u64), None, n);
        if !self.failures.is_empty() {
            report.note(&format!("failed requests: {}", self.failures));
        }
    }

    fn cells(&self, name: &str) -> [String; 10] {
        let time = |took: Duration| Unit::Seconds.shown(took.as_secs_f64());
        let most = |times: &[Duration]| time(times.iter().max().copied().unwrap_or_default());
        [
            name.to_owned(),
            grouped(self.happened as u64),
            grouped(self.calls as u64),
            time(middle(&self.handlers)),
            most(&self.handlers),
            self.backlog.to_string(),
            time(middle(&self.until_live)),
            most(&self.until_live),
            grouped(self.requests),
            if self.failures.is_empty() { "0".to_owned() } else { self.failures.clone() },
        ]
    }
}

fn middle(times: &[Duration]) -> Duration {
    if times.is_empty() { Duration::ZERO } else { median(times.to_vec()) }
}

/// A balancer, the responders, and the cluster.
struct Simulation {
    cluster: SimulatedCluster,
    coalescer: Coalescer,
    standin: FakeSerf,
    zone: Option<Responder>,
    _others: Responder,
    load: Load,
    balancer: Balancer,
    _net: Subnet,
    // The last field, because dropping it ends all processes of the run.
    _run: Arc<Run>,
}

impl Simulation {
    fn start(members: usize) -> Result<Simulation> {
        let (run, net) = (Arc::new(Run::new()?), Subnet::claim()?);
        let (zone, others) = (Responder::start(&run, "zone")?, Responder::start(&run, "others")?);
        let cluster = SimulatedCluster::new(members, [zone.port, others.port]);
        let mut balancer = Balancer::new(Arc::clone(&run), net.next_host())?;
        let standin = FakeSerf::new(run.join("bin"))?;
        balancer.set_env("PATH", standin.path());
        record(&balancer, &cluster)?;
        process::output(&run, &mut balancer.render_command()?)?;
        balancer.start_haproxy(Mode::MasterSocket)?;
        let haproxy = balancer.haproxy()?;
        let are_up = || Ok(haproxy.servers()?.iter().all(|server| server.status == "UP").then_some(()));
        poll::try_until(SETTLED, "all servers to be up", are_up)?;
        let load = Load::start(balancer.front(), "/", Rate::default());
        let (coalescer, zone, _others, _net, _run) = (Coalescer::default(), Some(zone), others, net, run);
        let mut simulation =
            Simulation { cluster, coalescer, standin, zone, _others, load, balancer, _net, _run };
        // The agent's first call announces all members.
        let joins = simulation.cluster.alive().cloned().map(|node| Happening {
            at: Duration::ZERO,
            kind: Kind::Join,
            node,
        });
        let joins: Vec<Happening> = joins.collect();
        simulation.play(joins, false)?;
        Ok(simulation)
    }

    /// Makes each event at its time and calls the handler, until nothing is left to do.
    fn play(&mut self, happenings: Vec<Happening>, is_zone_lost: bool) -> Result<Seen> {
        let mut seen = Seen { happened: happenings.len(), ..Seen::default() };
        let begun = Instant::now();
        let mut coming = VecDeque::from(happenings);
        let (mut calls, mut running, mut pending) = (VecDeque::new(), None::<Call>, Vec::new());
        if is_zone_lost {
            self.zone = None;
        }
        poll::try_until(GIVE_UP, "the handler to have done all", || {
            let now = begun.elapsed();
            self.happen(now, &mut coming, &mut pending);
            if self.coalescer.due().is_some_and(|due| due <= now) {
                calls.extend(self.coalescer.flush());
            }
            if let Some(mut call) = running.take() {
                match call.child.try_wait() {
                    Ok(Some(status)) => seen.end(&call, status.success(), begun, &mut pending),
                    _ => running = Some(call),
                }
            }
            if running.is_none() {
                seen.backlog = seen.backlog.max(calls.len());
                if let Some((kind, names)) = calls.pop_front() {
                    running = Some(self.call(kind, &names, begun)?);
                }
            }
            let is_still = coming.is_empty() && self.coalescer.due().is_none();
            Ok((is_still && running.is_none() && calls.is_empty()).then_some(()))
        })?;
        let counts = self.load.since(begun);
        (seen.requests, seen.failures) = (counts.requests, counts.failures_shown());
        Ok(seen)
    }

    /// Makes all events that are due, and adds their planned times to `pending`.
    fn happen(&mut self, now: Duration, coming: &mut VecDeque<Happening>, pending: &mut Vec<Duration>) {
        while let Some(next) = coming.pop_front() {
            if next.at > now {
                coming.push_front(next);
                return;
            }
            self.coalescer.take(now, &next.node.name, next.kind);
            self.cluster.happen(&next);
            pending.push(next.at);
        }
    }

    /// Calls the handler as Serf does. The fake Serf lists the members after all events so far.
    fn call(&self, kind: Kind, names: &[String], begun: Instant) -> Result<Call> {
        self.standin.answer(self.cluster.members.values().map(|(node, status)| (node, *status)))?;
        let lines =
            names.iter().filter_map(|name| self.cluster.members.get(name)).map(|(node, _)| payload(node));
        let at = begun.elapsed();
        let child = self.balancer.start_handler(kind.event(), &lines.collect::<String>())?;
        Ok(Call { child, at })
    }

    /// How many records, servers of the file and servers of HAProxy differ from the membership.
    fn differences(&self) -> Result<u64> {
        let wanted: BTreeMap<String, String> = self
            .cluster
            .alive()
            .map(|node| (node.name.clone(), format!("{}:{}", node.address, node.tags["port"])))
            .collect();
        let (nodes, _) = read_all(&self.balancer.nodes_dir()).map_err(|err| Error::Unfit(err.to_string()))?;
        let records: BTreeSet<&String> = nodes.iter().map(|node| &node.name).collect();
        let servers = self.balancer.haproxy()?.servers()?;
        let live: BTreeMap<String, String> = servers
            .into_iter()
            .filter(|server| server.backend == "nodes" && !server.is_in_maintenance())
            .map(|server| (server.name, server.address))
            .collect();
        let wrong = |name: &String| {
            live.get(name) != wanted.get(name) || records.contains(name) != wanted.contains_key(name)
        };
        let names: BTreeSet<&String> =
            wanted.keys().chain(live.keys()).chain(records.iter().copied()).collect();
        Ok(names.into_iter().filter(|name| wrong(name)).count() as u64)
    }
}

/// A running call of the handler.
struct Call {
    child: Child,
    at: Duration,
}

impl Seen {
    /// Counts a call that has ended: every event that had happened when it began is live now.
    fn end(&mut self, call: &Call, is_good: bool, begun: Instant, pending: &mut Vec<Duration>) {
        let now = begun.elapsed();
        self.calls += 1;
        self.failed_calls += usize::from(!is_good);
        self.handlers.push(now - call.at);
        let (live, later) = pending.iter().partition(|at| **at <= call.at);
        let live: Vec<Duration> = live;
        self.until_live.extend(live.iter().map(|at| now - *at));
        *pending = later;
    }
}

/// Writes a record for every member.
fn record(balancer: &Balancer, cluster: &SimulatedCluster) -> Result<()> {
    let unfit = |err: &dyn std::fmt::Display| Error::Unfit(err.to_string());
    let nodes: Vec<_> = cluster.alive().collect();
    for batch in nodes.chunks(BATCH) {
        let mut directory = NodesDir::lock(&balancer.nodes_dir(), SETTLED).map_err(|err| unfit(&err))?;
        for node in batch {
            directory.put(node).map_err(|err| unfit(&err))?;
        }
        directory.finish().into_iter().next().map_or(Ok(()), |err| Err(unfit(&err)))?;
    }
    Ok(())
}
