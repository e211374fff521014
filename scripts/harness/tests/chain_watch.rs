//! The second wiring (docs/wirings.md): Serf's handlers only record, and `scripts/watch` renders and reloads.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::fs;
use std::time::{Duration, Instant};

use common::records::read_all;
use common::replace::replace;
use harness::cluster::local_cluster::{Cluster, SOON};
use harness::daemons::haproxy::Mode;
use harness::run::{poll, programs};
use harness::traffic::load::{Load, Rate};

/// A balancer in the second wiring that serves these backends; `None` if programs are missing.
fn serving(names: &[&str]) -> Option<Cluster> {
    if !programs::are_all_here() {
        return None;
    }
    let mut cluster = Cluster::new().unwrap();
    cluster.balancer.set_env("ROLLCALL_ONLY_RECORD", "1");
    cluster.start_balancer().unwrap();
    cluster.balancer.start_watcher().unwrap();
    for name in names {
        cluster.add(name).unwrap();
    }
    cluster.wait_for_servers(names, SOON).unwrap();
    names.iter().for_each(|name| cluster.wait_for_up(name, SOON).unwrap());
    Some(cluster)
}

fn wait_for_records(cluster: &Cluster, wanted: &[&str]) {
    let seen = poll::until(SOON, &format!("the records {wanted:?}"), || {
        let (nodes, _) = read_all(&cluster.balancer.nodes_dir()).ok()?;
        let names: Vec<&str> = nodes.iter().map(|node| node.name.as_str()).collect();
        (names == wanted).then_some(())
    });
    seen.unwrap_or_else(|err| panic!("{err}\n{}", cluster.balancer.log()));
}

#[test]
fn joins_leaves_and_crashes_fail_no_request_with_a_watcher() {
    let Some(mut cluster) = serving(&["s1", "s2"]) else { return };
    let start = Instant::now();
    let load = Load::start(cluster.front(), "/", Rate::default());
    cluster.join_leave_and_crash().unwrap();
    let counts = load.since(start);
    assert!(counts.requests > 500, "{}", counts.requests);
    assert_eq!(counts.failures(), 0, "{}", counts.failures_shown());
    assert_eq!(cluster.balancer.watcher.as_mut().unwrap().stop().unwrap().code(), Some(0));
}

#[test]
fn records_made_while_no_watcher_runs_are_served_once_one_runs_again() {
    let Some(mut cluster) = serving(&["s1"]) else { return };
    cluster.balancer.watcher.take().unwrap().kill9();
    let before = fs::read(cluster.balancer.config()).unwrap();
    cluster.add("s2").unwrap();
    wait_for_records(&cluster, &["balancer", "s1", "s2"]);
    assert_eq!(cluster.balancer.reconcile().unwrap(), 0);
    assert_eq!(fs::read(cluster.balancer.config()).unwrap(), before, "a handler that only records rendered");
    cluster.balancer.start_watcher().unwrap();
    cluster.wait_for_servers(&["s1", "s2"], SOON).unwrap();
}

#[test]
fn a_reload_is_owed_until_haproxy_is_back() {
    let Some(mut cluster) = serving(&["s1"]) else { return };
    cluster.balancer.haproxy.take();
    cluster.add("s2").unwrap();
    let wait_for = |cluster: &Cluster, words: &str| {
        let seen = poll::until(SOON * 2, words, || cluster.balancer.log().contains(words).then_some(()));
        seen.unwrap_or_else(|err| panic!("{err}\n{}", cluster.balancer.log()));
    };
    wait_for(&cluster, "cannot finish 'reload-haproxy");
    assert!(fs::read_to_string(cluster.balancer.config()).unwrap().contains("server s2 "));
    cluster.balancer.start_haproxy(Mode::MasterSocket).unwrap();
    wait_for(&cluster, "' works again");
    cluster.wait_for_up("s2", SOON).unwrap();
}

