//! Tests of the harness itself: real programs start, can be observed, and are gone afterwards.
//!
//! Only what other tests rely on is checked here; Rollcall's behaviour is tested elsewhere.

#![allow(clippy::unwrap_used, reason = "a test ends with the error")]

use std::fs;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use common::replace::replace;
use harness::daemons::haproxy::{Haproxy, Mode, is_haproxy};
use harness::daemons::serf::Settings;
use harness::daemons::webapp::WebApp;
use harness::network::subnet::Subnet;
use harness::run::Run;
use harness::run::process::is_running;
use harness::run::{poll, programs};
use harness::traffic::http::Client;
use harness::traffic::load::{Load, Rate};
use harness::traffic::response::Failure;
use harness::traffic::visitor::Visitor;

const SOON: Duration = Duration::from_secs(10);

/// A minimal configuration with one server.
fn config(run: &Run, front: SocketAddr, server: SocketAddr) -> std::path::PathBuf {
    let admin = run.join("admin.sock");
    let text = format!(
        "global\n stats socket {} level admin\n description first\n\
         defaults\n mode http\n timeout connect 1s\n timeout client 5s\n timeout server 5s\n option redispatch 1\n\
         listen l\n bind {front}\n server s1 {server} check inter 200ms\n",
        admin.display()
    );
    let path = run.join("haproxy.cfg");
    replace(&path, text.as_bytes(), 0o644).unwrap();
    path
}

#[test]
fn agents_find_each_other_and_one_that_leaves_is_seen_to_leave() {
    if !programs::are_all_here() {
        return;
    }
    let (run, net) = (Run::new().unwrap(), Subnet::claim().unwrap());
    let one = Settings::new("one", net.host(1)).start(&run).unwrap();
    let two = Settings::new("two", net.host(2)).tag("role", "backend").join(&[net.host(1)]);
    let mut two = two.start(&run).unwrap();
    one.wait_for_alive(&run, 2, SOON).unwrap();
    two.set_tag(&run, "state", "drain").unwrap();
    let tagged =
        || one.members(&run).unwrap().iter().any(|m| m.tags.get("state").is_some_and(|v| v == "drain"));
    poll::until(SOON, "the tag", || tagged().then_some(())).unwrap();
    assert!(two.leave(&run).unwrap().success());
    assert_eq!(one.alive(&run).unwrap(), ["one"]);
}

#[test]
fn an_agent_that_fails_to_start_reports_why() {
    if !programs::are_all_here() {
        return;
    }
    let (run, net) = (Run::new().unwrap(), Subnet::claim().unwrap());
    let agent = Settings::new("one", net.host(1)).set("no_such_key", 1);
    let err = agent.start(&run).unwrap_err().to_string();
    assert!(err.contains("serf-127.") && err.contains("no_such_key"), "{err}");
}

#[test]
fn haproxy_runs_in_every_mode_and_is_gone_when_dropped() {
    if !programs::are_all_here() {
        return;
    }
    for mode in [Mode::MasterSocket, Mode::MasterWorker, Mode::Classic, Mode::Foreground] {
        let (run, net) = (Run::new().unwrap(), Subnet::claim().unwrap());
        let front = SocketAddr::from((net.host(1), 8080));
        let app = WebApp::start(&run, "s1", net.host(2)).unwrap();
        let config = config(&run, front, app.address());
        let admin = run.join("admin.sock");
        let haproxy = Haproxy::start(&run, "haproxy", &config, mode, Some(&admin)).unwrap();
        assert_eq!(haproxy.description().unwrap(), "first", "{mode:?}");
        assert!(haproxy.servers().unwrap()[0].is_up());
        let (pid, worker) = (haproxy.pid().unwrap(), haproxy.worker_pid().unwrap());
        assert_eq!(pid == worker, matches!(mode, Mode::Classic | Mode::Foreground));
        if mode == Mode::MasterSocket {
            assert!(haproxy.master_command("show proc").unwrap().contains("worker"));
        }
        assert_eq!(Client::keep_alive(front).get("/").unwrap().json()["host"], "s1");
        drop(haproxy);
        // Where the machine is so busy that its master was killed, its worker ends a moment later.
        let is_gone = || (!is_haproxy(pid) && !is_haproxy(worker)).then_some(());
        poll::until(SOON, &format!("the end of HAProxy in {mode:?}"), is_gone).unwrap();
    }
}

#[test]
fn a_run_that_forgets_everything_leaves_nothing() {
    if !programs::are_all_here() {
        return;
    }
    let (run, net) = (Run::new().unwrap(), Subnet::claim().unwrap());
    let front = SocketAddr::from((net.host(1), 8080));
    let app = WebApp::start(&run, "s1", net.host(2)).unwrap();
    let config = config(&run, front, app.address());
    let admin = run.join("admin.sock");
    let classic = Haproxy::start(&run, "haproxy", &config, Mode::Classic, Some(&admin)).unwrap();
    let agent = Settings::new("one", net.host(1)).start(&run).unwrap();
    let pids = [app.daemon.id(), classic.pid().unwrap(), agent.daemon.id()];
    let directory = run.path().to_owned();
    // As with kill -9, no Drop runs but the one that closes the guardian's pipe.
    std::mem::forget((app, classic, agent));
    drop(run);
    assert!(!directory.exists());
    let gone = || pids.iter().all(|pid| !is_running(*pid));
    poll::until(SOON, "all to be gone", || gone().then_some(())).unwrap();
}

#[test]
fn load_counts_outcomes_and_answers_by_backend() {
    if !programs::are_all_here() {
        return;
    }
    let (run, net) = (Run::new().unwrap(), Subnet::claim().unwrap());
    let mut app = WebApp::start(&run, "s1", net.host(2)).unwrap();
    let load = Load::start(app.address(), "/", Rate::default());
    let start = Instant::now();
    poll::until(SOON, "100 answers", || (load.since(start).requests > 100).then_some(())).unwrap();
    assert_eq!(load.since(start).failures(), 0, "{:?}", load.since(start));
    assert!(load.first_answer_by(net.host(2), start).is_some());
    app.kill9();
    let killed = Instant::now();
    poll::until(SOON, "a refusal", || load.first_failure(Failure::Refused, killed)).unwrap();
    assert!(load.last_request_to(net.host(2)).unwrap() <= Instant::now());
    let samples = load.stop();
    assert!(samples.iter().any(|sample| sample.outcome == Err(Failure::Refused)));
}

#[test]
fn a_visitor_counts_on_and_sees_a_session_that_is_lost() {
    if !programs::are_all_here() {
        return;
    }
    let (run, net) = (Run::new().unwrap(), Subnet::claim().unwrap());
    let app = WebApp::start(&run, "s1", net.host(2)).unwrap();
    let mut visitor = Visitor::new(app.address());
    for views in 1..=3 {
        assert_eq!(visitor.visit().unwrap().views, views);
    }
    assert_eq!(visitor.lost(), 0);
    assert!(fs::read_to_string(app.daemon.log_path()).unwrap().contains("listening"));
}
