//! Ten thousand members, one real handler and one real HAProxy.
//!
//! Ten thousand agents do not fit on a machine. So their events are created here, coalesced as Serf would, and sent
//! to the real `scripts/serf-handler`, one call at a time, and the timer runs `scripts/reconcile`. The fake Serf answers
//! `serf members` with all members.
//! HAProxy's servers are real: a responder at every loopback address answers checks and requests. To lose a zone, its
//! responder is killed.

mod coalescer;
mod seen;
mod simulated_cluster;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::nodes_directory::NodesDir;
use common::records::read_all;
use harness::chart::grouped;
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
use crate::results::timed_run::system;
use crate::setups::fake_serf::FakeSerf;
use crate::setups::node_records::payload;
use crate::setups::responder::Responder;

use crate::measures::simulation::coalescer::{Coalescer, Kind};
use crate::measures::simulation::seen::{Call, Seen};
use crate::measures::simulation::simulated_cluster::{Happening, SimulatedCluster};

/// How many records are open at once: fewer than any limit of open files.
const BATCH: usize = 500;
/// The time between two runs of the timer, as in docs/installation.md.
const TIMER: Duration = Duration::from_secs(15);
const SETTLED: Duration = Duration::from_secs(60);
/// The time limit of a scenario, in case the handler cannot keep up. A whole run takes some minutes.
const GIVE_UP: Duration = Duration::from_secs(300);

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
        "lists, also by the timer",
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

/// A balancer, the responders, and the cluster.
struct Simulation {
    cluster: SimulatedCluster,
    coalescer: Coalescer,
    standin: FakeSerf,
    zone: Option<Responder>,
    _others: Responder,
    load: Load,
    /// When the timer's last run began.
    timer: Instant,
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
        let mut simulation = Simulation {
            cluster,
            coalescer,
            standin,
            zone,
            _others,
            load,
            timer: Instant::now(),
            balancer,
            _net,
            _run,
        };
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

    /// Makes each event at its time, calls the handler for it, and runs the timer, until every event is live.
    fn play(&mut self, happenings: Vec<Happening>, is_zone_lost: bool) -> Result<Seen> {
        let mut seen = Seen::of(happenings.len());
        let begun = Instant::now();
        let mut coming = VecDeque::from(happenings);
        let (mut calls, mut running) = (VecDeque::new(), None::<Call>);
        if is_zone_lost {
            self.zone = None;
        }
        poll::try_until(GIVE_UP, "the handler to have done all", || {
            let now = begun.elapsed();
            self.happen(now, &mut coming, &mut seen);
            if self.coalescer.due().is_some_and(|due| due <= now) {
                calls.extend(self.coalescer.flush());
            }
            if let Some(mut call) = running.take() {
                match call.child.try_wait() {
                    Ok(Some(status)) => seen.end(&call, status.success(), self.standin.was_asked(), begun),
                    _ => running = Some(call),
                }
            }
            if running.is_none() {
                seen.backlog = seen.backlog.max(calls.len());
                running = self.next(&mut calls, begun)?;
            }
            let is_still = coming.is_empty() && self.coalescer.due().is_none();
            Ok((is_still && running.is_none() && calls.is_empty() && seen.pending.is_empty()).then_some(()))
        })?;
        let counts = self.load.since(begun);
        (seen.requests, seen.failures) = (counts.requests, counts.failures_shown());
        Ok(seen)
    }

    /// Makes all events that are due.
    fn happen(&mut self, now: Duration, coming: &mut VecDeque<Happening>, seen: &mut Seen) {
        while let Some(next) = coming.pop_front() {
            if next.at > now {
                coming.push_front(next);
                return;
            }
            self.coalescer.take(now, &next.node.name, next.kind);
            self.cluster.happen(&next);
            seen.pending.push((next.node.name, next.at));
        }
    }

    /// Starts the timer's run if it is due, and otherwise the next call of the handler. One waits for the other, so here
    /// only one runs at a time. The fake Serf lists the members after all events so far.
    fn next(&mut self, calls: &mut VecDeque<(Kind, Vec<String>)>, begun: Instant) -> Result<Option<Call>> {
        let is_due = self.timer.elapsed() >= TIMER;
        if !is_due && calls.is_empty() {
            return Ok(None);
        }
        let at = begun.elapsed();
        self.standin.answer(self.cluster.members.values().map(|(node, status)| (node, *status)))?;
        let Some((kind, names)) = (if is_due { None } else { calls.pop_front() }) else {
            self.timer = Instant::now();
            let run = self.balancer.reconcile_command().spawn();
            let child = run.map_err(system("run", Path::new("scripts/reconcile")))?;
            return Ok(Some(Call { child, at, names: Vec::new() }));
        };
        let lines =
            names.iter().filter_map(|name| self.cluster.members.get(name)).map(|(node, _)| payload(node));
        let child = self.balancer.start_handler(kind.event(), &lines.collect::<String>())?;
        Ok(Some(Call { child, at, names }))
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
