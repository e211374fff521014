//! Visitors of the shared address.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use harness::Result;
use harness::run::poll;
use harness::traffic::http::Client;
use harness::traffic::visitor::Visitor;

use crate::bed::{Bed, LIMIT, SHARED};

/// Visitors of the shared address, who try once more after `LIMIT`, and one who only looks whether there is an answer.
pub(crate) struct Visits {
    is_over: Arc<AtomicBool>,
    visitors: Vec<JoinHandle<(u64, u64)>>,
    looker: JoinHandle<Duration>,
}

impl Visits {
    pub(crate) fn start(address: SocketAddr) -> Visits {
        let is_over = Arc::new(AtomicBool::new(false));
        let visitor = |number: usize| {
            let make = if number.is_multiple_of(2) { Client::fresh } else { Client::keep_alive };
            let is_over = Arc::clone(&is_over);
            thread::spawn(move || visit_until(&is_over, || make(address)))
        };
        let visitors = (0..8).map(visitor).collect();
        let looker = Arc::clone(&is_over);
        let looker = thread::spawn(move || longest_silence(&looker, address));
        Visits { is_over, visitors, looker }
    }

    /// Ends them. Returns the requests, how many failed, and the longest time without an answer.
    pub(crate) fn end(self) -> (u64, u64, Duration) {
        self.is_over.store(true, Ordering::Relaxed);
        let counts = self.visitors.into_iter().map(|thread| thread.join().unwrap());
        let (requests, failed) = counts.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        (requests, failed, self.looker.join().unwrap())
    }
}

/// Sends requests. One that fails is sent again on a new connection. Returns how many there were, and how many failed twice.
pub(crate) fn visit_until(is_over: &AtomicBool, make: impl Fn() -> Client) -> (u64, u64) {
    let is_answered = |client: &mut Client| client.get("/").is_ok_and(|answer| answer.status == 200);
    let (mut client, mut requests, mut failed) = (make(), 0, 0);
    while !is_over.load(Ordering::Relaxed) {
        requests += 1;
        if !is_answered(&mut client) {
            thread::sleep(LIMIT);
            client = make();
            failed += u64::from(!is_answered(&mut client));
        }
        thread::sleep(Duration::from_millis(40));
    }
    (requests, failed)
}

/// The longest time between two answers to requests that are given up after 0.2 s.
pub(crate) fn longest_silence(is_over: &AtomicBool, address: SocketAddr) -> Duration {
    let (mut last, mut longest) = (Instant::now(), Duration::ZERO);
    while !is_over.load(Ordering::Relaxed) {
        let mut client = Client::fresh(address).with_timeout(Duration::from_millis(200));
        if client.get("/").is_ok_and(|answer| answer.status == 200) {
            longest = longest.max(last.elapsed());
            last = Instant::now();
        }
        thread::sleep(Duration::from_millis(20));
    }
    longest.max(last.elapsed())
}

/// Runs `event` under load. No request may fail, and none may wait for longer than `LIMIT`.
pub(crate) fn under_load(
    what: &str,
    bed: &mut Bed,
    event: impl FnOnce(&mut Bed) -> Result<()>,
) -> Result<()> {
    let visits = Visits::start(SocketAddr::from((SHARED, 80)));
    poll::pass(Duration::from_secs(1))?;
    event(bed)?;
    poll::pass(Duration::from_secs(4))?;
    let (requests, failed, gap) = visits.end();
    println!("{what}: {failed} of {requests} failed, {gap:.1?} without an answer");
    if failed > 0 || gap > LIMIT {
        bed.explain();
    }
    assert!(requests > 100 && failed == 0 && gap <= LIMIT, "{what}: {failed} of {requests}, {gap:?}");
    Ok(())
}

/// A visitor with a session.
pub(crate) struct Session {
    pub(crate) visitor: Visitor,
    server: String,
}

impl Session {
    pub(crate) fn begin() -> Session {
        let mut visitor = Visitor::new(SocketAddr::from((SHARED, 80)));
        let server = visitor.visit().unwrap().host;
        Session { visitor, server }
    }

    /// Visits again, on a new connection if the old one is gone. The cookie leads to the same server.
    pub(crate) fn go_on(&mut self) {
        self.visitor.go_to(SocketAddr::from((SHARED, 80)));
        assert_eq!(self.visitor.visit().unwrap().host, self.server);
    }
}
