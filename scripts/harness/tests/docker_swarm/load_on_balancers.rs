//! Visitors of a Swarm's balancers. Some ask one balancer only, and others ask the next one if a request fails.

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use harness::Result;
use harness::daemons::docker::swarm::Swarm;
use harness::run::poll;
use harness::traffic::http::Client;
use harness::traffic::load::{Load, Rate};

/// Longer than HAProxy needs to notice that a web app has vanished with its machine, and less than `timeout server`.
const PATIENCE: Duration = Duration::from_secs(25);
/// The longest that a request may take at a balancer that an event does not touch: 16 s of the kernel's, and more on a busy
/// machine.
const NOTICED: Duration = Duration::from_secs(22);
/// When a visitor gives up connecting to a machine, and asks the next balancer.
const CONNECTING: Duration = Duration::from_secs(1);
const RATE: Rate = Rate { visitors: 4, every: Duration::from_millis(40) };

/// Who is asked during an event.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Touches {
    /// The first machine's balancer is not touched: no request to it may fail.
    Others,
    /// Every balancer is touched: a request is sent again to the next one.
    All,
}

/// Runs `event` under load and prints what failed. A request that may be sent again must be answered at the second try;
/// one to a balancer that is not touched, at the first.
pub(crate) fn under_load(
    what: &str,
    swarm: &mut Swarm,
    touches: Touches,
    event: impl FnOnce(&mut Swarm) -> Result<()>,
) -> Result<()> {
    let fronts = [0, 1, 2].map(|machine| swarm.front(machine));
    let is_over = Arc::new(AtomicBool::new(false));
    let visitors: Vec<JoinHandle<(u64, u64)>> = (0..6)
        .map(|number| {
            let is_over = Arc::clone(&is_over);
            thread::spawn(move || visit_until(&is_over, fronts, number))
        })
        .collect();
    let mut fixed = Load::patient(fronts[0], "/", RATE, PATIENCE);
    let start = Instant::now();
    poll::pass(Duration::from_secs(1))?;
    let ended = event(swarm);
    poll::pass(Duration::from_secs(2))?;
    is_over.store(true, Ordering::Relaxed);
    let counts = visitors.into_iter().map(|thread| thread.join().unwrap());
    let (requests, failed) = counts.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    fixed.end();
    let one = fixed.since(start);
    let slowest = fixed.slowest(start).unwrap_or_default();
    println!(
        "MEASURE {what} ({:.0} s): {} of {} requests to one balancer failed ({}), the slowest took {:.1} s; {failed} of \
         {requests} with one retry",
        start.elapsed().as_secs_f64(),
        one.failures(),
        one.requests,
        one.failures_shown(),
        slowest.as_secs_f64(),
    );
    let expected = touches == Touches::All || one.failures() == 0;
    if ended.is_err() || failed > 0 || !expected {
        swarm.explain();
    }
    ended?;
    assert!(requests > 50 && one.requests > 100 && failed == 0 && expected, "{what}: see above");
    assert!(slowest < NOTICED || touches == Touches::All, "{what}: a request took {slowest:?}");
    Ok(())
}

/// Sends requests to a balancer each in turn. Returns how many there were, and how many failed at the next one, too.
fn visit_until(is_over: &AtomicBool, fronts: [SocketAddr; 3], number: usize) -> (u64, u64) {
    let (mut at, mut requests, mut failed) = (number, 0, 0);
    let is_answered = |at: usize| {
        let front = fronts[at % fronts.len()];
        TcpStream::connect_timeout(&front, CONNECTING).is_ok()
            && Client::fresh(front).with_timeout(PATIENCE).get("/").is_ok_and(|answer| answer.status == 200)
    };
    while !is_over.load(Ordering::Relaxed) {
        requests += 1;
        failed += u64::from(!is_answered(at) && !is_answered(at + 1));
        at += 1;
        thread::sleep(RATE.every);
    }
    (requests, failed)
}
