//! Steady load: a fixed number of visitors, each of whom sends a GET at fixed intervals.
//!
//! Every answer is kept with its time and its backend. So a test can ask for the first request that s3 answered or
//! the last one that s2 answered, and can count the failures between any two moments. Half of the visitors open a new
//! connection for each request; the other half keep theirs.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use crate::traffic::http::Client;
use crate::traffic::response::Failure;

const PATIENCE: Duration = Duration::from_secs(10);

/// How many visitors send requests, and how often.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// The number of visitors.
    pub visitors: usize,
    /// The time between two requests of one visitor.
    pub every: Duration,
}

impl Default for Rate {
    /// 8 visitors, 50 requests a second each.
    fn default() -> Rate {
        Rate { visitors: 8, every: Duration::from_millis(20) }
    }
}

/// A request that has been answered or has failed.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// When its connection was opened.
    pub opened: Instant,
    /// When it was sent.
    pub sent: Instant,
    /// When it was answered or failed.
    pub over: Instant,
    /// The backend that answered it (by its `x-backend-ip`), or how it failed.
    pub outcome: Result<Option<IpAddr>, Failure>,
}

/// The outcomes of the requests in a period.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All requests.
    pub requests: u64,
    /// The failed requests, by kind.
    pub failed: BTreeMap<Failure, u64>,
    /// The answered requests, by backend.
    pub answered: BTreeMap<IpAddr, u64>,
}

impl Counts {
    /// Adds other outcomes to these.
    pub fn add(&mut self, other: &Counts) {
        self.requests += other.requests;
        for (kind, count) in &other.failed {
            *self.failed.entry(*kind).or_default() += count;
        }
        for (backend, count) in &other.answered {
            *self.answered.entry(*backend).or_default() += count;
        }
    }

    /// How many failed.
    pub fn failures(&self) -> u64 {
        self.failed.values().sum()
    }

    /// The failures as text: `2 reset, 1 503`; empty if there are none.
    pub fn failures_shown(&self) -> String {
        let kinds = self.failed.iter().map(|(kind, count)| format!("{count} {kind}"));
        kinds.collect::<Vec<_>>().join(", ")
    }
}

/// Load that runs until it is stopped or dropped.
#[derive(Debug)]
pub struct Load {
    shared: Arc<Shared>,
    visitors: Vec<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    samples: Mutex<Vec<Sample>>,
    is_over: AtomicBool,
}

