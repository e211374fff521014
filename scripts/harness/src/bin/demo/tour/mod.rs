//! The tour: everything that can happen to a cluster, once, under steady load, with each effect and its time.
//!
//! An effect that does not come is a line in the verdict and does not end the tour. A request counts as failed if a
//! visitor would call it that. There is one exception, which is always shown: 503 before the first backend serves,
//! because that is the right answer then.

mod watch;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use harness::Result;
use harness::cluster::local_cluster::Cluster;
use harness::traffic::load::{Load, Rate};
use harness::traffic::response::Failure;
use harness::traffic::visitor::Visitor;

use crate::returning::ReturningVisitor;
use crate::table::{Table, print};
use crate::tour::watch::{JOIN, LEAVE, Tour};
use crate::tour_verdict::TourVerdict;

// The time limits. Serf waits 1 s for more events, 3 s at most. It marks a killed agent failed after 6 to 8 s, or up
// to 25 s if few members are left to confirm it, as here. HAProxy's checks need up to 2.5 s. The rest is for Rollcall
// and for a slow machine.
const HEAD: &str = "    time   what                                                        after     limit";
const EMPTY: Duration = Duration::from_secs(2);
const CHECKS: Duration = Duration::from_secs(4);
const GIVEN_UP: Duration = Duration::from_secs(30);
const NAME_BELIEVED: Duration = Duration::from_secs(90);
const RECONCILE: Duration = Duration::from_secs(10);

/// Runs the tour. The exit code shows the verdict.
pub fn run(same_name: bool) -> Result<ExitCode> {
    let mut cluster = Cluster::new()?;
    print(&format!(
        "http://{}/ under {} visitors, {} requests a second; stats page http://{}/",
        cluster.front(),
        Rate::default().visitors,
        rate_per_second(),
        cluster.balancer.stats()
    ))?;
    let table = Table::begin(HEAD)?;
    table.action("the balancer starts: HAProxy and a Serf agent; there is no backend yet")?;
    let cause = Instant::now();
    cluster.start_balancer()?;
    cluster.balancer.reconcile_every(RECONCILE);
    let load = Load::start(cluster.front(), "/", Rate::default());
    let mut tour = Tour { table, cluster, load, mark: cause, verdict: TourVerdict::default() };
    tour.nobody(cause)?;
    let visitor = tour.two_start()?;
    tour.third_joins()?;
    tour.one_leaves("s2")?;
    let victim = tour.one_is_killed(&visitor)?;
    tour.it_comes_back(&victim, same_name)?;
    tour.agent_is_away()?;
    tour.end(visitor)
}

fn rate_per_second() -> u64 {
    let rate = Rate::default();
    (rate.visitors as f64 / rate.every.as_secs_f64()).round() as u64
}

impl Tour {
    fn nobody(&mut self, cause: Instant) -> Result<()> {
        let seen = self.wait(EMPTY, |tour| tour.load.first_failure(Failure::Status(503), cause))?;
        self.effect("the first request is answered with 503", cause, seen, EMPTY)?;
        self.tally_until_served(None)
    }

    fn two_start(&mut self) -> Result<ReturningVisitor> {
        self.table.action("two backends start: s1, s2")?;
        self.cluster.add("s1")?;
        self.cluster.add("s2")?;
        let first = self.is_served("s1")?;
        let second = self.is_served("s2")?;
        let visitor = ReturningVisitor::start(Visitor::new(self.cluster.front()));
        self.tally_until_served(first.min(second).or(first).or(second))?;
        Ok(visitor)
    }

    fn third_joins(&mut self) -> Result<()> {
        self.table.action("a third backend joins: s3")?;
        self.cluster.add("s3")?;
        self.is_served("s3")?;
        self.tally()
    }

    fn one_leaves(&mut self, name: &str) -> Result<()> {
        self.table
            .action(&format!("{name} leaves in order (serf leave; then its web app drains and ends)"))?;
        let mut backend = self.cluster.take(name)?;
        let cause = Instant::now();
        let off = self.while_it_stops(&mut backend, |tour| tour.is_off_the_list(name, LEAVE))?;
        self.last_request(&backend, cause)?;
        self.effect(&format!("{name} is off HAProxy's list"), cause, off, LEAVE)?;
        self.tally()
    }

