//! What follows from the looks so far, calculated without the program's code: the traffic, and the highest and lowest
//! numbers of the last minutes.

use std::collections::{BTreeMap, VecDeque};

use autoscale::sizing::limits::{Limits, Signal};
use autoscale::sizing::look::{Look, Millis, Report, ServerState};

/// The largest number of a period.
#[derive(Debug, Default)]
pub struct Highest(VecDeque<(Millis, f64)>);

impl Highest {
    /// Adds a number; returns the largest of the period.
    pub fn add(&mut self, now: Millis, number: f64, period: Millis) -> f64 {
        while self.0.back().is_some_and(|(_, last)| *last <= number) {
            self.0.pop_back();
        }
        self.0.push_back((now, number));
        while self.0.front().is_some_and(|(at, _)| *at < now && *at + period <= now) {
            self.0.pop_front();
        }
        self.0.front().map_or(number, |(_, largest)| *largest)
    }
}

#[derive(Clone, Debug, Default)]
struct Known {
    pid: i32,
    sessions: u64,
    requests: u64,
    errors: u64,
    counted: Millis,
    rate: f64,
}

/// What follows from one look.
#[derive(Clone, Debug, Default)]
pub struct Observation {
    /// Whether a balancer is silent, or has a new worker.
    pub is_doubtful: bool,
    /// How many balancers answered.
    pub answers: usize,
    /// The traffic, in servers at their target, at least.
    pub load: f64,
    /// Requests in the queue.
    pub queued: u64,
    /// Whether errors rose.
    pub errors_rose: bool,
    /// Servers that are up, starting, failed and draining.
    pub servers: [u32; 4],
}

/// What was known of each balancer.
#[derive(Debug, Default)]
pub struct Observer {
    known: BTreeMap<String, Known>,
    /// The part of the balancers that the target comes from.
    share: f64,
}

impl Observer {
    /// Forgets everything.
    pub fn forget(&mut self) {
        *self = Observer::default();
    }

    /// Calculates what follows from a look; `target` is what a server carries.
    pub fn observe(&mut self, limits: &Limits, look: &Look, target: f64) -> Observation {
        let mut seen = Observation::default();
        for (socket, report) in &look.balancers {
            match report {
                None => seen.is_doubtful = true,
                Some(report) => self.add(&mut seen, socket, report, look.now),
            }
        }
        let known = self.known.values();
        let demand: f64 = match limits.signal {
            Signal::Sessions => known.map(|known| known.sessions as f64).sum(),
            Signal::Rate => known.map(|known| known.rate).sum(),
        };
        // How much a server takes from a balancer, only that balancer tells. In its silence the last target is kept.
        let answering = seen.answers as f64 / look.balancers.len() as f64;
        self.share = if seen.answers < self.known.len() { answering.max(self.share) } else { answering };
        seen.load = demand / if limits.target.is_some() { target } else { target * self.share.max(1e-9) };
        seen
    }

    fn add(&mut self, seen: &mut Observation, socket: &str, report: &Report, now: Millis) {
        let before = self.known.get(socket).cloned();
        let mut next = Known {
            pid: report.pid,
            sessions: report.sessions,
            requests: report.requests,
            errors: report.errors,
            counted: now,
            rate: before.as_ref().map_or(0.0, |before| before.rate),
        };
        match before {
            Some(before) if before.pid == report.pid => {
                let elapsed = (now - before.counted) as f64 / 1_000.0;
                next.rate = (report.requests - before.requests) as f64 / elapsed;
                seen.errors_rose |= report.errors > before.errors;
            }
            Some(before) => {
                seen.is_doubtful = true;
                next.sessions = next.sessions.max(before.sessions);
            }
            None => {}
        }
        self.known.insert(socket.to_owned(), next);
        seen.answers += 1;
        seen.queued += report.queued;
        seen.servers = count(report);
    }
}

fn count(report: &Report) -> [u32; 4] {
    let states = [ServerState::Up, ServerState::Starting, ServerState::Failed, ServerState::Draining];
    states.map(|state| report.servers.iter().filter(|server| server.state == state).count() as u32)
}
