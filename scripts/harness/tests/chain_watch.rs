//! The second setup: Serf's handlers only record, and `scripts/watch` renders and reloads.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::fs;
use std::time::Instant;

use common::records::read_all;
use harness::cluster::local_cluster::{Cluster, GIVEN_UP, SOON};
use harness::daemons::haproxy::Mode;
use harness::run::{poll, programs};
use harness::traffic::load::{Load, Rate};

/// A balancer in the second setup that serves these backends; `None` if programs are missing.
fn serving(names: &[&str]) -> Option<Cluster> {
    if !programs::are_all_here() {
        return None;
    }
    let mut stage = Cluster::new().unwrap();
    stage.balancer.set_env("ROLLCALL_ONLY_RECORD", "1");
    stage.start_balancer().unwrap();
    stage.balancer.start_watcher().unwrap();
    for name in names {
        stage.add(name).unwrap();
    }
    stage.wait_for_servers(names, SOON).unwrap();
    names.iter().for_each(|name| stage.wait_for_up(name, SOON).unwrap());
    Some(stage)
}

fn wait_for_records(stage: &Cluster, wanted: &[&str]) {
    let seen = poll::until(SOON, &format!("the records {wanted:?}"), || {
        let (nodes, _) = read_all(&stage.balancer.nodes_dir()).ok()?;
        let names: Vec<&str> = nodes.iter().map(|node| node.name.as_str()).collect();
        (names == wanted).then_some(())
    });
    seen.unwrap_or_else(|err| panic!("{err}\n{}", stage.balancer.log()));
}

#[test]
fn joins_leaves_and_crashes_fail_no_request_with_a_watcher() {
    let Some(mut stage) = serving(&["s1", "s2"]) else { return };
    let start = Instant::now();
    let load = Load::start(stage.front(), "/", Rate::default());
    stage.add("s3").unwrap();
    stage.wait_for_servers(&["s1", "s2", "s3"], SOON).unwrap();
    stage.wait_for_up("s3", SOON).unwrap();
    stage.stop("s2").unwrap();
    stage.wait_for_servers(&["s1", "s3"], SOON).unwrap();
    stage.kill9("s3").unwrap();
    stage.wait_for_servers(&["s1"], GIVEN_UP).unwrap();
    let counts = load.since(start);
    assert!(counts.requests > 500, "{}", counts.requests);
    assert_eq!(counts.failures(), 0, "{}", counts.failures_shown());
    assert_eq!(stage.balancer.watcher.as_mut().unwrap().stop().unwrap().code(), Some(0));
}

#[test]
fn records_made_while_no_watcher_runs_are_served_once_one_runs_again() {
    let Some(mut stage) = serving(&["s1"]) else { return };
    stage.balancer.watcher.take().unwrap().kill9();
    let before = fs::read(stage.balancer.config()).unwrap();
    stage.add("s2").unwrap();
    wait_for_records(&stage, &["balancer", "s1", "s2"]);
    assert_eq!(stage.balancer.reconcile().unwrap(), 0);
    assert_eq!(fs::read(stage.balancer.config()).unwrap(), before, "a handler that only records rendered");
    stage.balancer.start_watcher().unwrap();
    stage.wait_for_servers(&["s1", "s2"], SOON).unwrap();
}

#[test]
fn a_reload_is_owed_until_haproxy_is_back() {
    let Some(mut stage) = serving(&["s1"]) else { return };
    stage.balancer.haproxy.take();
    stage.add("s2").unwrap();
    let wait_for = |stage: &Cluster, words: &str| {
        let seen = poll::until(SOON * 2, words, || stage.balancer.log().contains(words).then_some(()));
        seen.unwrap_or_else(|err| panic!("{err}\n{}", stage.balancer.log()));
    };
    wait_for(&stage, "cannot finish 'reload-haproxy");
    assert!(fs::read_to_string(stage.balancer.config()).unwrap().contains("server s2 "));
    stage.balancer.start_haproxy(Mode::MasterSocket).unwrap();
    wait_for(&stage, "' is well again");
    stage.wait_for_up("s2", SOON).unwrap();
}
