//! Scaling in fails no request: requests of 5 s in flight are answered, and visitors go on at another server.
//!
//! If a stopped web app cuts a request, its visitor does not notice, because HAProxy sends a GET again to another server. So
//! the web apps' own logs and HAProxy's counters must show that none was cut.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, spawn};
use std::time::{Duration, Instant};

use harness::daemons::docker::{ComposeCluster, Container};
use harness::run::poll;
use harness::traffic::http::Client;
use harness::traffic::load::{Load, Rate};
use harness::traffic::visitor::Visitor;

const SOON: Duration = Duration::from_secs(20);
/// How long each request takes.
const LONG: Duration = Duration::from_secs(5);
/// 24 visitors without cookies, one request each per 5 s: about five begin in each second.
const RATE: Rate = Rate { visitors: 24, every: LONG };
const STICKY: usize = 12;

/// A visitor with cookies who sends a request as soon as the last is answered, until told to stop.
struct Sticky {
    home: String,
    thread: JoinHandle<(Visitor, String)>,
}

impl Sticky {
    /// The first visit is over when this returns.
    fn start(front: SocketAddr, is_over: &Arc<AtomicBool>) -> Sticky {
        let mut visitor = Visitor::new(front);
        let home = visitor.visit().unwrap().host;
        let (is_over, mut host) = (Arc::clone(is_over), home.clone());
        let thread = spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                host = visitor.visit().unwrap().host;
            }
            (visitor, host)
        });
        Sticky { home, thread }
    }
}

fn slow_down(backend: &Container) {
    let address = (backend.address().unwrap().unwrap(), 3000).into();
    let body = format!("{{\"delay\": {}}}", LONG.as_millis());
    let headers = [("Content-Type", "application/json")];
    Client::fresh(address).send("POST", "/delay", &headers, body.as_bytes()).unwrap().success().unwrap();
}

/// How often HAProxy has tried a request again, on the same server or another.
fn retries(cluster: &ComposeCluster) -> u64 {
    let text = Client::fresh(cluster.stats()).get("/stats;csv").unwrap().success().unwrap().text();
    let names: Vec<&str> = text.lines().next().unwrap().split(',').collect();
    let row = text.lines().find(|line| line.starts_with("nodes,BACKEND,")).unwrap();
    let value = |name: &str| {
        let column = names.iter().position(|found| *found == name).unwrap();
        row.split(',').nth(column).unwrap().parse::<u64>().unwrap()
    };
    value("wretr") + value("wredis")
}

fn names(backends: &[Container]) -> BTreeSet<String> {
    backends.iter().map(|backend| backend.id[..12].to_owned()).collect()
}

/// Visitors with cookies on all servers.
fn sticky(cluster: &ComposeCluster, is_over: &Arc<AtomicBool>) -> Vec<Sticky> {
    let start = |_| {
        let (front, is_over) = (cluster.front(), Arc::clone(is_over));
        spawn(move || Sticky::start(front, &is_over))
    };
    // All at once, so that leastconn spreads them.
    let first_visits: Vec<_> = (0..STICKY).map(start).collect();
    first_visits.into_iter().map(|visit| visit.join().unwrap()).collect()
}

/// Their counters have no gap, and those whose server is still there have stayed with it.
fn assert_sessions_went_on(visitors: Vec<Sticky>, left: &BTreeSet<String>) {
    for visitor in visitors {
        let (after, host) = visitor.thread.join().unwrap();
        assert_eq!(after.lost(), 0, "a session was lost after {} views", after.views());
        assert!(after.views() > 3, "{} views", after.views());
        assert!(left.contains(&host), "{host} is gone");
        assert!(
            host == visitor.home || !left.contains(&visitor.home),
            "a visitor left {} for {host} without need",
            visitor.home
        );
    }
}

/// A stopped web app has left Serf, and has cut no request.
fn assert_left_in_order(log: &str) {
    assert!(log.contains("serf:     ") && log.contains("shutdown complete"), "{log}");
    assert!(!log.contains("cut requests"), "it was stopped too soon: {log}");
}

/// Waits until each server has answered one of the requests since `start`.
fn wait_for_answers(load: &Load, backends: &[Container], start: Instant) {
    let answered = |backend: &Container| load.first_answer_by(backend.address().unwrap().unwrap(), start);
    let all = || backends.iter().all(|backend| answered(backend).is_some()).then_some(());
    poll::until(SOON, "an answer from each server", all).unwrap();
}

#[test]
#[ignore = "builds images; scripts/test --containers"]
fn scaling_in_cuts_no_request_of_5_s_and_no_session() {
    let Some(cluster) = ComposeCluster::serving(4).unwrap() else { return };
    let before = cluster.backends().unwrap();
    before.iter().for_each(slow_down);
    let is_over = Arc::new(AtomicBool::new(false));
    let visitors = sticky(&cluster, &is_over);
    let homes: BTreeSet<String> = visitors.iter().map(|visitor| visitor.home.clone()).collect();
    assert_eq!(homes, names(&before), "a server has no visitor of its own");
    let mut load = Load::patient(cluster.front(), "/", RATE, 2 * SOON);
    let start = Instant::now();
    wait_for_answers(&load, &before, start);

    let logs: Vec<_> = before.iter().map(Container::follow_log).collect();
    let scaling = Instant::now();
    cluster.scale(2).unwrap();
    println!("MEASURE scale from 4 to 2 with requests of 5 s: {:.1} s", scaling.elapsed().as_secs_f64());
    cluster.wait_for_up(2, SOON).unwrap();
    let over = Instant::now();
    let later = || (load.count(|sample| sample.sent > over).requests >= RATE.visitors as u64).then_some(());
    poll::until(2 * SOON, "a later answer for each visitor", later).unwrap();
    is_over.store(true, Ordering::Relaxed);
    load.end();

    let counts = load.since(start);
    println!("MEASURE {} requests of 5 s, {} failed", counts.requests, counts.failures());
    assert_eq!(counts.failures(), 0, "{}", counts.failures_shown());
    let left = names(&cluster.backends().unwrap());
    assert_sessions_went_on(visitors, &left);
    for (_, log) in before.iter().zip(logs).filter(|(backend, _)| !left.contains(&backend.id[..12])) {
        assert_left_in_order(&log.join().unwrap().unwrap());
    }
    assert_eq!(retries(&cluster), 0, "HAProxy had to send a request again");
    assert_eq!(cluster.reloads(), Some(0));
}
