//! The verdict of `demo scale`: good if no request failed, and the number of servers followed the load up and down.

use std::time::Duration;

use crate::scale::look::Look;
use crate::scale::plan::{HELD, PEAK, Plan, QUIET};

/// What is judged.
#[derive(Debug)]
pub struct ScaleVerdict<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// All looks, in their order. The last one is from after the load has ended.
    pub looks: &'a [Look],
    /// The requests that the plan wants until the end.
    pub planned: f64,
    /// The failures by kind, as text.
    pub failures: String,
    /// How often HAProxy was reloaded.
    pub reloads: u64,
}

/// The least share of the planned requests that must have been sent. With fewer, the machine was too busy.
const SENT: f64 = 0.97;
/// autoscale's default tolerance.
const TOLERANCE: f64 = 1.1;
/// The looks in the last seconds of a phase.
const LAST: Duration = Duration::from_secs(5);

impl ScaleVerdict<'_> {
    /// Each thing that is judged: whether it is good, its name, and what was seen.
    fn parts(&self) -> Vec<(bool, &'static str, String)> {
        vec![self.requests(), self.load(), self.up(), self.bounds(), self.down(), self.reloads()]
    }

    /// True if all is good.
    pub fn is_good(&self) -> bool {
        self.parts().iter().all(|(is_good, ..)| *is_good)
    }

    /// The verdict as text.
    pub fn lines(&self) -> Vec<String> {
        let line = |(is_good, name, seen): &(bool, &str, String)| {
            format!("{name:<10} {seen}{}", if *is_good { "" } else { "   FAULT" })
        };
        let mut lines: Vec<String> = self.parts().iter().map(line).collect();
        lines.push(format!("{:<10} {}", "verdict", if self.is_good() { "GOOD" } else { "BAD" }));
        lines
    }

    fn end(&self) -> Look {
        self.looks.last().cloned().unwrap_or_default()
    }

    fn requests(&self) -> (bool, &'static str, String) {
        let end = self.end();
        let kinds = if self.failures.is_empty() { String::new() } else { format!(" ({})", self.failures) };
        let is_good = end.failed == 0 && end.requests > 0;
        (is_good, "requests", format!("{} GETs, {} failed{kinds}", end.requests, end.failed))
    }

    fn load(&self) -> (bool, &'static str, String) {
        let sent = self.end().requests as f64 / self.planned.max(1.0);
        let share = (sent * 100.0).min(100.0);
        (
            sent >= SENT,
            "load",
            format!("{QUIET} to {PEAK} requests a second; {share:.0} % of the plan was sent"),
        )
    }

    /// The looks during the peak: from the start of the rise until the load falls.
    fn peak(&self) -> (Duration, Vec<&Look>) {
        let begin = self.plan.phases[0].time;
        let end = begin + self.plan.phases[1].time + self.plan.phases[HELD].time;
        (begin, self.looks.iter().filter(|look| (begin..end).contains(&look.at)).collect())
    }

    /// As many servers at the end of the peak as its sessions need, by the formula with its tolerance.
    fn up(&self) -> (bool, &'static str, String) {
        let (begin, peak) = self.peak();
        let end = peak.last().map_or(Duration::ZERO, |look| look.at);
        let mut last: Vec<u64> =
            peak.iter().filter(|look| look.at + LAST >= end).map(|look| look.sessions).collect();
        last.sort_unstable();
        let sessions = last.get(last.len() / 2).copied().unwrap_or(0) as f64;
        let most = peak.iter().map(|look| look.sessions).max().unwrap_or(0) as f64;
        let least_needed = self.plan.servers_for(sessions / TOLERANCE);
        let most_needed = self.plan.servers_for(most * TOLERANCE);
        let serving = peak.last().map_or(0, |look| look.serving);
        let reached =
            peak.iter().find(|look| look.serving >= serving).map(|look| look.at.saturating_sub(begin));
        let is_good = (least_needed..=most_needed).contains(&serving) && serving > u64::from(self.plan.min);
        let reached = reached.unwrap_or_default().as_secs_f64();
        let formula = self.plan.servers_for(sessions);
        let seen = format!(
            "{serving} servers {reached:.1} s after the load began to rise; the formula wants {formula} for {sessions} sessions"
        );
        (is_good, "up", seen)
    }

    fn bounds(&self) -> (bool, &'static str, String) {
        let running = || self.looks.iter().map(|look| look.running);
        let (least, most) = (running().min().unwrap_or(0), running().max().unwrap_or(0));
        let (min, max) = (u64::from(self.plan.min), u64::from(self.plan.max));
        let seen =
            format!("never fewer than {least} servers nor more than {most}; allowed are {min} to {max}");
        (least >= min && most <= max, "bounds", seen)
    }

    fn down(&self) -> (bool, &'static str, String) {
        let (end, min) = (self.end(), u64::from(self.plan.min));
        let fell = self.plan.phases[..=HELD + 1].iter().map(|phase| phase.time).sum::<Duration>();
        let back =
            self.looks.iter().rev().take_while(|look| look.running == min && look.serving == min).last();
        let seen = match back {
            Some(look) => format!(
                "back at {min} servers {:.0} s after the load had fallen",
                look.at.saturating_sub(fell).as_secs_f64()
            ),
            None => format!("{} servers run and {} serve; wanted are {min}", end.running, end.serving),
        };
        (back.is_some() && end.stopping == 0, "down", seen)
    }

    fn reloads(&self) -> (bool, &'static str, String) {
        (self.reloads == 0, "reloads", self.reloads.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scale::plan::Length;

    fn look(seconds: u64, sessions: u64, servers: u64) -> Look {
        let at = Duration::from_secs(seconds);
        Look { at, requests: 1000, sessions, serving: servers, running: servers, ..Look::default() }
    }

    /// A good run, changed by `change`.
    fn is_good(change: impl Fn(&mut Vec<Look>, &mut u64)) -> bool {
        let plan = Plan::new(Length::Usual);
        let mut looks = vec![look(0, 7, 2), look(15, 30, 4), look(50, 56, 6), look(58, 8, 6), look(90, 7, 2)];
        let mut reloads = 0;
        change(&mut looks, &mut reloads);
        let verdict =
            ScaleVerdict { plan: &plan, looks: &looks, planned: 1000.0, failures: String::new(), reloads };
        assert_eq!(verdict.lines().last().unwrap().contains("GOOD"), verdict.is_good());
        verdict.is_good()
    }

    #[test]
    fn a_verdict_is_bad_if_any_part_of_it_is() {
        assert!(is_good(|_, _| {}));
        assert!(!is_good(|looks, _| looks.clear()), "no looks");
        assert!(!is_good(|looks, _| looks[4].failed = 1), "a request failed");
        assert!(!is_good(|looks, _| looks[4].requests = 900), "the load was not sent");
        assert!(!is_good(|looks, _| looks[2].serving = 5), "too few servers");
        assert!(!is_good(|looks, _| looks[2].serving = 9), "too many servers");
        assert!(!is_good(|looks, _| looks[1].running = 1), "below the bounds");
        assert!(!is_good(|looks, _| looks[1].running = 11), "above the bounds");
        assert!(!is_good(|looks, _| looks[4] = look(90, 7, 3)), "servers did not go");
        assert!(!is_good(|looks, _| looks[4].stopping = 1), "a server has not ended");
        assert!(!is_good(|_, reloads| *reloads = 1), "a reload");
    }
}