#[test]
fn what_changes_without_a_render_is_put_right_at_the_next_interval_and_a_calm_one_logs_nothing() {
    let Some(mut cluster) = serving(&["s1"]) else { return };
    // Longer than the interval of scripts/watch, so that a run with nothing to do has ended.
    std::thread::sleep(Duration::from_secs(16));
    let log = cluster.balancer.log();
    let calm = Instant::now();
    let before = fs::metadata(cluster.balancer.config()).unwrap().modified().unwrap();
    let answer = cluster.balancer.haproxy().unwrap().command("set server nodes/s1 weight 7").unwrap();
    assert_eq!(answer.trim(), "");
    poll::until(SOON * 2, "the weight of s1", || {
        let servers = cluster.servers().ok()?;
        servers.iter().any(|server| server.name == "s1" && server.weight == 1).then_some(())
    })
    .unwrap_or_else(|err| panic!("{err}\n{}", cluster.balancer.log()));
    println!("put right {:.1} s after it changed", calm.elapsed().as_secs_f64());
    assert_eq!(
        before,
        fs::metadata(cluster.balancer.config()).unwrap().modified().unwrap(),
        "it was rendered"
    );
    let added = cluster.balancer.log().replacen(&log, "", 1);
    assert!(!log.is_empty() && added.lines().count() <= 2, "{added}");
    assert_eq!(cluster.balancer.watcher.as_mut().unwrap().stop().unwrap().code(), Some(0));
}

#[test]
fn a_map_that_changes_under_its_name_is_used_in_less_than_the_interval() {
    if !programs::are_all_here() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (map, template) = (dir.path().join("hosts.map"), dir.path().join("haproxy.cfg.tera"));
    let rule = format!(
        "frontend web\n  http-request set-header x-host %[req.hdr(host),map({},none)]",
        map.display()
    );
    let shipped =
        include_str!("../../../render-cfg/templates/haproxy.cfg.tera").replacen("frontend web", &rule, 1);
    assert!(shipped.contains(&rule));
    replace(&template, shipped.as_bytes(), 0o600).unwrap();
    replace(&map, b"a.test one\n", 0o600).unwrap();
    let mut cluster = Cluster::new().unwrap();
    cluster.balancer.set_env("ROLLCALL_ONLY_RECORD", "1");
    cluster.balancer.set_env("ROLLCALL_TEMPLATE", template.to_str().unwrap());
    cluster.start_balancer().unwrap();
    cluster.balancer.start_watcher().unwrap();
    cluster.add("s1").unwrap();
    cluster.wait_for_up("s1", SOON).unwrap();
    let start = Instant::now();
    replace(&map, b"a.test two\n", 0o600).unwrap();
    let question = format!("get map {} a.test", map.display());
    poll::until(SOON, "the new map", || {
        let answer = cluster.balancer.haproxy().unwrap().command(&question).ok()?;
        answer.contains("value=\"two\"").then_some(())
    })
    .unwrap_or_else(|err| panic!("{err}\n{}", cluster.balancer.log()));
    println!("used {:.2} s after it changed", start.elapsed().as_secs_f64());
    assert!(start.elapsed() < Duration::from_secs(10), "the interval found it, not the watcher");
}

#[test]
fn a_change_of_a_file_of_settings_reaches_haproxy_and_a_wrong_one_changes_nothing() {
    if !programs::are_all_here() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("vars.yaml");
    let write = |text: &str| replace(&file, text.as_bytes(), 0o600).unwrap();
    write("maxconn: 1111\n");
    let mut cluster = Cluster::new().unwrap();
    cluster.balancer.set_env("ROLLCALL_ONLY_RECORD", "1");
    cluster.balancer.set_env("ROLLCALL_VARS", file.to_str().unwrap());
    cluster.start_balancer().unwrap();
    cluster.balancer.start_watcher().unwrap();
    cluster.add("s1").unwrap();
    cluster.wait_for_up("s1", SOON).unwrap();
    let wait_for_maxconn = |cluster: &Cluster, maxconn: &str| {
        poll::until(SOON, &format!("maxconn {maxconn}"), || {
            let info = cluster.balancer.haproxy().unwrap().command("show info").ok()?;
            info.lines().any(|line| line == format!("Maxconn: {maxconn}")).then_some(())
        })
        .unwrap_or_else(|err| panic!("{err}\n{}", cluster.balancer.log()));
    };
    write("maxconn: 2222\n");
    wait_for_maxconn(&cluster, "2222");
    let before = fs::read(cluster.balancer.config()).unwrap();
    write("maxcon: 3333\n");
    let reason = "the template does not use setting 'maxcon'; did you mean 'maxconn'?";
    poll::until(SOON, reason, || cluster.balancer.log().contains(reason).then_some(()))
        .unwrap_or_else(|err| panic!("{err}\n{}", cluster.balancer.log()));
    wait_for_maxconn(&cluster, "2222");
    assert_eq!(fs::read(cluster.balancer.config()).unwrap(), before);
    write("maxconn: 3333\n");
    wait_for_maxconn(&cluster, "3333");
    assert_eq!(cluster.balancer.log().matches(reason).count(), 1, "{}", cluster.balancer.log());
}
