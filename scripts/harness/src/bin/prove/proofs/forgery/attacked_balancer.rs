//! A balancer, honest members under light load, and an attacker on their network.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use common::replace::replace;
use harness::cluster::balancer::FRONT_PORT;
use harness::cluster::local_cluster::{Cluster, SOON};
use harness::daemons::haproxy::Server;
use harness::run::Run;
use harness::run::{poll, process, programs};
use harness::traffic::load::{Load, Rate};
use harness::{Result, system};

use crate::judging::verdict::Verdict;
use crate::proof::Proof;
use crate::proofs::forgery::cases::Cases;
use crate::proofs::forgery::config_grammar::ConfigGrammar;
use crate::proofs::forgery::gossip::{Forger, Lie};
use crate::proofs::forgery::observer::Observer;
use crate::setups::test_nodes;

const RANDOM: usize = 10_000;
/// Forged members in a batch. The agent accepts this many together, and reports them in one or two events.
const BATCH: usize = 250;
/// The most announcements that an agent accepts at a time.
const BREATH: usize = 50;
const HONEST: [&str; 3] = ["s1", "s2", "s3"];
const LIGHT: Rate = Rate { visitors: 4, every: Duration::from_millis(50) };
/// How long a batch may take to get into HAProxy.
const TAKEN: Duration = Duration::from_secs(60);
const GONE: Duration = Duration::from_secs(120);
/// How long Serf remembers a member that has failed or left. Its default is a day.
const FORGOTTEN: &str = "10s";
/// The exit codes of a handler that are right: success, a member was rejected, the guard refused.
const RIGHT: [i32; 3] = [0, 3, 6];

/// The balancer with its honest members, and the attacker.
pub struct AttackedBalancer {
    forger: Forger,
    lies: Cases,
    watch: Observer,
    told: Told,
    load: Load,
    begun: Instant,
    // The last field, because dropping it ends all processes of the run.
    cluster: Cluster,
}

/// How many members were announced, accepted by Serf, recorded and served.
#[derive(Default)]
struct Told {
    said: usize,
    believed: usize,
    recorded: usize,
    served: usize,
    batches: usize,
}

impl AttackedBalancer {
    /// Starts the balancer and the honest members; `place` is watched.
    pub fn start(run: Run, place: &Path) -> Result<AttackedBalancer> {
        let mut cluster = Cluster::on(run)?;
        for key in ["reconnect_timeout", "tombstone_timeout"] {
            cluster.balancer.set_agent(key, FORGOTTEN);
        }
        // A forged balancer makes HAProxy reload. The state file ensures that dead servers are still down after that.
        let health = cluster.run().join("servers.state");
        replace(&health, b"1\n", 0o600).map_err(system("write", health.display()))?;
        cluster.balancer.add_setting("state_file", health);
        let shape = shape(&cluster)?;
        cluster.start_balancer()?;
        for name in HONEST {
            cluster.add(name)?;
        }
        cluster.wait_for_servers(&HONEST, SOON)?;
        for name in HONEST {
            cluster.wait_for_up(name, SOON)?;
        }
        // After this all files exist, also those that a run with nothing to do creates.
        cluster.balancer.reconcile()?;
        let forger = Forger::new(cluster.net.host(251), cluster.balancer.address())?;
        let watch = Observer::new(place, &cluster, shape)?;
        let load = Load::start(cluster.front(), "/", LIGHT);
        let lies = Cases::new(&place.display().to_string());
        Ok(AttackedBalancer {
            forger,
            lies,
            watch,
            told: Told::default(),
            load,
            begun: Instant::now(),
            cluster,
        })
    }

    /// Announces all known forgeries and the random ones, one batch after the other.
    pub fn lie(&mut self, proof: &mut Proof, verdict: &mut Verdict) -> Result<()> {
        let balancer = SocketAddr::from((self.cluster.balancer.address(), FRONT_PORT));
        // Only one honest member's address is used. If an attacker uses all of them, under names that sort first, the
        // honest members are out of service for as long as the checks of those servers take (docs/proofs.md).
        let one = self.cluster.backend(HONEST[0])?.app.address();
        let known = self.lies.known(&[one, balancer])?;
        verdict.note(&format!("{} known forgeries", known.len()));
        for batch in known.chunks(BATCH) {
            self.batch(batch, verdict)?;
        }
        let random = proof.rounds(RANDOM, 100);
        verdict.note(&format!("{random} random ones"));
        for first in (0..random).step_by(BATCH) {
            let count = BATCH.min(random - first);
            let batch: Vec<Lie> = (0..count).map(|_| self.lies.random(&mut proof.dice)).collect();
            self.batch(&batch, verdict)?;
        }
        Ok(())
    }

