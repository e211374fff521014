//! `reload-haproxy --metrics`, on a real HAProxy: what is counted, and what is read from HAProxy. promtool checks each
//! text.
//!
//! `$HAPROXY` names another HAProxy than the installed one, as in tests/reload_methods.rs.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use common::replace::replace;
use harness::cluster::single_haproxy::{HaproxyFixture, assert_done, assert_refused, many, revision};
use harness::daemons::haproxy::Mode;
use harness::run::exposed::Exposed;
use harness::run::programs;

/// The metrics now, with these options.
fn metrics_with(fixture: &HaproxyFixture, arguments: &[&str]) -> Exposed {
    let mut command = fixture.command(&["--status", "--metrics"]);
    let output = command.args(arguments).stdout(Stdio::piped()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Exposed::read(&String::from_utf8(output.stdout).unwrap())
}

fn metrics(fixture: &HaproxyFixture) -> Exposed {
    metrics_with(fixture, &[])
}

#[test]
fn changes_reloads_and_rejected_files_are_counted() {
    if !programs::are_here(&["promtool"]) {
        return;
    }
    let fixture = HaproxyFixture::with_nodes(&many(3));
    let before = metrics(&fixture);
    assert_eq!(before.counted(), []);
    assert_eq!(before.value("reloads_total{reason=\"configuration\"}"), 0.0);
    fixture.write_nodes(&many(5));
    assert_done(&fixture.reload(&[]), "runtime: ");
    assert_done(&fixture.reload(&["--force"]), "reload (master): --force");
    fixture.write_nodes("  option httpchk\n");
    assert_done(&fixture.reload(&[]), "reload (master): ");
    fixture.write_nodes("  no-such-keyword\n");
    assert_refused(&fixture.reload(&[]), "haproxy -c rejects it");
    let after = metrics(&fixture);
    let expected = [
        ("changes_total{kind=\"reload\"}", 2.0),
        ("changes_total{kind=\"servers\"}", 1.0),
        ("faults_total{program=\"reload-haproxy\",code=\"5\"}", 1.0),
        ("refusals_total{stage=\"check\"}", 1.0),
        ("reloads_total{reason=\"configuration\"}", 1.0),
        ("reloads_total{reason=\"forced\"}", 1.0),
    ];
    assert_eq!(after.counted(), expected);
    assert_eq!(after.value("config_in_use"), 0.0);
    assert_eq!(after.value("haproxy_reachable"), 1.0);
}

#[test]
fn a_run_that_fails_early_is_counted() {
    if !programs::are_here(&["promtool"]) {
        return;
    }
    let mut fixture = HaproxyFixture::running(Mode::MasterSocket);
    assert_done(&fixture.reload(&[]), "nothing to do");
    let lock = fs::read_dir(fixture.run.join("state")).unwrap().map(|entry| entry.unwrap().path());
    let lock = lock.into_iter().find(|path| path.extension().is_some_and(|kind| kind == "lock")).unwrap();
    let held = common::lock::exclusive(File::open(lock).unwrap(), Duration::ZERO).unwrap().unwrap();
    assert_eq!(fixture.reload(&["--lock-timeout", "50ms"]).code, 7);
    // The metrics are not kept waiting by a run.
    assert_eq!(metrics(&fixture).value("faults_total{program=\"reload-haproxy\",code=\"7\"}"), 1.0);
    drop(held);
    fixture.haproxy.take();
    assert_eq!(fixture.reload(&[]).code, 5);
    let text = fs::read(fixture.config()).unwrap();
    fs::remove_file(fixture.config()).unwrap();
    assert_eq!(fixture.reload(&[]).code, 4);
    let seen = metrics(&fixture);
    assert_eq!([seen.value("haproxy_reachable"), seen.value("config_in_use")], [0.0, 0.0]);
    replace(&fixture.config(), &text, 0o644).unwrap();
    let seen = metrics(&fixture);
    let faults = [4, 5, 7].map(|code| format!("faults_total{{program=\"reload-haproxy\",code=\"{code}\"}}"));
    assert_eq!(faults.map(|name| seen.value(&name)), [1.0, 1.0, 1.0]);
    let times = ["last_attempt_timestamp_seconds", "last_success_timestamp_seconds"];
    let [attempt, success] = times.map(|name| seen.value(name));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    assert!(now - 60.0 < success && success < attempt && attempt <= now, "{success} {attempt} {now}");
}

#[test]
fn what_other_programs_did_is_handed_over_and_a_guard_is_not_a_fault() {
    if !programs::are_here(&["promtool"]) {
        return;
    }
    let fixture = HaproxyFixture::running(Mode::MasterSocket);
    assert_done(&fixture.reload(&[]), "nothing to do");
    let handed = ["member-join=3", "member-leave=6", "render-cfg=0", "member-join=137", "reload-haproxy=127"];
    let handed: Vec<&str> = handed.iter().flat_map(|ended| ["--ended", ended]).collect();
    metrics_with(&fixture, &handed);
    let seen = metrics_with(&fixture, &handed);
    let expected = [
        ("faults_total{program=\"member-join\",code=\"1\"}", 2.0),
        ("faults_total{program=\"member-join\",code=\"3\"}", 2.0),
        ("faults_total{program=\"reload-haproxy\",code=\"1\"}", 2.0),
        ("guard_holds_total{program=\"member-leave\"}", 2.0),
    ];
    assert_eq!(seen.counted(), expected);
    assert_eq!(seen.value("faults_total{program=\"render-cfg\",code=\"3\"}"), 0.0);
    for wrong in ["member-join", "=3", "a b=3", "a=x", "a\"=1"] {
        assert_eq!(fixture.reload(&["--status", "--metrics", "--ended", wrong]).code, 2, "{wrong}");
    }
}

#[test]
fn servers_are_counted_by_state_and_nodes_by_role() {
    if !programs::are_here(&["promtool"]) {
        return;
    }
    let fixture = HaproxyFixture::with_nodes(&many(3));
    let nodes = fixture.run.join("nodes");
    fs::create_dir(&nodes).unwrap();
    for (name, role) in [("a", "backend"), ("b", "backend"), ("c", "balancer")] {
        let record = format!(
            "{{\"address\":\"10.0.0.1\",\"name\":\"{name}\",\"role\":\"{role}\",\"tags\":{{\"role\":\"{role}\"}}}}\n"
        );
        replace(&nodes.join(format!("{name}.json")), record.as_bytes(), 0o640).unwrap();
    }
    let seen = metrics_with(&fixture, &["--nodes", nodes.to_str().unwrap()]);
    assert_eq!(seen.value("nodes{role=\"backend\"}"), 2.0);
    assert_eq!(seen.value("nodes{role=\"balancer\"}"), 1.0);
    let state = |state: &str| seen.value(&format!("servers{{backend=\"nodes\",state=\"{state}\"}}"));
    assert_eq!(["up", "down", "drain", "maint", "parked"].map(state).iter().sum::<f64>(), 3.0);
}

#[test]
fn the_file_is_replaced_whole_and_everyone_may_read_it() {
    if !programs::are_here(&["promtool"]) {
        return;
    }
    let fixture = HaproxyFixture::with_nodes(&many(3));
    let file = fixture.run.join("rollcall.prom");
    let write = || assert_eq!(fixture.reload(&["--metrics-file", file.to_str().unwrap()]).code, 0);
    write();
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o644);
    let first = fs::read_to_string(&file).unwrap();
    assert_eq!(Exposed::read(&first).value("config_in_use"), 1.0);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let writers = [(), ()].map(|()| scope.spawn(|| (0..10).for_each(|_| write())));
        let reader = scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), first.lines().count());
            }
        });
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        is_over.store(true, Ordering::Relaxed);
        reader.join().unwrap();
    });
    let names = fs::read_dir(file.parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(names.filter(|name| name.to_string_lossy().contains("rollcall.prom")).count(), 1);
}

#[test]
fn metrics_that_cannot_be_written_do_not_change_how_a_run_ends() {
    if !programs::are_here(&["promtool"]) {
        return;
    }
    let fixture = HaproxyFixture::running(Mode::MasterSocket);
    let file = fixture.run.join("none/rollcall.prom");
    let file = file.to_str().unwrap();
    let refusal = format!("cannot write '{file}': No such file or directory");
    fixture.write(&revision(2), "");
    let (log, state) = (fixture.run.join("log"), fixture.run.join("faults"));
    let logged = ["--log", log.to_str().unwrap(), "--log-state", state.to_str().unwrap()];
    for _ in 0..3 {
        assert_done(&fixture.reload(&[&logged[..], &["--metrics-file", file]].concat()), &refusal);
    }
    assert_eq!(fs::read_to_string(&log).unwrap().matches(&refusal).count(), 1);
    let outcome = fixture.reload(&["--status", "--metrics-file", file]);
    assert!(outcome.code == 4 && outcome.stderr.contains(&refusal), "{}: {}", outcome.code, outcome.stderr);
    assert_eq!(metrics(&fixture).value("changes_total{kind=\"reload\"}"), 1.0);
}