impl Shared {
    fn samples(&self) -> MutexGuard<'_, Vec<Sample>> {
        // A visitor that panicked has pushed a whole sample or none at all, so the list is intact.
        self.samples.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Load {
    /// Starts the load: `GET path` at `address`.
    pub fn start(address: SocketAddr, path: &str, rate: Rate) -> Load {
        Load::patient(address, path, rate, PATIENCE)
    }

    /// Like `start`, but each visitor waits this long for an answer.
    pub fn patient(address: SocketAddr, path: &str, rate: Rate, patience: Duration) -> Load {
        Load::of(address, path, rate, |client| client.with_timeout(patience))
    }

    /// Like `start`, but a request is sent again if its connection is closed without a byte: see
    /// `Client::sending_again`.
    pub fn sending_again(address: SocketAddr, path: &str, rate: Rate) -> Load {
        Load::of(address, path, rate, Client::sending_again)
    }

    fn of(address: SocketAddr, path: &str, rate: Rate, set: impl Fn(Client) -> Client) -> Load {
        let shared = Arc::new(Shared::default());
        let visitor = |number: usize| {
            let fresh = number.is_multiple_of(2);
            let client = if fresh { Client::fresh(address) } else { Client::keep_alive(address) };
            let client = set(client);
            let (shared, path) = (Arc::clone(&shared), path.to_owned());
            // Spread over the interval: a steady stream without bursts.
            let offset = rate.every.mul_f64(number as f64 / rate.visitors as f64);
            std::thread::spawn(move || visit(client, &path, offset, rate.every, &shared))
        };
        Load { visitors: (0..rate.visitors).map(visitor).collect(), shared }
    }

    /// The outcomes of the requests that ended between two moments.
    pub fn between(&self, from: Instant, to: Instant) -> Counts {
        self.count(|sample| sample.over >= from && sample.over < to)
    }

    /// The outcomes of the requests that match.
    pub fn count(&self, is_wanted: impl Fn(&Sample) -> bool) -> Counts {
        let mut counts = Counts::default();
        let samples = self.shared.samples();
        for sample in samples.iter().filter(|sample| is_wanted(sample)) {
            counts.requests += 1;
            match sample.outcome {
                Ok(Some(backend)) => *counts.answered.entry(backend).or_default() += 1,
                Ok(None) => {}
                Err(failure) => *counts.failed.entry(failure).or_default() += 1,
            }
        }
        counts
    }

    /// The outcomes of the requests that ended since a moment.
    pub fn since(&self, from: Instant) -> Counts {
        self.between(from, Instant::now())
    }

    /// Counts for each interval from `from` to now.
    pub fn per_interval(&self, from: Instant, interval: Duration) -> Vec<Counts> {
        let now = Instant::now();
        let starts = std::iter::successors(Some(from), |start| Some(*start + interval));
        starts.take_while(|start| *start < now).map(|start| self.between(start, start + interval)).collect()
    }

    /// The time of a backend's first answer after a moment.
    pub fn first_answer_by(&self, backend: impl Into<IpAddr>, after: Instant) -> Option<Instant> {
        let wanted = Ok(Some(backend.into()));
        let samples = self.shared.samples();
        let answers = samples.iter().filter(|sample| sample.outcome == wanted && sample.over >= after);
        answers.map(|sample| sample.over).min()
    }

    /// When the last request that a backend answered was sent. From then on the balancer no longer chose it.
    pub fn last_request_to(&self, backend: impl Into<IpAddr>) -> Option<Instant> {
        let wanted = Ok(Some(backend.into()));
        let samples = self.shared.samples();
        samples.iter().filter(|sample| sample.outcome == wanted).map(|sample| sample.sent).max()
    }

    /// When the first request after a moment failed in this way.
    pub fn first_failure(&self, failure: Failure, after: Instant) -> Option<Instant> {
        let samples = self.shared.samples();
        let failures = samples.iter().filter(|sample| sample.outcome == Err(failure) && sample.over >= after);
        failures.map(|sample| sample.over).min()
    }

    /// The longest time that a request sent since a moment took.
    pub fn slowest(&self, from: Instant) -> Option<Duration> {
        let samples = self.shared.samples();
        samples.iter().filter(|s| s.sent >= from).map(|s| s.over - s.sent).max()
    }

    /// Ends the load, waits for the requests in flight, and returns all samples. `end` does not return them.
    pub fn stop(mut self) -> Vec<Sample> {
        self.end();
        std::mem::take(&mut *self.shared.samples())
    }

    /// Ends the load and waits for the requests in flight, which are counted too.
    pub fn end(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        for visitor in self.visitors.drain(..) {
            // A panic has already been printed on stderr.
            let _ = visitor.join();
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.end();
    }
}

fn visit(mut client: Client, path: &str, offset: Duration, every: Duration, shared: &Shared) {
    let mut next = Instant::now() + offset;
    while !shared.is_over.load(Ordering::Relaxed) {
        sleep(next.saturating_duration_since(Instant::now()));
        let sent = Instant::now();
        let answer = client.get(path).and_then(|answer| answer.success());
        let outcome = answer.map(|answer| answer.header("x-backend-ip").and_then(|ip| ip.parse().ok()));
        let over = Instant::now();
        shared.samples().push(Sample { opened: client.opened(), sent, over, outcome });
        // After a slow answer the interval starts again, without a burst to catch up.
        next = (next + every).max(over);
    }
}
