//! `ROLLCALL_METRICS` in both wirings, on a real cluster; and the alerts of docs/examples, judged by promtool.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use common::replace::replace;
use harness::cluster::local_cluster::{Cluster, SOON};
use harness::cluster::lone_scripts::LoneScripts;
use harness::run::exposed::Exposed;
use harness::run::process::{code, stderr};
use harness::run::{poll, programs};
use nix::fcntl::{Flock, FlockArg};

const FILE: &str = "rollcall.prom";
const RULES: &str = "docs/examples/rollcall.rules.yml";

fn read(file: &Path) -> Exposed {
    Exposed::read(&fs::read_to_string(file).unwrap())
}

/// Waits until this metric is not 0.
fn wait_for(cluster: &Cluster, file: &Path, name: &str) {
    let has = || (Exposed::read(&fs::read_to_string(file).ok()?).get(name)? > 0.0).then_some(());
    poll::until(SOON, name, has).unwrap_or_else(|err| panic!("{err}: {}", cluster.balancer.log()));
}

/// A balancer that writes its metrics to this file of its directory, with these variables too; `None` if programs are
/// missing.
fn measured(file: &str, variables: &[(&str, &str)]) -> Option<(Cluster, PathBuf)> {
    if !programs::are_all_here() || !programs::are_here(&["promtool"]) {
        return None;
    }
    let mut cluster = Cluster::new().unwrap();
    let file = cluster.balancer.directory().join(file);
    cluster.balancer.set_env("ROLLCALL_METRICS", &file);
    for (key, value) in variables {
        cluster.balancer.set_env(key, *value);
    }
    cluster.start_balancer().unwrap();
    Some((cluster, file))
}

#[test]
fn the_first_wiring_writes_what_all_its_programs_did() {
    let Some((mut cluster, file)) = measured(FILE, &[]) else { return };
    for name in ["s1", "s2"] {
        cluster.add(name).unwrap();
        cluster.wait_for_up(name, SOON).unwrap();
    }
    // A server whose check was late on a busy machine is not up for a moment.
    let seen = poll::until(SOON, "a run that finds both servers up", || {
        assert_eq!(cluster.balancer.reconcile().unwrap(), 0);
        Some(read(&file)).filter(|seen| seen.value("servers{backend=\"nodes\",state=\"up\"}") == 2.0)
    })
    .unwrap();
    assert_eq!(seen.value("nodes{role=\"backend\"}"), 2.0);
    assert_eq!([seen.value("config_in_use"), seen.value("haproxy_reachable")], [1.0, 1.0]);
    assert!(seen.value("changes_total{kind=\"servers\"}") >= 1.0);
    let faults = |seen: &Exposed, program: &str, code: u8| {
        seen.value(&format!("faults_total{{program=\"{program}\",code=\"{code}\"}}"))
    };
    for program in ["member-join", "member-leave", "render-cfg", "reload-haproxy"] {
        assert_eq!(faults(&seen, program, 4), 0.0, "{program}");
    }
    cluster.balancer.set_env("ROLLCALL_MIN_NODES", "backend=9");
    let held = |seen: &Exposed| seen.value("guard_holds_total{program=\"render-cfg\"}");
    let before = held(&seen);
    assert_eq!(cluster.balancer.reconcile().unwrap(), 6);
    assert_eq!(held(&read(&file)), before + 1.0);
    let lock = File::open(cluster.balancer.directory().join("state/reconcile.lock")).unwrap();
    let lock = Flock::lock(lock, FlockArg::LockExclusive).unwrap();
    cluster.balancer.set_env("ROLLCALL_STEP_TIMEOUT", "1");
    assert_eq!(cluster.balancer.reconcile().unwrap(), 7);
    assert_eq!(faults(&read(&file), "reconcile", 7), 1.0);
    drop(lock);
    cluster.balancer.set_env("ROLLCALL_STEP_TIMEOUT", "30");
    cluster.balancer.agent.take();
    assert_ne!(cluster.balancer.reconcile().unwrap(), 0);
    let seen = read(&file);
    assert_eq!([faults(&seen, "member-join", 3), faults(&seen, "member-leave", 3)], [1.0, 1.0]);
}

#[test]
fn in_the_second_wiring_the_service_and_the_timer_write_the_same_file() {
    let Some((mut cluster, file)) = measured(FILE, &[("ROLLCALL_ONLY_RECORD", "1")]) else { return };
    cluster.balancer.start_watcher().unwrap();
    // Written by the service, after the first reload-haproxy.
    wait_for(&cluster, &file, "config_in_use");
    cluster.add("s1").unwrap();
    cluster.wait_for_up("s1", SOON).unwrap_or_else(|err| panic!("{err}\n{}", cluster.balancer.log()));
    let has = |name: &str, wanted: f64| assert!(read(&file).value(name) >= wanted, "{:?}", read(&file));
    assert_eq!(cluster.balancer.reconcile().unwrap(), 0);
    has("servers{backend=\"nodes\",state=\"up\"}", 1.0);
    assert!(!read(&file).counted().is_empty(), "{:?}", read(&file));
    // What the service meets is counted, too: here by a new one, whose guard holds.
    cluster.balancer.watcher.take().unwrap().kill9();
    cluster.balancer.set_env("ROLLCALL_MIN_NODES", "backend=9");
    cluster.balancer.start_watcher().unwrap();
    wait_for(&cluster, &file, "guard_holds_total{program=\"render-cfg\"}");
    has("nodes{role=\"backend\"}", 1.0);
}

