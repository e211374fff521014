//! A balancer that starts before, after or without its backends, is restarted, or is cut off: it recovers without
//! help.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::node::{Node, Tags};
use common::nodes_directory::NodesDir;
use common::replace::replace;
use harness::cluster::backend::Backend;
use harness::cluster::local_cluster::{Cluster, GIVEN_UP, SOON};
use harness::daemons::haproxy::{Haproxy, Mode, Server};
use harness::run::{poll, programs};
use harness::traffic::http::Client;
use harness::traffic::load::{Load, Rate};
use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;

#[test]
fn started_last_it_finds_the_backends_that_are_there() {
    if !programs::are_all_here() {
        return;
    }
    let mut cluster = Cluster::new().unwrap();
    let (first, second) = (cluster.net.next_host(), cluster.net.next_host());
    cluster.backends.insert("s1".into(), Backend::start(cluster.run(), "s1", first, &[second]).unwrap());
    cluster.backends.insert("s2".into(), Backend::start(cluster.run(), "s2", second, &[first]).unwrap());
    cluster.backends["s1"].agent.wait_for_alive(cluster.run(), 2, SOON).unwrap();
    cluster.start_balancer().unwrap();
    cluster.wait_for_servers(&["s1", "s2"], SOON).unwrap();
}

#[test]
fn its_agent_restarted_by_term_and_by_kill_misses_nothing() {
    for kill in [false, true] {
        let Some(mut cluster) = Cluster::serving(&["s1", "s2", "s3"]).unwrap() else { return };
        let mut agent = cluster.balancer.agent.take().unwrap();
        if kill {
            agent.kill9();
        } else {
            agent.stop_and_wait().unwrap();
        }
        cluster.stop("s2").unwrap();
        cluster.start_agent().unwrap();
        // A leave can get lost if few members are left to spread it.
        cluster.wait_for_servers(&["s1", "s3"], GIVEN_UP).unwrap();
        assert_eq!(cluster.balancer.reconcile().unwrap(), 0);
    }
}

#[test]
fn its_haproxy_restarted_by_term_and_by_kill_runs_the_file() {
    for kill in [false, true] {
        let Some(mut cluster) = Cluster::serving(&["s1"]).unwrap() else { return };
        let mut haproxy = cluster.balancer.haproxy.take().unwrap();
        if kill {
            // If its worker is killed, a master ends too. The supervisor starts both again.
            let worker = Pid::from_raw(haproxy.worker_pid().unwrap().try_into().unwrap());
            signal::kill(worker, Signal::SIGKILL).unwrap();
        }
        haproxy.stop().unwrap();
        cluster.add("s2").unwrap();
        let config = cluster.balancer.config();
        poll::until(SOON, "s2 in the file", || {
            fs::read_to_string(&config).unwrap().contains("server s2 ").then_some(())
        })
        .unwrap();
        cluster.balancer.start_haproxy(Mode::MasterSocket).unwrap();
        assert_eq!(cluster.balancer.reconcile().unwrap(), 0);
        cluster.wait_for_servers(&["s1", "s2"], SOON).unwrap();
    }
}

#[test]
fn a_balancer_that_is_cut_off_keeps_serving_its_pool() {
    let Some(mut cluster) = Cluster::serving(&["s1", "s2"]).unwrap() else { return };
    cluster.balancer.agent.take().unwrap().kill9();
    let start = Instant::now();
    let load = Load::start(cluster.front(), "/", Rate::default());
    // A new agent that finds no member lists only itself, which must not empty the pool.
    cluster.balancer.start_agent(&[]).unwrap();
    let held = || cluster.balancer.log().contains("cannot remove 2 of 2 records of role 'backend'");
    poll::until(SOON, "the guard in the log", || held().then_some(())).unwrap();
    assert_eq!(cluster.balancer.reconcile().unwrap(), 6);
    cluster.wait_for_servers(&["s1", "s2"], Duration::ZERO).unwrap();
    let counts = load.since(start);
    assert!(counts.requests > 0 && counts.failures() == 0, "{}", counts.failures_shown());
    // Once it has joined the others, it follows them again.
    let seed = cluster.backends["s1"].address;
    cluster.balancer.agent.as_ref().unwrap().join(cluster.run(), seed).unwrap();
    cluster.stop("s2").unwrap();
    cluster.wait_for_servers(&["s1"], SOON).unwrap();
}

