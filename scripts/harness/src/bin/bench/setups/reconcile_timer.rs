//! `scripts/reconcile` without an event, as a balancer's timer runs it.
//!
//! The handler may do less if the whole membership was applied a moment ago. On a balancer that is the usual case, so
//! a measure of the handler runs `scripts/reconcile` too: before the first change and between changes, outside of the
//! measured time.

use std::time::{Duration, Instant};

use harness::Result;
use harness::cluster::balancer::Balancer;
use harness::run::{Run, programs};

use crate::results::timed_run::TimedRun;

/// A little shorter than the period of `rollcall.timer`, 15 s.
const PERIOD: Duration = Duration::from_secs(10);

/// `scripts/reconcile` of a balancer, and when it ran last.
#[derive(Debug)]
pub struct ReconcileTimer {
    step: TimedRun,
    ran: Option<Instant>,
}

impl ReconcileTimer {
    /// With the balancer's current environment.
    pub fn new(run: &Run, balancer: &Balancer) -> ReconcileTimer {
        let step = TimedRun::new(programs::shipped("scripts/reconcile"), [] as [&str; 0]);
        let step = step.with(|command| balancer.with_environment(run.adopt(command)));
        ReconcileTimer { step, ran: None }
    }

    /// Runs it if its last run was ten seconds ago or more. It must succeed.
    pub fn run_if_due(&mut self) -> Result<()> {
        if self.ran.is_none_or(|ran| ran.elapsed() >= PERIOD) {
            self.step.time(None)?;
            self.ran = Some(Instant::now());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_runs_at_first_and_not_again_at_once() {
        let timer = |program| ReconcileTimer { step: TimedRun::new(program, [] as [&str; 0]), ran: None };
        let mut runs = timer("true");
        runs.run_if_due().unwrap();
        let ran = runs.ran;
        runs.run_if_due().unwrap();
        assert!(ran.is_some() && runs.ran == ran);
        assert!(timer("false").run_if_due().is_err());
    }
}