    fn one_is_killed(&mut self, visitor: &ReturningVisitor) -> Result<String> {
        let host = visitor.seen().host;
        let name = if self.cluster.backends.contains_key(&host) { host } else { "s1".to_owned() };
        self.table
            .action(&format!("{name} is killed -9, web app and agent; our returning visitor was there"))?;
        let mut backend = self.cluster.take(&name)?;
        let cause = Instant::now();
        backend.kill9();
        let down = self.wait(CHECKS, |tour| tour.is_down(&name).then(Instant::now))?;
        self.effect(&format!("HAProxy has marked {name} down"), cause, down, CHECKS)?;
        let off = self.is_off_the_list(&name, GIVEN_UP)?;
        self.effect(&format!("Serf has marked it failed: {name} is off the list"), cause, off, GIVEN_UP)?;
        self.tally()?;
        Ok(name)
    }

    fn it_comes_back(&mut self, victim: &str, same_name: bool) -> Result<()> {
        let (name, limit) =
            if same_name { (victim.to_owned(), NAME_BELIEVED) } else { (format!("{victim}-2"), JOIN) };
        let address = self.cluster.net.next_host();
        self.table.action(&format!("{victim} comes back at another address, {address}, as {name}"))?;
        if same_name {
            self.table.note("Serf keeps a killed name at its old address for up to a minute")?;
        } else {
            self.table.note(
                "a new name, as each new container has; with the old name Serf would reject\n\
                 the new address for up to a minute: see demo tour --same-name",
            )?;
        }
        self.cluster.add_at(&name, address)?;
        self.is_served_within(&name, limit)?;
        self.tally()
    }

    fn agent_is_away(&mut self) -> Result<()> {
        let leaver = if self.cluster.backends.contains_key("s3") { "s3" } else { "s1" };
        self.table
            .action(&format!("the balancer's Serf agent is killed -9, and {leaver} leaves meanwhile"))?;
        self.cluster.balancer.agent()?.kill9();
        let mut backend = self.cluster.take(leaver)?;
        let cause = Instant::now();
        self.while_it_stops(&mut backend, |_| Ok(()))?;
        self.last_request(&backend, cause)?;
        self.table.action("the balancer's Serf agent starts again; it gets no event for that leave")?;
        let cause = Instant::now();
        self.cluster.start_agent()?;
        let known = self.wait(GIVEN_UP, |tour| tour.serf_knows_without(leaver).then(Instant::now))?;
        self.effect(&format!("Serf has noticed that {leaver} is gone"), cause, known, GIVEN_UP)?;
        let off = self.is_off_the_list(leaver, JOIN)?;
        self.effect(&format!("{leaver} is off HAProxy's list"), known.unwrap_or(cause), off, JOIN)?;
        self.tally()
    }

    /// True once the balancer's agent has found the others again and this member is not alive. (If more members are
    /// dead than alive, a leave may not spread; then Serf has to mark the member failed first.)
    fn serf_knows_without(&self, name: &str) -> bool {
        let agent = self.cluster.balancer.agent.as_ref();
        let alive = agent.and_then(|agent| agent.alive(self.cluster.run()).ok()).unwrap_or_default();
        alive.len() > 1 && alive.iter().all(|alive| alive != name)
    }

    /// Ends the load and counts the rest: requests in flight, and failures after the last step.
    fn end(mut self, visitor: ReturningVisitor) -> Result<ExitCode> {
        self.table.action("the load ends, after the requests in flight")?;
        self.load.end();
        let counts = self.load.since(self.mark);
        self.verdict.requests(&counts);
        self.table.requests(&counts, "")?;
        self.verdict.returning(&visitor.stop());
        self.judge()
    }

    fn judge(&self) -> Result<ExitCode> {
        for line in self.verdict.lines() {
            self.table.line(&line)?;
        }
        if self.verdict.is_good() {
            return Ok(ExitCode::SUCCESS);
        }
        self.table.end_of_log(&self.cluster.balancer.log())?;
        Ok(ExitCode::FAILURE)
    }
}