/// As if the balancer's gossip were cut off but its HTTP were not.
#[test]
fn a_backend_that_serf_gives_up_stays_for_as_long_as_haproxy_finds_it_up() {
    let Some(mut cluster) = Cluster::serving(&["s1", "s2"]).unwrap() else { return };
    let start = Instant::now();
    let load = Load::start(cluster.front(), "/", Rate::default());
    cluster.backend("s1").unwrap().agent.kill9();
    let kept = || cluster.balancer.log().contains("kept s1: failed in Serf, but seen up");
    poll::until(GIVEN_UP, "Serf to give s1 up", || kept().then_some(())).unwrap();
    cluster.wait_for_servers(&["s1", "s2"], Duration::ZERO).unwrap();
    cluster.backend("s1").unwrap().app.kill9();
    let is_down = |server: &Server| server.name == "s1" && !server.is_up();
    poll::until(SOON, "s1 to be down", || cluster.servers().unwrap().iter().any(is_down).then_some(()))
        .unwrap();
    assert_eq!(cluster.balancer.reconcile().unwrap(), 0);
    cluster.wait_for_servers(&["s2"], Duration::ZERO).unwrap();
    let counts = load.since(start);
    assert!(counts.requests > 0 && counts.failures() == 0, "{}", counts.failures_shown());
}

#[test]
fn while_haproxy_stands_still_a_backend_that_serf_gives_up_stays() {
    let Some(mut cluster) = Cluster::serving(&["s1", "s2"]).unwrap() else { return };
    let haproxy = cluster.balancer.haproxy().unwrap();
    let pids = [haproxy.pid().unwrap(), haproxy.worker_pid().unwrap()];
    let send = |to_send| {
        for pid in pids {
            signal::kill(Pid::from_raw(pid.try_into().unwrap()), to_send).unwrap();
        }
    };
    send(Signal::SIGSTOP);
    let record = give_up(&mut cluster, "s2");
    let has_asked = || cluster.balancer.log().contains("cannot ask HAProxy for its servers").then_some(());
    poll::until(SOON, "HAProxy to be asked", has_asked).unwrap();
    assert!(record.exists());
    send(Signal::SIGCONT);
    let is_gone = || (cluster.balancer.reconcile().unwrap() == 0 && !record.exists()).then_some(());
    poll::until(2 * SOON, "s2 to go", is_gone).unwrap();
    cluster.wait_for_servers(&["s1"], Duration::ZERO).unwrap();
}

/// If the template has no stats socket, as in the lab, only Serf decides.
#[test]
fn where_haproxy_cannot_be_asked_a_backend_that_serf_gives_up_goes() {
    if !programs::are_all_here() {
        return;
    }
    let mut cluster = Cluster::new().unwrap();
    let template = cluster.run().join("lab.tera");
    let shipped = fs::read_to_string(programs::shipped("render-cfg/templates/haproxy.cfg.tera")).unwrap();
    let has_no_socket = |line: &&str| !line.contains("stats socket") && !line.contains("socket_group");
    let lines: Vec<&str> = shipped.lines().filter(has_no_socket).collect();
    replace(&template, format!("{}\n", lines.join("\n")).as_bytes(), 0o644).unwrap();
    cluster.balancer.set_env("ROLLCALL_TEMPLATE", &template);
    let config = cluster.balancer.config();
    cluster.balancer.render().unwrap();
    let _haproxy = Haproxy::start(cluster.run(), "haproxy", &config, Mode::MasterWorker, None).unwrap();
    cluster.start_agent().unwrap();
    for name in ["s1", "s2"] {
        cluster.add(name).unwrap();
    }
    let has_s2 = || fs::read_to_string(&config).unwrap().contains("server s2 ");
    poll::until(SOON, "s2 in the file", || has_s2().then_some(())).unwrap();
    let record = give_up(&mut cluster, "s2");
    assert_eq!(cluster.balancer.reconcile().unwrap(), 0, "{}", cluster.balancer.log());
    assert!(!record.exists() && !has_s2());
}

