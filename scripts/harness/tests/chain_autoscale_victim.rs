//! `scripts/autoscale-run` with ROLLCALL_STOP_COMMAND: one chosen server is drained, and then stopped.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use common::replace::replace;
use harness::cluster::local_cluster::{Cluster, SOON};
use harness::cluster::single_haproxy::autoscaled::Autoscaled;
use harness::daemons::serf::RPC_PORT;
use harness::run::daemon::Daemon;
use harness::run::process::{code, stderr};
use harness::run::{poll, programs};
use harness::traffic::http::Client;
use harness::traffic::load::{Load, Rate};
use harness::traffic::visitor::Visitor;

/// A HAProxy with this number of servers, and commands that note the names in `drained` and `stopped`; `None` if
/// programs are missing.
fn with_servers(count: u8) -> Option<Autoscaled> {
    let mut scaled = Autoscaled::with_servers(count)?;
    scaled.set_command("ROLLCALL_DRAIN_COMMAND", "echo $1 >>drained");
    scaled.set_command("ROLLCALL_STOP_COMMAND", "echo $1 >>stopped");
    Some(scaled)
}

/// One look that wants this number.
#[track_caller]
fn look(scaled: &Autoscaled, number: u8) {
    let output = scaled.look(number, number);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
}

/// A request that takes so many milliseconds, once HAProxy has it.
fn slow_request(scaled: &Autoscaled, front: SocketAddr, time: u32) -> JoinHandle<()> {
    let sessions = || -> u64 {
        let rows = scaled.fixture.haproxy().show_stat().unwrap();
        rows.iter().filter(|row| row["type"] == "2").map(|row| row["scur"].parse::<u64>().unwrap()).sum()
    };
    let before = sessions();
    let request = thread::spawn(move || {
        assert_eq!(Client::fresh(front).get(&format!("/slow/{time}")).unwrap().status, 200);
    });
    poll::until(SOON, "a session", || (sessions() > before).then_some(())).unwrap();
    request
}

#[test]
fn the_server_with_the_fewest_sessions_is_drained_and_stopped_when_it_has_none() {
    let Some(scaled) = with_servers(3) else { return };
    let _apps = [11, 12, 13].map(|host| scaled.fixture.app(host));
    let front = scaled.fixture.front();
    let requests = [3000, 3000].map(|time| slow_request(&scaled, front, time));
    let idle = scaled.fixture.haproxy().show_stat().unwrap();
    let idle = idle.iter().find(|row| row["type"] == "2" && row["scur"] == "0").unwrap()["svname"].clone();
    look(&scaled, 2);
    let name = format!("{idle}\n");
    assert_eq!(scaled.text("drained"), name, "{}", scaled.text("log"));
    scaled.wait_for("log", &format!("to drain {idle}: it has the fewest sessions, 0; "));
    // HAProxy hears of it a moment later.
    look(&scaled, 2);
    scaled.fixture.order(&format!("set server nodes/{idle} state drain"));
    look(&scaled, 2);
    assert_eq!(scaled.text("stopped"), "", "after one look without sessions");
    look(&scaled, 2);
    assert_eq!((scaled.text("drained"), scaled.text("stopped")), (name.clone(), name.clone()));
    scaled.wait_for("log", &format!("to stop {idle}: it has no sessions left\n"));
    look(&scaled, 2);
    assert_eq!(scaled.text("stopped"), name, "it takes time to go");
    scaled.fixture.order(&format!("set server nodes/{idle} state maint"));
    look(&scaled, 2);
    scaled.wait_for("log", &format!("]: {idle} is gone\n"));
    assert!(scaled.notes()["victim"].is_null());
    assert_eq!(
        (scaled.text("drained"), scaled.text("stopped"), scaled.text("ran")),
        (name.clone(), name, String::new())
    );
    requests.into_iter().for_each(|request| request.join().unwrap());
}

#[test]
fn a_server_that_keeps_its_sessions_is_stopped_after_a_limit() {
    let Some(mut scaled) = with_servers(2) else { return };
    scaled.set("ROLLCALL_DRAIN_LIMIT", "2");
    let _apps = [11, 12].map(|host| scaled.fixture.app(host));
    let front = scaled.fixture.front();
    let requests = [6000, 6000].map(|time| slow_request(&scaled, front, time));
    look(&scaled, 1);
    assert_eq!(scaled.text("drained"), "s1\n", "{}", scaled.text("log"));
    scaled.fixture.order("set server nodes/s1 state drain");
    let start = Instant::now();
    poll::until(SOON, "a stop", || {
        look(&scaled, 1);
        (scaled.text("stopped") == "s1\n").then_some(())
    })
    .unwrap();
    assert!(start.elapsed() >= Duration::from_secs(1), "{:?}", start.elapsed());
    scaled.wait_for("log", "to stop s1: it has drained for 2 s, and still has sessions: 1\n");
    requests.into_iter().for_each(|request| request.join().unwrap());
}

