//! The load as planned, from its start until the servers have gone again, and all that was seen meanwhile.

use std::time::{Duration, Instant};

use harness::Result;
use harness::run::daemon::Daemon;
use harness::run::poll;

use crate::desk::Desk;
use crate::scale::look::{Look, last_decision, pool};
use crate::scale::plan::{EBB, Plan};
use crate::table::Table;

const BETWEEN_LOOKS: Duration = Duration::from_millis(250);
/// How long everything has to be as before the rise, before the run ends.
const SETTLED: Duration = Duration::from_secs(2);
const SECOND: Duration = Duration::from_secs(1);

/// A run of the load, and what was seen of it.
#[derive(Debug)]
pub struct RunOfLoad<'a> {
    plan: &'a Plan,
    desk: &'a Desk,
    table: &'a Table,
    autoscaler: Daemon,
    start: Instant,
    /// All looks, in their order.
    pub looks: Vec<Look>,
    /// The requests that the plan wants until now.
    pub planned: f64,
    /// How often HAProxy was reloaded.
    pub reloads: u64,
    worker: Option<u32>,
    printed: Option<Look>,
}

impl<'a> RunOfLoad<'a> {
    /// Runs the load to its end. It is an error if the autoscaler ends meanwhile.
    pub fn over(plan: &'a Plan, desk: &'a Desk, table: &'a Table, autoscaler: Daemon) -> Result<Self> {
        let mut run = RunOfLoad {
            plan,
            desk,
            table,
            autoscaler,
            start: Instant::now(),
            looks: Vec::new(),
            planned: 0.0,
            reloads: 0,
            worker: None,
            printed: None,
        };
        run.follow()?;
        table.action("the load ends, after the requests in flight")?;
        desk.load.end();
        run.look();
        run.autoscaler.stop()?;
        Ok(run)
    }

    fn follow(&mut self) -> Result<()> {
        let (mut phase, mut last) = (None, Duration::ZERO);
        while let Some((number, rate)) = self.plan.at(self.start.elapsed()) {
            self.planned += self.desk.load.rate() * (self.start.elapsed() - last).as_secs_f64();
            last = self.start.elapsed();
            self.desk.load.set_rate(rate);
            if phase.replace(number) != Some(number) {
                self.table.action(&self.plan.phases[number].what)?;
            }
            self.autoscaler.check()?;
            self.look();
            self.print()?;
            if number == EBB && self.is_settled() {
                break;
            }
            poll::pass(BETWEEN_LOOKS)?;
        }
        self.planned += self.desk.load.rate() * (self.start.elapsed() - last).as_secs_f64();
        Ok(())
    }

    /// Adds a look.
    fn look(&mut self) {
        let last = self.looks.last().cloned().unwrap_or_default();
        let counts = self.desk.load.counts();
        let list = self.desk.scaled.list();
        let haproxy = list.cluster.balancer.haproxy();
        // A socket that does not answer for a moment leaves what was seen last.
        let rows = haproxy.and_then(|haproxy| haproxy.show_stat()).ok();
        let worker = list.cluster.balancer.haproxy().and_then(|haproxy| haproxy.worker_pid()).ok();
        let (sessions, serving) = rows.map_or((last.sessions, last.serving), |rows| pool(&rows));
        let decision = last_decision(&self.autoscaler.log()).map(|(number, _)| number);
        let at = self.start.elapsed();
        let look = Look {
            at,
            requests: counts.requests,
            failed: counts.failures(),
            rate: self.rate(at, counts.requests),
            sessions,
            serving,
            running: list.count() as u64,
            stopping: self.desk.scaled.stopping() as u64,
            wanted: decision.or(last.wanted),
        };
        if let Some(worker) = worker {
            self.reloads += u64::from(self.worker.replace(worker).is_some_and(|known| known != worker));
        }
        self.looks.push(look);
    }

    /// The requests that ended in the last second.
    fn rate(&self, at: Duration, requests: u64) -> f64 {
        let before = self.looks.iter().rev().find(|look| look.at + SECOND <= at);
        let (from, earlier) = before.map_or((Duration::ZERO, 0), |look| (look.at, look.requests));
        (requests - earlier) as f64 / (at - from).as_secs_f64().max(SECOND.as_secs_f64())
    }

    /// Prints the last look if something changed, or if nothing was printed for a while.
    fn print(&mut self) -> Result<()> {
        let Some(look) = self.looks.last() else { return Ok(()) };
        let is_due = self.printed.as_ref().is_none_or(|printed| {
            look.differs(printed) || look.at.saturating_sub(printed.at) >= self.plan.rows_every()
        });
        if !is_due {
            return Ok(());
        }
        self.table.line(&row(look))?;
        let before = self.printed.replace(look.clone()).and_then(|printed| printed.wanted);
        if look.wanted != before
            && let Some((number, reason)) = last_decision(&self.autoscaler.log())
        {
            self.table.note(&format!("autoscale: {number}: {reason}"))?;
        }
        Ok(())
    }

    /// True once the servers are as few as allowed, and have been so for a while.
    fn is_settled(&self) -> bool {
        let min = u64::from(self.plan.min);
        let is_small = |look: &Look| look.running == min && look.serving == min && look.stopping == 0;
        let Some(end) = self.looks.last().map(|look| look.at) else { return false };
        let recent = self.looks.iter().rev().take_while(|look| look.at + SETTLED >= end);
        recent.into_iter().all(is_small)
    }
}

fn row(look: &Look) -> String {
    let wanted = look.wanted.map_or_else(|| "-".to_owned(), |wanted| wanted.to_string());
    let Look { rate, sessions, serving, failed, .. } = look;
    let time = look.at.as_secs_f64();
    let per_server = look.per_server();
    format!(
        "{time:>6.1} s {rate:>12.0} {sessions:>10} {per_server:>12.1} {wanted:>8} {serving:>9} {failed:>8}   {}",
        dots(look)
    )
}

/// A dot for each server.
fn dots(look: &Look) -> String {
    let starting = look.running.saturating_sub(look.serving);
    let of = |dot: &str, count: u64| dot.repeat(usize::try_from(count).unwrap_or(0));
    of("●", look.serving.min(look.running)) + &of("○", starting) + &of("◌", look.stopping)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_a_dot_for_each_server() {
        let look =
            Look { serving: 2, running: 4, stopping: 1, wanted: Some(4), sessions: 25, ..Look::default() };
        let row = row(&look);
        assert!(row.ends_with("●●○○◌"), "{row}");
        assert_eq!(row.split_whitespace().collect::<Vec<_>>()[2..8], ["0", "25", "12.5", "4", "2", "0"]);
        // One that leaves may still serve for a moment.
        let leaving = Look { serving: 3, running: 2, stopping: 1, ..Look::default() };
        assert_eq!(dots(&leaving), "●●◌");
    }
}
