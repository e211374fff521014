//! What must hold at every look, whatever happens.

use autoscale::sizing::Decision;
use autoscale::sizing::limits::Limits;
use autoscale::sizing::look::Millis;

use crate::proofs::autoscale::days::observed::{Highest, Observation};
use crate::proofs::autoscale::days::queue_watch::QueueWatch;
use crate::proofs::autoscale::days::swings::Swings;

/// The looks so far, as far as a rule needs them.
#[derive(Debug, Default)]
pub struct Rules {
    /// When the memory began.
    since: Millis,
    last: Millis,
    wanted: Option<u32>,
    count: Option<u32>,
    failed: u32,
    was_queued: bool,
    was_short: bool,
    lowered: Option<Millis>,
    loads: Highest,
    needs: Highest,
    /// The smallest count is the largest of their negatives.
    counts: Highest,
    queue: QueueWatch,
    /// Swings of the load.
    pub swings: Swings,
}

impl Rules {
    /// The memory begins at this moment; `keeps` if the last number is known still.
    pub fn begin(&mut self, now: Millis, keeps: bool) {
        let mut swings = std::mem::take(&mut self.swings);
        // On the first day there was nothing to lose.
        swings.reasons += u32::from(self.since > 0);
        let (wanted, count) = if keeps { (self.wanted, self.count) } else { (None, None) };
        *self = Rules { since: now, last: now, wanted, count, swings, ..Rules::default() };
    }

    /// Judges a decision. Returns the rule that it breaks.
    pub fn judge(
        &mut self,
        limits: &Limits,
        now: Millis,
        seen: &Observation,
        decision: &Decision,
    ) -> Result<(), String> {
        if now - self.last > limits.down_window {
            self.begin(now, true);
        }
        self.last = now;
        let Some(wanted) = decision.wanted else {
            let is_known = self.wanted.is_some() || decision.count.is_some();
            return if is_known { Err("there is no number".to_owned()) } else { Ok(()) };
        };
        if wanted < limits.min || wanted > limits.max {
            return Err("outside of the bounds".to_owned());
        }
        // What others added counts as wanted; without a number what is there does.
        let added = decision.count.filter(|count| {
            self.wanted.is_some_and(|last| *count > last) && self.count.is_none_or(|last| *count > last)
        });
        let before = added.or(self.wanted).or(decision.count).unwrap_or(limits.min);
        let need = need(limits, seen);
        let highest_need = self.needs.add(now, need.0, limits.down_window);
        let fewest = decision.count.map(|count| -self.counts.add(now, -f64::from(count), limits.up_period));
        let ceiling = highest_step(fewest.map_or(before, |fewest| fewest as u32)).max(before);
        self.note_reasons(limits, now, seen, added.is_some());
        let judged = self
            .downwards(limits, now, seen, before.clamp(limits.min, limits.max), wanted, highest_need)
            .and_then(|()| self.upwards(limits, seen, before, wanted, ceiling))
            .and_then(|()| self.queue.look(limits, seen, wanted, self.was_queued));
        if self.swings.add_step(self.wanted.unwrap_or(before), wanted) {
            return Err(format!(
                "{} changes of direction, {} are allowed",
                self.swings.turns,
                self.swings.allowed()
            ));
        }
        self.remember(now, seen, decision, wanted);
        judged
    }

    /// Going down: not in doubt, not early, not below what was needed in the window, in small steps.
    fn downwards(
        &self,
        limits: &Limits,
        now: Millis,
        seen: &Observation,
        before: u32,
        wanted: u32,
        highest_need: f64,
    ) -> Result<(), String> {
        if wanted >= before {
            return Ok(());
        }
        let lowered_lately = self.lowered.is_some_and(|lowered| now < lowered + limits.down_period);
        let rules = [
            (seen.is_doubtful, "down although a balancer is silent or new"),
            (now < self.since + limits.down_window, "down in the first window"),
            (seen.servers[3] > 0, "down while a server drains"),
            (seen.errors_rose, "down while errors rise"),
            (lowered_lately, "down twice in a period"),
            (before - wanted > 1.max(before / 10), "down by more than a step"),
            (f64::from(wanted) < highest_need.min(f64::from(limits.max)), "below what the window needed"),
        ];
        rules.iter().find(|(is_broken, _)| *is_broken).map_or(Ok(()), |(_, rule)| Err((*rule).to_owned()))
    }

    /// Going up: as much as the load needs, as far as a step goes, and not more.
    fn upwards(
        &self,
        limits: &Limits,
        seen: &Observation,
        before: u32,
        wanted: u32,
        ceiling: u32,
    ) -> Result<(), String> {
        if seen.answers == 0 {
            return Ok(());
        }
        let (low, high) = need(limits, seen);
        let most = limits.max.min(ceiling).max(limits.min);
        let [up, ..] = seen.servers;
        let is_short = seen.queued > 0 && self.was_queued;
        let short = if is_short { f64::from(up) + 1.0 } else { 0.0 };
        let failed = f64::from(seen.servers[2]);
        let high = high.max(short) + failed.min(high.max(short));
        if f64::from(wanted) < low.max(short).min(f64::from(most)) {
            Err(format!("fewer than the load needs: {low}, or {short} for the queue; {most} are allowed"))
        } else if wanted > most {
            Err(format!("more than a step allows: {most}"))
        } else if wanted > before && f64::from(wanted) > high.max(f64::from(limits.min)) {
            Err(format!("more than the load needs: {high}"))
        } else {
            Ok(())
        }
    }

    fn note_reasons(&mut self, limits: &Limits, now: Millis, seen: &Observation, others: bool) {
        let load = seen.load.max(f64::from(limits.min));
        let highest = self.loads.add(now, load, limits.down_window);
        self.swings.add_load(highest, limits.tolerance);
        let is_short = seen.queued > 0 && self.was_queued;
        let reasons =
            [seen.servers[2] > self.failed && seen.answers > 0, is_short && !self.was_short, others];
        self.was_short = is_short;
        self.swings.reasons += reasons.iter().filter(|reason| **reason).count() as u32;
    }

    fn remember(&mut self, now: Millis, seen: &Observation, decision: &Decision, wanted: u32) {
        if self.wanted.is_some_and(|before| wanted < before) {
            self.lowered = Some(now);
        }
        self.wanted = Some(wanted);
        self.count = decision.count.or(self.count);
        self.was_queued = seen.queued > 0;
        if seen.answers > 0 {
            self.failed = seen.servers[2];
        }
    }
}

/// The most servers after a step upwards.
fn highest_step(from: u32) -> u32 {
    (2 * from).max(from + 4)
}

/// The fewest and the most servers that the tolerance allows for this load.
fn need(limits: &Limits, seen: &Observation) -> (f64, f64) {
    let low = (seen.load / (1.0 + limits.tolerance) - 1e-6).ceil();
    let healthy = f64::from(seen.servers[0] + seen.servers[1]);
    let is_enough = seen.load >= healthy * (1.0 - limits.tolerance) - 1e-6;
    let exact = (seen.load - 1e-9).ceil();
    (low, if is_enough { exact.max(healthy) } else { exact })
}
