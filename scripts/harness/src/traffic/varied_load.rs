//! Load whose rate, in requests a second, can be changed while it runs. It does not depend on how long the answers take.
//!
//! The visitors of `Load` wait for their answers, so slow servers get fewer requests. Here, each request has a thread
//! of its own, and slow servers get more of them at once, as on a busy day. Only counts are kept, so a load can run for
//! days. Each request opens a new connection.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use crate::traffic::http::Client;
use crate::traffic::load::Counts;

/// More requests at once than this are not sent, so that servers that never answer do not fill the memory.
const MOST_AT_ONCE: usize = 2000;
/// How soon a changed rate takes effect.
const HEEDED: Duration = Duration::from_millis(20);
const STACK: usize = 256 << 10;

/// Load that runs until it is ended or dropped. It begins with a rate of 0.
#[derive(Debug)]
pub struct VariedLoad {
    shared: Arc<Shared>,
    pacer: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Shared {
    address: SocketAddr,
    path: String,
    rate: Mutex<f64>,
    counts: Mutex<Counts>,
    is_over: AtomicBool,
}

impl VariedLoad {
    /// Starts the load: `GET path` at `address`.
    pub fn start(address: SocketAddr, path: &str) -> VariedLoad {
        let shared = Arc::new(Shared {
            address,
            path: path.to_owned(),
            rate: Mutex::default(),
            counts: Mutex::default(),
            is_over: AtomicBool::default(),
        });
        let own = Arc::clone(&shared);
        VariedLoad { shared, pacer: Mutex::new(Some(std::thread::spawn(move || pace(&own)))) }
    }

    /// Sets the number of requests a second.
    pub fn set_rate(&self, per_second: f64) {
        *lock(&self.shared.rate) = per_second;
    }

    /// The number of requests a second.
    pub fn rate(&self) -> f64 {
        *lock(&self.shared.rate)
    }

    /// The outcomes of all requests that have ended since the start or the last `forget`.
    pub fn counts(&self) -> Counts {
        lock(&self.shared.counts).clone()
    }

    /// Starts to count from 0 again.
    pub fn forget(&self) {
        *lock(&self.shared.counts) = Counts::default();
    }

    /// Ends the load and waits for the requests in flight, which are counted too.
    pub fn end(&self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        if let Some(pacer) = lock(&self.pacer).take() {
            // A panic has already been printed on stderr.
            let _ = pacer.join();
        }
    }
}

impl Drop for VariedLoad {
    fn drop(&mut self) {
        self.end();
    }
}

/// Decides how many requests are due.
#[derive(Debug, Default)]
struct Pace {
    owed: f64,
}

impl Pace {
    /// How many requests to send now, after this time at this rate. What was missed while the machine was busy is sent
    /// later, but no more than a second's worth.
    fn due(&mut self, passed: Duration, rate: f64) -> usize {
        self.owed = (self.owed + rate * passed.as_secs_f64()).min(rate.max(1.0));
        let due = self.owed.floor();
        self.owed -= due;
        due as usize
    }

    /// The time until the next request is due.
    fn until_next(&self, rate: f64) -> Duration {
        Duration::try_from_secs_f64((1.0 - self.owed) / rate).unwrap_or(HEEDED).min(HEEDED)
    }
}

fn pace(shared: &Arc<Shared>) {
    let (mut pace, mut last) = (Pace::default(), Instant::now());
    let mut in_flight: Vec<JoinHandle<()>> = Vec::new();
    while !shared.is_over.load(Ordering::Relaxed) {
        let (now, rate) = (Instant::now(), *lock(&shared.rate));
        in_flight.retain(|request| !request.is_finished());
        let due = pace.due(now - last, rate).min(MOST_AT_ONCE - in_flight.len());
        in_flight.extend((0..due).filter_map(|_| begin(shared)));
        last = now;
        sleep(pace.until_next(rate));
    }
    for request in in_flight {
        // A panic has already been printed on stderr.
        let _ = request.join();
    }
}

/// Sends a request on a thread of its own. If the system has no thread left, the request is not sent.
fn begin(shared: &Arc<Shared>) -> Option<JoinHandle<()>> {
    let shared = Arc::clone(shared);
    std::thread::Builder::new().stack_size(STACK).spawn(move || request(&shared)).ok()
}

fn request(shared: &Shared) {
    let answer = Client::fresh(shared.address).get(&shared.path).and_then(|answer| answer.success());
    let mut counts = lock(&shared.counts);
    counts.requests += 1;
    match answer.map(|answer| answer.header("x-backend-ip").and_then(|ip| ip.parse().ok())) {
        Ok(Some(backend)) => *counts.answered.entry(backend).or_default() += 1,
        Ok(None) => {}
        Err(failure) => *counts.failed.entry(failure).or_default() += 1,
    }
}

fn lock<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    // A thread that panicked has counted a whole request or none at all.
    value.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_millis(20);

    #[test]
    fn a_rate_is_kept_over_many_ticks_and_can_change() {
        let mut pace = Pace::default();
        let sent = |pace: &mut Pace, rate: f64| (0..500).map(|_| pace.due(TICK, rate)).sum::<usize>();
        assert_eq!(sent(&mut pace, 0.0), 0);
        assert!((189..=190).contains(&sent(&mut pace, 19.0)));
        assert!((1519..=1521).contains(&sent(&mut pace, 152.0)));
        assert_eq!(sent(&mut pace, 0.0), 0);
    }

    #[test]
    fn a_pause_of_the_machine_is_made_up_for_by_a_second_at_most() {
        let mut pace = Pace::default();
        assert_eq!(pace.due(Duration::from_millis(300), 100.0), 30);
        assert_eq!(pace.due(Duration::from_secs(60), 100.0), 100);
        assert_eq!(Pace::default().until_next(0.0), HEEDED);
    }

    #[test]
    fn every_request_is_counted_when_the_load_ends() {
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 1));
        let load = VariedLoad::start(nowhere, "/");
        load.set_rate(100.0);
        let counted = || (load.counts().failures() >= 3).then_some(());
        crate::run::poll::until(Duration::from_secs(10), "three failures", counted).unwrap();
        load.end();
        let counts = load.counts();
        assert_eq!(counts.failures(), counts.requests);
        load.forget();
        assert_eq!(load.counts(), Counts::default());
    }
}
