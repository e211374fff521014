//! `scripts/serf-handler` as Serf calls it, beside `scripts/reconcile` on its timer. A real agent lists the members, and
//! a real HAProxy is changed.
//!
//! A thousand real members do not fit on a machine, and reconcile removes every record of its role that does not
//! belong to a real member. So the records of the 1,000 servers have another role. The real members, three and the
//! balancer, have the role that reconcile handles, and the template puts them into a separate backend.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use common::node::{Node, Tags};
use common::replace::replace;
use harness::cluster::balancer;
use harness::daemons::serf::{Agent, Member, Settings};
use harness::run::Run;
use harness::run::{poll, programs};
use harness::{Error, Result};

use crate::bench::Bench;
use crate::results::report::{Figure, Report};
use crate::results::sampling::in_turn;
use crate::results::timed_run::{TimedRun, system};
use crate::setups::balancer_of_1000::BalancerOf1000;
use crate::setups::balancer_with_handler::let_pass;
use crate::setups::node_records::payload;
use crate::setups::reconcile_timer::ReconcileTimer;

const MEMBERS: usize = 3;
const ROLE: &str = "probe";
const FIRST: &str = "probe0";
/// The text added at the end of the shipped template.
const MORE: &str = "
backend probes
{%- for probe in (roles.probe or []) | server(port=3000) %}
    server {{ probe.name }} {{ probe.endpoint }} weight {{ probe.weight }}
{%- endfor %}
";
const GOSSIP: Duration = Duration::from_secs(10);
const NOTHING_AT_MOST: Duration = Duration::from_millis(8);
const CHANGED_AT_MOST: Duration = Duration::from_millis(20);

/// Measures the handler with nothing to do, and with a member that has changed.
pub fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    let mut cluster = Cluster::start()?;
    let (mut idle, mut busy) = (cluster.handler(), cluster.handler());
    // This writes the records of the members, which is not measured.
    cluster.timer.run_if_due()?;
    cluster.event()?;
    let n = bench.rounds(15, 3);
    let event = cluster.event.clone();
    let mut changed = || {
        let event = cluster.change()?;
        let before = cluster.worker()?;
        let_pass(&cluster.live.balancer.nodes_dir(), FIRST);
        let took = busy.time(Some(&event))?;
        let is_changed = cluster.worker()? == before && cluster.has_changed()?;
        let other = || Error::Unfit("serf-handler did not change the server while HAProxy ran".to_owned());
        if is_changed { Ok(took) } else { Err(other()) }
    };
    let [changed, nothing] = in_turn(n, [&mut changed, &mut || idle.time(Some(&event))])?;
    let mut row = |what: &str, took, at_most| {
        let what = format!("scripts/serf-handler, 1,000 records, {what}");
        report.row(&what, Figure::Time(took), Some(Figure::Time(at_most)), n);
    };
    row("nothing to do", nothing, NOTHING_AT_MOST);
    row("one changed", changed, CHANGED_AT_MOST);
    report.note(
        "with a real agent of 3 members, whose role it handles, and 1,000 servers in records of another;",
    );
    report.note("the change is checked, made and proven; scripts/reconcile runs every 10 s, unmeasured");
    Ok(())
}

/// Writes the shipped template with a backend for the members to a file in the run's directory.
fn template(run: &Run) -> Result<PathBuf> {
    let (shipped, own) = (programs::shipped("render-cfg/templates/haproxy.cfg.tera"), run.join("template"));
    let mut text = fs::read_to_string(&shipped).map_err(system("read", &shipped))?;
    text.push_str(MORE);
    replace(&own, text.as_bytes(), 0o600).map_err(system("write", &own))?;
    Ok(own)
}

/// The balancer, its agent, which has no handler, and members.
struct Cluster {
    members: Vec<Agent>,
    agent: Agent,
    event: PathBuf,
    weight: u32,
    timer: ReconcileTimer,
    live: BalancerOf1000,
}

impl Cluster {
    fn start() -> Result<Cluster> {
        let mut live = BalancerOf1000::start()?;
        live.balancer.set_env("ROLLCALL_ROLES", ROLE);
        live.balancer.set_env("ROLLCALL_TEMPLATE", template(live.run())?);
        let (run, seed) = (live.run(), live.balancer.address());
        let settings =
            |name: &str, address| Settings::new(name, address).set("disable_name_resolution", true);
        let agent = settings(balancer::NAME, seed).tag("role", "balancer").start(run)?;
        let member = |number: usize| {
            let settings = settings(&format!("probe{number}"), live.address());
            settings.tag("role", ROLE).tag("weight", "1").join(&[seed]).start(run)
        };
        let members: Vec<Agent> = (0..MEMBERS).map(member).collect::<Result<_>>()?;
        agent.wait_for_alive(run, MEMBERS + 1, GOSSIP)?;
        let event = run.join("event");
        let timer = ReconcileTimer::new(run, &live.balancer);
        Ok(Cluster { members, agent, event, weight: 1, timer, live })
    }

    fn handler(&self) -> TimedRun {
        let step = TimedRun::new(programs::shipped("scripts/serf-handler"), [] as [&str; 0]);
        let marked = step.with(|command: &mut Command| self.live.run().adopt(command));
        let step = marked.with(|command| self.live.balancer.with_environment(command));
        // Serf sets both for its handlers.
        step.env("SERF_EVENT", "member-update").env("SERF_SELF_NAME", balancer::NAME)
    }

    fn worker(&self) -> Result<u32> {
        self.live.balancer.haproxy()?.worker_pid()
    }

    /// Whether HAProxy has the weight that the first member announced last.
    fn has_changed(&self) -> Result<bool> {
        let servers = self.live.balancer.haproxy()?.servers()?;
        Ok(servers.iter().any(|server| server.name == FIRST && server.weight == self.weight))
    }

    /// Changes a tag of the first member, waits until the balancer's agent has it, and returns the event. If it is
    /// time, `scripts/reconcile` runs before, so that the event is new to the balancer.
    fn change(&mut self) -> Result<PathBuf> {
        self.timer.run_if_due()?;
        self.weight = self.weight % 200 + 1;
        let (run, wanted) = (self.live.run(), self.weight.to_string());
        self.members[0].set_tag(run, "weight", &wanted)?;
        poll::try_until(GOSSIP, "the change of a tag", || {
            let known = self.agent.members(run)?;
            let is_first = |member: &&Member| member.name == FIRST;
            let first = known.iter().find(is_first).filter(|first| first.tags.get("weight") == Some(&wanted));
            Ok(first.map(drop))
        })?;
        self.event()
    }

    /// The event for the first member, with its current tags.
    fn event(&self) -> Result<PathBuf> {
        let tags = [("role", ROLE.to_owned()), ("weight", self.weight.to_string())];
        let tags: Tags = tags.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        let address = self.members[0].address().to_string();
        let node = Node::new(FIRST, &address, tags).expect("name, address and tags pass the whitelists");
        replace(&self.event, payload(&node).as_bytes(), 0o600).map_err(system("write", &self.event))?;
        Ok(self.event.clone())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // An orderly leave would take seconds for each agent, and no other member is left to notice it.
        self.members.iter_mut().chain([&mut self.agent]).for_each(Agent::kill9);
    }
}