#[test]
fn a_server_that_someone_else_drains_is_never_stopped() {
    let Some(scaled) = with_servers(3) else { return };
    scaled.fixture.order("set server nodes/s1 state drain");
    look(&scaled, 1);
    assert_eq!(scaled.text("drained"), "s2\n", "{}", scaled.text("log"));
    scaled.fixture.order("set server nodes/s2 state drain");
    // The file of what is drained is lost, or spoiled: then s2 is someone else's, too.
    let good = scaled.notes().to_string();
    for note in [
        "",
        "\0",
        &good[..good.len() / 2],
        &good.replace("asked", "drains"),
        &good.replace(r#""s2""#, r#""-s2""#),
        &good.replace(r#""since":"#, r#""since":9999"#),
        &good.replace(r#""boot":""#, r#""boot":"x"#),
    ] {
        assert_ne!(note, good);
        scaled.write_notes(note);
        (0..3).for_each(|_| look(&scaled, 1));
        assert_eq!(scaled.text("stopped"), "", "{note:?}: {}", scaled.text("log"));
    }
}

#[test]
fn a_server_that_serves_again_is_not_stopped() {
    let Some(scaled) = with_servers(2) else { return };
    look(&scaled, 1);
    scaled.fixture.order("set server nodes/s1 state drain");
    look(&scaled, 1);
    scaled.fixture.order("set server nodes/s1 state ready");
    look(&scaled, 2);
    scaled.wait_for("log", "]: s1 stays: it serves again, so someone else has ended its drain\n");
    (0..3).for_each(|_| look(&scaled, 2));
    assert_eq!(scaled.text("stopped"), "");
}

#[test]
fn a_server_that_drains_is_added_to_the_number_because_the_engine_still_runs_it() {
    for count in ["", "printf 3"] {
        let Some(mut scaled) = with_servers(3) else { return };
        look(&scaled, 2);
        scaled.fixture.order("set server nodes/s1 state drain");
        look(&scaled, 2);
        scaled.set("ROLLCALL_COUNT_COMMAND", count);
        look(&scaled, 4);
        assert_eq!(scaled.text("ran"), "5\n", "{}", scaled.text("log"));
        scaled.wait_for("log", "to scale from 2 to 4: ");
    }
}

#[test]
fn what_a_killed_service_has_drained_the_next_one_stops() {
    let Some(mut scaled) = with_servers(2) else { return };
    let mut service = scaled.serve(1, 1);
    scaled.wait_for("drained", "s1\n");
    service.kill9();
    scaled.fixture.order("set server nodes/s1 state drain");
    scaled.set_command("ROLLCALL_STOP_COMMAND", "echo $1 >>stopped; exit 1");
    let _service = scaled.serve(1, 1);
    scaled.wait_for("log", "cannot stop s1: exit code 1\n");
    assert_eq!(scaled.text("stopped"), "s1\n");
}

#[test]
fn a_drain_that_has_no_effect_is_found_out_and_nothing_is_stopped() {
    let Some(scaled) = with_servers(2) else { return };
    (0..3).for_each(|_| look(&scaled, 1));
    assert_eq!(scaled.text("drained"), "s1\n");
    scaled.tried("drain", "s1", 1, 15, "done");
    look(&scaled, 1);
    assert_eq!(scaled.text("drained"), "s1\ns1\n");
    scaled.wait_for("log", "to drain s1: the command said success, but s1 does not drain; ");
    assert_eq!(scaled.text("stopped"), "");
}

#[test]
fn without_a_drain_command_the_chosen_server_is_stopped_and_only_one_at_a_time() {
    let Some(mut scaled) = with_servers(4) else { return };
    scaled.set("ROLLCALL_DRAIN_COMMAND", "");
    (0..3).for_each(|_| look(&scaled, 1));
    assert_eq!(scaled.text("stopped"), "s1\n", "{}", scaled.text("log"));
    scaled.fixture.order("set server nodes/s1 state maint");
    look(&scaled, 1);
    look(&scaled, 1);
    assert_eq!(scaled.text("stopped"), "s1\ns2\n", "{}", scaled.text("log"));
}

/// A shell's case with a command for each backend.
fn for_each_backend(cluster: &Cluster, command: impl Fn(&str) -> String) -> String {
    let arms = cluster.backends.iter().map(|(name, backend)| {
        let process = backend.app.daemon.id();
        let agent = format!("-rpc-addr={}:{RPC_PORT}", backend.address);
        format!("{name}) {} ;;\n", command(&agent).replace("APP", &process.to_string()))
    });
    format!("case $1 in\n{}esac", arms.collect::<String>())
}

/// Starts `autoscale-run` on a cluster whose servers leave Serf and end as on a real machine, one of the first two of
/// them, and waits until it is gone. The file `stopped` has its name.
fn scale_down(cluster: &Cluster) -> String {
    let run = cluster.run();
    let script = |name: &str, body: &str| {
        replace(&run.join(name), format!("{body}\n").as_bytes(), 0o644).unwrap();
        format!("sh '{}' {{}}", run.join(name).display())
    };
    let noted = run.join("stopped");
    let drain = for_each_backend(cluster, |agent| format!("serf tags {agent} -set state=drain"));
    let stop = for_each_backend(cluster, |agent| format!("serf leave {agent} && kill APP"));
    let mut command = Command::new(programs::shipped("scripts/autoscale-run"));
    cluster.balancer.with_environment(&mut command);
    command.args(["--every=1s", "--backend", "nodes", "--target", "20", "--down-window", "0s"]);
    command.args(["--min", "1", "--max", "1", "--socket"]).arg(cluster.balancer.admin_socket());
    command.env("ROLLCALL_SCALE_COMMAND", "false {}").env("ROLLCALL_DRAIN_COMMAND", script("drain", &drain));
    let stop = format!("echo $1 >>'{}'\n{stop}", noted.display());
    command.env("ROLLCALL_STOP_COMMAND", script("stop", &stop));
    let mut service = Daemon::start(run, "autoscale-run", command).unwrap();
    let is_gone = || cluster.balancer.log().contains(" is gone\n").then_some(());
    let gone = poll::until(SOON * 2, "a server that is gone", is_gone);
    gone.unwrap_or_else(|err| panic!("{err}\n{}", cluster.balancer.log()));
    service.stop().unwrap();
    fs::read_to_string(noted).unwrap()
}

#[test]
fn scaling_down_under_load_fails_no_request_and_loses_no_session() {
    let Some(cluster) = Cluster::serving(&["s1", "s2", "s3"]).unwrap() else { return };
    // One of them is drained by hand, and stays.
    cluster.backends["s3"].drain(cluster.run()).unwrap();
    let is_drained = || {
        let rows = cluster.balancer.haproxy().unwrap().show_stat().unwrap();
        rows.iter().any(|row| row["svname"] == "s3" && row["uweight"] == "0").then_some(())
    };
    poll::until(SOON, "HAProxy to drain s3", is_drained).unwrap();
    let load = Load::start(cluster.front(), "/", Rate::default());
    let (start, is_over) = (Instant::now(), AtomicBool::new(false));
    let stopped = thread::scope(|scope| {
        let visitors = [0; 12].map(|_| {
            scope.spawn(|| {
                let mut visitor = Visitor::new(cluster.front());
                let mut hosts = BTreeSet::new();
                while !is_over.load(Ordering::Relaxed) {
                    hosts.insert(visitor.visit().unwrap().host);
                    thread::sleep(Duration::from_millis(50));
                }
                (visitor.lost(), hosts)
            })
        });
        let stopped = scale_down(&cluster);
        is_over.store(true, Ordering::Relaxed);
        let visits = visitors.map(|visitor| visitor.join().unwrap());
        assert!(visits.iter().all(|(lost, _)| *lost == 0), "{visits:?}");
        assert!(visits.iter().any(|(_, hosts)| hosts.len() > 1), "nobody was on {stopped}: {visits:?}");
        stopped
    });
    let counts = load.since(start);
    assert!(counts.requests > 500, "{}", counts.requests);
    assert_eq!(counts.failures(), 0, "{}\n{}", counts.failures_shown(), cluster.balancer.log());
    assert!(stopped == "s1\n" || stopped == "s2\n", "{stopped}");
}

#[test]
fn requests_of_five_seconds_end_before_their_server_is_stopped() {
    let Some(cluster) = Cluster::serving(&["s1", "s2"]).unwrap() else { return };
    for backend in cluster.backends.values() {
        let header = [("Content-Type", "application/json")];
        let mut client = Client::fresh(backend.app.address());
        assert_eq!(client.send("POST", "/delay", &header, br#"{"delay": 5000}"#).unwrap().status, 200);
    }
    let start = Instant::now();
    let mut load =
        Load::start(cluster.front(), "/", Rate { visitors: 20, every: Duration::from_millis(200) });
    let is_spread = || {
        let rows = cluster.balancer.haproxy().unwrap().show_stat().unwrap();
        let busy = rows.iter().filter(|row| row["type"] == "2" && row["scur"] != "0");
        (busy.count() == 2).then_some(())
    };
    poll::until(SOON, "sessions on both", is_spread).unwrap();
    scale_down(&cluster);
    load.end();
    let counts = load.since(start);
    assert!(counts.answered.len() == 2 && counts.requests >= 20, "{counts:?}");
    assert!(cluster.balancer.log().contains(": it has no sessions left\n"), "{}", cluster.balancer.log());
    assert_eq!(counts.failures(), 0, "{}\n{}", counts.failures_shown(), cluster.balancer.log());
}
