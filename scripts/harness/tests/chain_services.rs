//! Several services and a new release, by the shipped wiring with real Serf agents: nothing that servers or shares do
//! needs a reload or loses a request.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::{Duration, Instant};

use common::replace::replace;
use harness::cluster::backend::{Backend, settings};
use harness::cluster::local_cluster::{Cluster, SOON};
use harness::daemons::webapp::WebApp;
use harness::run::{poll, programs};
use harness::traffic::load::{Load, Rate};

/// Two services: one for every request, with these settings, and one for a host.
fn write(file: &Path, settings: &str) {
    let text = format!(
        "services:\n  shop: {{role: backend, cookie: false, {settings}}}\n  api: {{hosts: api.example.org}}\n"
    );
    replace(file, text.as_bytes(), 0o600).unwrap();
}

/// A cluster whose balancer follows this file of settings, by `scripts/watch`.
fn cluster(file: &Path) -> Cluster {
    let mut cluster = Cluster::new().unwrap();
    cluster.balancer.set_env("ROLLCALL_ONLY_RECORD", "1");
    cluster.balancer.set_env("ROLLCALL_VARS", file.to_str().unwrap());
    cluster.start_balancer().unwrap();
    cluster.balancer.start_watcher().unwrap();
    cluster
}

/// Starts a backend of this version.
fn start(cluster: &mut Cluster, name: &str, version: &str) -> Ipv4Addr {
    let address = cluster.net.next_host();
    let settings = settings(name, address, &cluster.seeds()).tag("version", version);
    let backend = Backend::start_with(cluster.run(), name, address, settings).unwrap();
    cluster.backends.insert(name.to_owned(), backend);
    address
}

/// Waits until the backends have these weights, and are up.
fn wait_for_weights(cluster: &Cluster, wanted: &[(&str, u32)]) {
    poll::until(SOON, &format!("weights {wanted:?}"), || {
        let servers = cluster.servers().ok()?;
        let is_it = |(name, weight): &(&str, u32)| {
            servers.iter().any(|server| server.name == *name && server.weight == *weight && server.is_up())
        };
        (servers.len() == wanted.len() && wanted.iter().all(is_it)).then_some(())
    })
    .unwrap_or_else(|err| panic!("{err}: {:?}\n{}", cluster.servers(), cluster.balancer.log()));
}

/// Asserts that this backend gets this part of the requests for three seconds from now on.
fn assert_part(load: &Load, address: Ipv4Addr, wanted: f64) {
    let from = Instant::now();
    std::thread::sleep(Duration::from_secs(3));
    let counts = load.since(from);
    let part = *counts.answered.get(&address.into()).unwrap_or(&0) as f64 / counts.requests as f64;
    assert!((part - wanted).abs() <= 0.02, "{part} instead of {wanted}: {counts:?}");
}

#[test]
fn a_new_release_gets_its_share_and_takes_over_without_a_reload() {
    if !programs::are_all_here() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("vars.yaml");
    write(&file, "versions: {v1: 90, v2: 10}");
    let mut cluster = cluster(&file);
    for name in ["a1", "a2", "a3"] {
        start(&mut cluster, name, "v1");
    }
    wait_for_weights(&cluster, &[("a1", 256), ("a2", 256), ("a3", 256)]);
    let worker = cluster.balancer.haproxy().unwrap().worker_pid().unwrap();
    let load = Load::start(cluster.front(), "/", Rate::default());
    let new = start(&mut cluster, "b1", "v2");
    wait_for_weights(&cluster, &[("a1", 255), ("a2", 255), ("a3", 255), ("b1", 85)]);
    assert_part(&load, new, 0.1);
    write(&file, "versions: {v1: 1, v2: 1}");
    wait_for_weights(&cluster, &[("a1", 86), ("a2", 85), ("a3", 85), ("b1", 256)]);
    assert_part(&load, new, 0.5);
    write(&file, "versions: {v1: 0, v2: 100}");
    wait_for_weights(&cluster, &[("a1", 0), ("a2", 0), ("a3", 0), ("b1", 256)]);
    assert_part(&load, new, 1.0);
    for name in ["a1", "a2", "a3"] {
        cluster.stop(name).unwrap();
    }
    wait_for_weights(&cluster, &[("b1", 256)]);
    let samples = load.count(|_| true);
    assert_eq!(samples.failures_shown(), "");
    assert_eq!(
        cluster.balancer.haproxy().unwrap().worker_pid().unwrap(),
        worker,
        "{}",
        cluster.balancer.log()
    );
}

/// Asserts that the share of a backend rises over eight seconds from its first answer after `from` on, to a quarter.
fn assert_rises(load: &Load, address: Ipv4Addr, from: Instant) {
    let first = poll::until(SOON, "its first answer", || load.first_answer_by(address, from)).unwrap();
    std::thread::sleep(Duration::from_secs(12).saturating_sub(first.elapsed()));
    let part = |begin: u64, end: u64| {
        let counts = load.between(first + Duration::from_secs(begin), first + Duration::from_secs(end));
        *counts.answered.get(&address.into()).unwrap_or(&0) as f64 / counts.requests as f64
    };
    let parts = [part(0, 2), part(3, 5), part(6, 8), part(9, 12)];
    // A busy machine counts the first seconds late, and the share is near its end before the last ones.
    let does_rise = parts.windows(2).all(|pair| pair[0] < pair[1] + 0.02);
    assert!(parts[0] < 0.15 && does_rise, "{parts:?}");
    assert!((parts[3] - 0.25).abs() < 0.02, "{parts:?}");
}

#[test]
fn a_server_that_joins_or_comes_back_starts_slowly() {
    if !programs::are_all_here() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("vars.yaml");
    write(&file, "slowstart: 8s");
    let mut cluster = cluster(&file);
    for name in ["a1", "a2", "a3"] {
        start(&mut cluster, name, "v1");
    }
    wait_for_weights(&cluster, &[("a1", 1), ("a2", 1), ("a3", 1)]);
    let worker = cluster.balancer.haproxy().unwrap().worker_pid().unwrap();
    let load = Load::start(cluster.front(), "/", Rate::default());
    let from = Instant::now();
    let address = start(&mut cluster, "b1", "v1");
    assert_rises(&load, address, from);
    // Its web app crashes, and is started again.
    cluster.backend("b1").unwrap().app.kill9();
    std::thread::sleep(Duration::from_secs(1));
    let from = Instant::now();
    cluster.backend("b1").unwrap().app = WebApp::start(cluster.run(), "b1-again", address).unwrap();
    assert_rises(&load, address, from);
    // It leaves, and comes back at another address.
    cluster.stop("b1").unwrap();
    let from = Instant::now();
    let address = start(&mut cluster, "b1", "v1");
    assert_rises(&load, address, from);
    assert_eq!(load.count(|_| true).failures_shown(), "");
    assert_eq!(
        cluster.balancer.haproxy().unwrap().worker_pid().unwrap(),
        worker,
        "{}",
        cluster.balancer.log()
    );
}