#[test]
fn a_directory_that_is_missing_is_logged_once_and_is_a_fault_only_of_its_own() {
    // The agent's handlers have the same setting, and the same log.
    let wrong = measured("none/rollcall.prom", &[("ROLLCALL_MIN_NODES", "0")]);
    let Some((mut cluster, file)) = wrong else { return };
    for _ in 0..3 {
        assert_eq!(cluster.balancer.reconcile().unwrap(), 4, "{}", cluster.balancer.log());
    }
    let refusal = format!("cannot write '{}'", file.display());
    assert_eq!(cluster.balancer.log().matches(&refusal).count(), 1, "{}", cluster.balancer.log());
    cluster.add("s1").unwrap();
    cluster.wait_for_up("s1", SOON).unwrap();
    fs::create_dir(file.parent().unwrap()).unwrap();
    assert_eq!(cluster.balancer.reconcile().unwrap(), 0);
    assert!(cluster.balancer.log().contains(&format!("ended: {refusal}")), "{}", cluster.balancer.log());
}

#[test]
fn a_relative_path_is_a_wrong_setting_and_a_missing_program_is_counted() {
    if !programs::are_here(&["promtool", "haproxy", "serf"]) {
        return;
    }
    let place = LoneScripts::new("it's plain").unwrap();
    for script in ["reconcile", "watch"] {
        let wrong = place.script(script).unwrap().env("ROLLCALL_METRICS", "rollcall.prom").output().unwrap();
        assert_eq!(code(&wrong), 2, "{script}: {}", stderr(&wrong));
        let log = place.take_log();
        assert!(log.contains("cannot use ROLLCALL_METRICS 'rollcall.prom': give an absolute path"), "{log}");
    }
    let bin = place.root().join("bin");
    fs::create_dir(&bin).unwrap();
    for program in programs::OURS.iter().filter(|program| **program != "member-join") {
        let from = programs::bin_dir().unwrap().join(program);
        std::os::unix::fs::symlink(from, bin.join(program)).unwrap();
    }
    let tools =
        ["sh", "flock", "timeout", "grep", "head", "tail", "date", "mkdir", "readlink", "uname", "serf"];
    let path = place.tools(tools).unwrap();
    let event = place.root().join("event");
    replace(&event, b"s2\t10.0.0.2\tbackend\trole=backend\n", 0o600).unwrap();
    let file = place.root().join("a metric.prom");
    let mut reconcile = place.script("reconcile").unwrap();
    reconcile.arg("member-join").env("ROLLCALL_BIN", &bin).env("PATH", path).env("ROLLCALL_METRICS", &file);
    reconcile.stdin(File::open(&event).unwrap());
    assert_eq!(code(&reconcile.output().unwrap()), 1, "{}", place.log());
    let faults = |program: &str, code: u8| format!("faults_total{{program=\"{program}\",code=\"{code}\"}}");
    let seen = read(&file);
    assert!(seen.value(&faults("member-join", 1)) >= 1.0, "{seen:?}");
    assert!(seen.value(&faults("reload-haproxy", 5)) >= 1.0, "{seen:?}");
}

#[test]
fn the_alerts_are_valid_and_fire_when_they_should() {
    if !programs::are_here(&["promtool"]) {
        return;
    }
    let promtool = |arguments: &[&str]| {
        let output = Command::new(programs::find("promtool").unwrap()).args(arguments).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &stderr(&output);
        assert!(output.status.success(), "{text}");
    };
    let rules = programs::shipped(RULES);
    promtool(&["check", "rules", rules.to_str().unwrap()]);
    let scratch = tempfile::tempdir().unwrap();
    let cases = scratch.path().join("cases.yml");
    let text = fs::read_to_string(programs::shipped("scripts/harness/tests/alerts.yml")).unwrap();
    let text = text.replace("@RULES@", rules.to_str().unwrap());
    replace(&cases, text.as_bytes(), 0o600).unwrap();
    promtool(&["test", "rules", cases.to_str().unwrap()]);
    let names = fs::read_to_string(&rules).unwrap();
    let names = names.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
    names.for_each(|name| assert!(text.contains(&format!("alertname: {name}\n")), "{name} has no case"));
}
