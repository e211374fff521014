//! Observes the effects of a step, how long after its cause they come, and the requests meanwhile.

use std::thread;
use std::time::{Duration, Instant};

use harness::cluster::backend::Backend;
use harness::cluster::local_cluster::Cluster;
use harness::run::poll;
use harness::traffic::load::{Load, Sample};
use harness::traffic::response::Failure;
use harness::{Error, Result};

use crate::table::Table;
use crate::tour_verdict::TourVerdict;

pub(super) const JOIN: Duration = Duration::from_millis(3500);
pub(super) const LEAVE: Duration = Duration::from_secs(5);
// How much longer than the limit to wait for a late effect, to report how late it was.
const GRACE: Duration = Duration::from_secs(10);
// How long the load continues after each step, to catch failures that follow it.
const AFTERMATH: Duration = Duration::from_millis(800);

/// The running tour.
pub(super) struct Tour {
    pub(super) table: Table,
    // Before the cluster, because fields are dropped in order and the load must end first.
    pub(super) load: Load,
    pub(super) cluster: Cluster,
    pub(super) mark: Instant,
    pub(super) verdict: TourVerdict,
}

impl Tour {
    pub(super) fn is_served(&mut self, name: &str) -> Result<Option<Instant>> {
        self.is_served_within(name, JOIN)
    }

    pub(super) fn is_served_within(&mut self, name: &str, limit: Duration) -> Result<Option<Instant>> {
        let backend = self.cluster.backend(name)?;
        let (address, cause) = (backend.address, backend.announced);
        let seen = self.wait(limit, |tour| tour.load.first_answer_by(address, cause))?;
        self.effect(&format!("{name} ({address}) answers its first request"), cause, seen, limit)?;
        Ok(seen)
    }

    /// Reports the last request to a backend. Called after the backend has gone for good, so that it really is the
    /// last.
    pub(super) fn last_request(&mut self, backend: &Backend, cause: Instant) -> Result<()> {
        // If there was no request since the cause, the balancer stopped at once.
        let seen = self.load.last_request_to(backend.address).map(|last| last.max(cause));
        self.effect(&format!("{} has had its last request", backend.name), cause, seen, LEAVE)
    }

    pub(super) fn is_off_the_list(&mut self, name: &str, limit: Duration) -> Result<Option<Instant>> {
        self.wait(limit, |tour| {
            // While HAProxy reloads, its socket may not answer.
            let servers = tour.cluster.servers().ok()?;
            servers.iter().all(|server| server.name != name).then(Instant::now)
        })
    }

    pub(super) fn is_down(&self, name: &str) -> bool {
        let servers = self.cluster.servers().unwrap_or_default();
        servers.iter().any(|server| server.name == name && server.status.starts_with("DOWN"))
    }

    /// Runs `watch` while a backend stops in order, which takes seconds.
    pub(super) fn while_it_stops<T>(
        &mut self,
        backend: &mut Backend,
        watch: impl FnOnce(&mut Tour) -> Result<T>,
    ) -> Result<T> {
        let run = self.cluster.run().clone();
        thread::scope(|scope| {
            let stopping = scope.spawn(|| backend.stop(&run));
            let seen = watch(self);
            match stopping.join() {
                Ok(stopped) => stopped.and(seen),
                Err(_) => Err(Error::Unfit("the stop of a backend panicked".to_owned())),
            }
        })
    }

    /// Waits longer than the limit; `None` if the effect does not come at all.
    pub(super) fn wait(
        &mut self,
        limit: Duration,
        look: impl Fn(&Tour) -> Option<Instant>,
    ) -> Result<Option<Instant>> {
        match poll::until(limit + GRACE, "an effect", || look(self)) {
            Ok(seen) => Ok(Some(seen)),
            Err(Error::Late { .. }) => Ok(None),
            Err(err) => Err(err),
        }
    }

    pub(super) fn effect(
        &mut self,
        text: &str,
        cause: Instant,
        seen: Option<Instant>,
        limit: Duration,
    ) -> Result<()> {
        let after = seen.map(|seen| seen.saturating_duration_since(cause));
        self.verdict.effect(text, after, limit);
        self.table.effect(text, after, limit)
    }

    /// Counts the requests of a step.
    pub(super) fn tally(&mut self) -> Result<()> {
        poll::pass(AFTERMATH)?;
        let now = Instant::now();
        let counts = self.load.between(self.mark, now);
        self.mark = now;
        self.verdict.requests(&counts);
        self.table.requests(&counts, "")
    }

    /// Like `tally`, for a step that begins without backends. Until `served`, 503 is the right answer. Later it is
    /// still right on a connection that was opened before: the old process, which has no servers, answers on it and
    /// ends.
    pub(super) fn tally_until_served(&mut self, served: Option<Instant>) -> Result<()> {
        poll::pass(AFTERMATH)?;
        let (from, now) = (self.mark, Instant::now());
        let is_right = |sample: &Sample| {
            sample.outcome == Err(Failure::Status(503)) && served.is_none_or(|served| sample.opened < served)
        };
        let is_of_step = |sample: &Sample| sample.over >= from && sample.over < now;
        let right = self.load.count(|sample| is_of_step(sample) && is_right(sample)).requests;
        let counts = self.load.count(|sample| is_of_step(sample) && !is_right(sample));
        self.mark = now;
        self.verdict.requests(&counts);
        let note =
            format!("; besides {right} × 503 while there was no backend, which is right and not counted");
        self.table.requests(&counts, &note)
    }
}