/// It came back under another name, and spells out the port that it announced by default before.
#[test]
fn a_dead_twin_goes_even_if_no_haproxy_runs() {
    if !programs::are_all_here() {
        return;
    }
    let mut cluster = Cluster::new().unwrap();
    cluster.start_agent().unwrap();
    let address = cluster.add("s2").unwrap();
    cluster.balancer.agent.as_ref().unwrap().wait_for_alive(cluster.run(), 2, SOON).unwrap();
    let mut records = NodesDir::lock(&cluster.balancer.nodes_dir(), SOON).unwrap();
    let tags = Tags::from([("role".to_owned(), "backend".to_owned())]);
    records.put(&Node::new("s1", &address.to_string(), tags).unwrap()).unwrap();
    assert!(records.finish().is_empty());
    assert_eq!(cluster.balancer.reconcile().unwrap(), 5);
    let text = fs::read_to_string(cluster.balancer.config()).unwrap();
    assert!(text.contains("server s2 ") && !text.contains("s1"), "{text}");
}

/// Kills a backend and waits until Serf lists it as failed; returns the path of its record.
fn give_up(cluster: &mut Cluster, name: &str) -> PathBuf {
    cluster.kill9(name).unwrap();
    let answer = cluster.balancer.directory().join("state/members");
    let is_given_up = || fs::read_to_string(&answer).unwrap().contains(r#""failed""#).then_some(());
    poll::until(GIVEN_UP, "Serf to give it up", is_given_up).unwrap();
    cluster.balancer.nodes_dir().join(format!("{name}.json"))
}

#[test]
fn the_last_backend_that_leaves_stays_in_the_file_until_another_comes() {
    let Some(mut cluster) = Cluster::serving(&["s1"]).unwrap() else { return };
    cluster.stop("s1").unwrap();
    let held = || cluster.balancer.log().contains("render-cfg[") && has_no_servers(&cluster);
    poll::until(SOON, "the record to go", || held().then_some(())).unwrap();
    assert_eq!(cluster.balancer.reconcile().unwrap(), 6);
    cluster.wait_for_servers(&["s1"], Duration::ZERO).unwrap();
    poll::until(SOON, "the 503", || {
        (Client::fresh(cluster.front()).get("/").ok()?.status == 503).then_some(())
    })
    .unwrap();
    cluster.add("s2").unwrap();
    cluster.wait_for_servers(&["s2"], SOON).unwrap();
}

fn has_no_servers(cluster: &Cluster) -> bool {
    let mut records = fs::read_dir(cluster.balancer.nodes_dir()).unwrap();
    !records.any(|record| record.unwrap().file_name() == "s1.json")
}

#[test]
fn a_template_that_breaks_changes_nothing_and_the_next_run_after_its_mending_does() {
    let Some(mut cluster) = Cluster::serving(&["s1"]).unwrap() else { return };
    let template = cluster.balancer.directory().join("broken.tera");
    let shipped = fs::read_to_string(programs::shipped("render-cfg/templates/haproxy.cfg.tera")).unwrap();
    cluster.balancer.set_env("ROLLCALL_TEMPLATE", &template);
    for (text, code) in [("{{ nonsense", 3), ("global\n  bogus {{ revision }}\n", 5)] {
        replace(&template, text.as_bytes(), 0o644).unwrap();
        assert_eq!(cluster.balancer.reconcile().unwrap(), code, "{}", cluster.balancer.log());
        cluster.wait_for_servers(&["s1"], Duration::ZERO).unwrap();
    }
    replace(&template, shipped.replace("timeout queue 10s", "timeout queue 11s").as_bytes(), 0o644).unwrap();
    assert_eq!(cluster.balancer.reconcile().unwrap(), 0);
    assert!(fs::read_to_string(cluster.balancer.config()).unwrap().contains("timeout queue 11s"));
    assert_eq!(cluster.balancer.reconcile().unwrap(), 0);
}

#[test]
fn a_step_that_hangs_ends_by_itself_and_the_others_are_done() {
    let Some(mut cluster) = Cluster::serving(&["s1"]).unwrap() else { return };
    cluster.balancer.set_env("ROLLCALL_STEP_TIMEOUT", "2");
    cluster.balancer.add_setting("hard_stop_after", "29m");
    let record = cluster.balancer.nodes_dir().join("s1.json");
    fs::remove_file(&record).unwrap();
    let start = Instant::now();
    let mut handler = Command::new(programs::shipped("scripts/serf-handler"));
    cluster.balancer.with_environment(&mut handler).env("SERF_EVENT", "member-join");
    let mut handler =
        handler.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    // Keeps the handler's stdin open, so the event never ends.
    let _event = handler.stdin.take();
    assert_eq!(handler.wait().unwrap().code(), Some(1));
    assert!(start.elapsed() < SOON);
    let log = cluster.balancer.log();
    assert!(log.contains("]: cannot finish within 2s; see --time-limit"), "{log}");
    assert!(record.exists());
    cluster.wait_for_servers(&["s1"], Duration::ZERO).unwrap();
    let config = fs::read_to_string(cluster.balancer.config()).unwrap();
    let running = cluster.balancer.haproxy().unwrap().description().unwrap();
    assert!(config.contains("hard-stop-after 29m") && config.contains(&running), "{running}: {config}");
}

#[test]
fn a_check_that_hangs_is_ended_and_the_next_run_does_the_work() {
    let Some(mut cluster) = Cluster::serving(&["s1"]).unwrap() else { return };
    let hanging = cluster.balancer.directory().join("hanging-haproxy");
    replace(&hanging, b"#!/bin/sh\nexec sleep 600\n", 0o755).unwrap();
    cluster.balancer.set_env("ROLLCALL_HAPROXY", &hanging);
    cluster.balancer.set_env("ROLLCALL_STEP_TIMEOUT", "3");
    cluster.balancer.add_setting("hard_stop_after", "29m");
    let start = Instant::now();
    assert_eq!(cluster.balancer.reconcile().unwrap(), 5);
    assert!(start.elapsed() < SOON);
    assert!(
        cluster.balancer.log().contains("took too long: it was killed after 2s"),
        "{}",
        cluster.balancer.log()
    );
    cluster.wait_for_servers(&["s1"], Duration::ZERO).unwrap();
    cluster.balancer.set_env("ROLLCALL_HAPROXY", "haproxy");
    cluster.balancer.set_env("ROLLCALL_STEP_TIMEOUT", "30");
    assert_eq!(cluster.balancer.reconcile().unwrap(), 0);
    assert!(fs::read_to_string(cluster.balancer.config()).unwrap().contains("hard-stop-after 29m"));
}

#[test]
fn no_member_is_removed_while_serf_does_not_answer() {
    let Some(mut cluster) = Cluster::serving(&["s1"]).unwrap() else { return };
    cluster.balancer.agent.take().unwrap().kill9();
    assert_eq!(cluster.balancer.reconcile().unwrap(), 3);
    assert!(cluster.balancer.log().contains("it begins with 'Error connecting to Serf agent"));
    cluster.wait_for_servers(&["s1"], Duration::ZERO).unwrap();
}
