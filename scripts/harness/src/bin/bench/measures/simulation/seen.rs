//! What was seen of one scenario: the calls of the handler, and how long each event took to be live.

use std::collections::HashSet;
use std::process::Child;
use std::time::{Duration, Instant};

use harness::chart::{Unit, grouped};

use crate::results::report::{Figure, Report};
use crate::results::sampling::median;

/// The results of one scenario.
#[derive(Default)]
pub(super) struct Seen {
    happened: usize,
    calls: usize,
    lists: usize,
    failed_calls: usize,
    handlers: Vec<Duration>,
    until_live: Vec<Duration>,
    pub(super) backlog: usize,
    pub(super) requests: u64,
    pub(super) failures: String,
    /// The events that are not live yet: the member's name, and when it happened.
    pub(super) pending: Vec<(String, Duration)>,
}

/// A running call of the handler, or a run of the timer.
pub(super) struct Call {
    pub(super) child: Child,
    pub(super) at: Duration,
    /// The members of the event; none for the timer.
    pub(super) names: Vec<String>,
}

impl Seen {
    /// Nothing seen yet of a scenario with this number of events.
    pub(super) fn of(happened: usize) -> Seen {
        Seen { happened, ..Seen::default() }
    }

    /// Counts a call that has ended. If it asked for the list, every event that had happened when it began is live now;
    /// otherwise those of its members.
    pub(super) fn end(&mut self, call: &Call, is_good: bool, has_asked: bool, begun: Instant) {
        let now = begun.elapsed();
        if !call.names.is_empty() {
            self.calls += 1;
            self.handlers.push(now - call.at);
        }
        self.lists += usize::from(has_asked);
        self.failed_calls += usize::from(!is_good);
        let names: HashSet<&String> = call.names.iter().collect();
        let is_live = |(name, at): &(String, Duration)| *at <= call.at && (has_asked || names.contains(name));
        let (live, later): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.pending).into_iter().partition(is_live);
        self.until_live.extend(live.iter().map(|(_, at)| now - *at));
        self.pending = later;
    }

    pub(super) fn tell(&self, name: &str, report: &mut Report) {
        let n = self.calls;
        report.note(&format!(
            "{name}: {} changes, {} calls, {} lists, {} requests",
            self.happened, n, self.lists, self.requests
        ));
        report.row("one call of scripts/serf-handler", Figure::Time(middle(&self.handlers)), None, n);
        report.row("event to live", Figure::Time(middle(&self.until_live)), None, self.until_live.len());
        let none = Some(Figure::Count(0));
        report.row("calls that did not end with 0", Figure::Count(self.failed_calls as u64), none, n);
        report.row("calls waiting, at most", Figure::Count(self.backlog as u64), None, n);
        if !self.failures.is_empty() {
            report.note(&format!("failed requests: {}", self.failures));
        }
    }

    pub(super) fn cells(&self, name: &str) -> [String; 11] {
        let time = |took: Duration| Unit::Seconds.shown(took.as_secs_f64());
        let most = |times: &[Duration]| time(times.iter().max().copied().unwrap_or_default());
        [
            name.to_owned(),
            grouped(self.happened as u64),
            grouped(self.calls as u64),
            grouped(self.lists as u64),
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