    /// Announces forged members, makes the checks once the last of them is served, and removes them again.
    fn batch(&mut self, batch: &[Lie], verdict: &mut Verdict) -> Result<()> {
        let last = self.lies.member();
        for lies in batch.chunks(BREATH) {
            lies.iter().try_for_each(|lie| self.forger.announce(lie))?;
            poll::pass(Duration::from_millis(20))?;
        }
        self.forger.announce(&last)?;
        let name = String::from_utf8_lossy(&last.name).into_owned();
        poll::until(TAKEN, &format!("HAProxy to have {name}"), || {
            self.cluster.balancer.haproxy().ok()?.in_service().ok()?.contains_key(&name).then_some(())
        })?;
        for fault in self.watch.faults(&self.cluster)? {
            verdict.wrong(&format!("batch {}: {fault}", self.told.batches));
        }
        self.count(batch.len())?;
        for lies in batch.chunks(BREATH) {
            // By turns the members of a batch fail or leave.
            let is_orderly = self.told.batches.is_multiple_of(2);
            let go = |lie: &Lie| {
                if is_orderly { self.forger.leave(&lie.name) } else { self.forger.fail(&lie.name) }
            };
            lies.iter().try_for_each(go)?;
            poll::pass(Duration::from_millis(20))?;
        }
        self.forger.fail(&last.name)
    }

    fn count(&mut self, said: usize) -> Result<()> {
        let run = self.cluster.run().clone();
        let known = 1 + HONEST.len();
        self.told.batches += 1;
        self.told.said += said + 1;
        let members = self.cluster.balancer.agent()?.members(&run)?;
        let alive = members.iter().filter(|member| member.status == "alive").count();
        self.told.believed += alive.saturating_sub(known);
        let records = fs::read_dir(self.cluster.balancer.nodes_dir());
        self.told.recorded += records.map_or(0, Iterator::count).saturating_sub(known);
        self.told.served += self.cluster.servers()?.len().saturating_sub(HONEST.len());
        Ok(())
    }

    /// Waits until no forged member has a record, except those whose address passes HAProxy's check. Such a member did
    /// not leave, so it stays until an operator removes it.
    fn remove_those_up(&self, verdict: &mut Verdict) -> Result<()> {
        let gone = poll::try_until(GONE, "all forged members that are not up to be gone", || {
            let up = self.cluster.servers()?.into_iter().filter(Server::is_up);
            let up: Vec<String> = up.map(|server| server.name).collect();
            Ok(self.watch.left(&self.cluster).iter().all(|name| up.contains(name)).then_some(()))
        });
        let left = self.watch.left(&self.cluster);
        gone.inspect_err(|_| verdict.wrong(&format!("these are left: {}", left.join(", "))))?;
        verdict.note(&format!("{} stay because HAProxy finds them up, and are removed by hand", left.len()));
        if left.is_empty() {
            return Ok(());
        }
        let mut command = Command::new(programs::bin_dir()?.join("member-leave"));
        self.cluster.balancer.with_environment(&mut command).args(&left);
        process::output(self.cluster.run(), &mut command).map(drop)
    }

    /// Checks that, once all forged members have gone, everything is as it was before.
    pub fn end(mut self, verdict: &mut Verdict) -> Result<()> {
        let Told { said, believed, recorded, served, batches } = self.told;
        let took = self.begun.elapsed().as_secs_f64();
        verdict.note(&format!(
            "{said} forged members in {batches} batches in {took:.0} s: {believed} accepted by Serf,"
        ));
        verdict
            .note(&format!("    {recorded} recorded, {served} in HAProxy, each when its batch was checked"));
        self.remove_those_up(verdict)?;
        let code = self.cluster.balancer.reconcile()?;
        verdict.check(code == 0, &format!("reconcile ends with {code} after all are gone"));
        self.cluster.wait_for_servers(&HONEST, SOON)?;
        for fault in self.watch.faults(&self.cluster)? {
            verdict.wrong(&format!("in the end: {fault}"));
        }
        self.load.end();
        let counts = self.load.since(self.begun);
        verdict.note(&format!("{} requests meanwhile, {} failed", counts.requests, counts.failures()));
        verdict.check(counts.failures() == 0, &format!("requests failed: {}", counts.failures_shown()));
        let codes = exit_codes(&self.cluster.balancer.agent()?.daemon.log());
        verdict.note(&format!("exit codes of handlers other than 0: {codes:?}"));
        for code in codes.keys().filter(|code| !RIGHT.contains(code)) {
            verdict.wrong(&format!("a handler ended with {code}"));
        }
        Ok(())
    }
}

/// The grammar of the file, from files rendered with no nodes and with balancers only.
fn shape(cluster: &Cluster) -> Result<ConfigGrammar> {
    let [none, several] = ["none", "several"].map(|name| cluster.run().join(name));
    fs::create_dir(&none).map_err(system("make", none.display()))?;
    test_nodes::record(&several, &test_nodes::balancers(&["balancer", "another"]))?;
    let balancer = &cluster.balancer;
    Ok(ConfigGrammar::new(&balancer.rendered_from(&none)?, &balancer.rendered_from(&several)?))
}

/// How often handlers ended with each exit code, from Serf's log.
fn exit_codes(log: &str) -> BTreeMap<i32, usize> {
    let mut codes = BTreeMap::new();
    for line in log.lines().filter(|line| line.contains("Error invoking script")) {
        let code = line.rsplit("exit status ").next().and_then(|code| code.trim().parse().ok());
        *codes.entry(code.unwrap_or(-1)).or_default() += 1;
    }
    codes
}
