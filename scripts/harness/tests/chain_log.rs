//! The log shows changes: an error that lasts is logged when it begins, once an hour, and when it ends.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use common::replace::replace;
use harness::cluster::local_cluster::Cluster;
use harness::cluster::lone_scripts::LoneScripts;
use harness::run::programs;

#[test]
fn wrong_usage_is_logged_in_one_line_and_help_is_not() {
    for program in programs::OURS {
        let scratch = tempfile::tempdir().unwrap();
        let (log, state) = (scratch.path().join("it's a log"), scratch.path().join("state"));
        let run = |option: &str, log: &[&OsStr]| {
            let program = programs::bin_dir().unwrap().join(program);
            Command::new(program).arg(option).args(log).output().unwrap()
        };
        let mut joined = OsString::from("--log=");
        joined.push(&log);
        let options = [OsStr::new("--log"), log.as_os_str(), OsStr::new("--log-state"), state.as_os_str()];
        for option in ["--help", "--version"] {
            assert_eq!(run(option, &options).status.code(), Some(0));
            assert!(!log.exists(), "{program} {option}");
        }
        let first = run("--wrong", &[joined.as_os_str()]);
        assert_eq!(first.status.code(), Some(2));
        assert!(
            String::from_utf8_lossy(&first.stderr)
                .starts_with("error: unexpected argument '--wrong' found\n")
        );
        let line = fs::read_to_string(&log).unwrap();
        assert_eq!(line.lines().count(), 1, "{line}");
        let message = format!(" {program}[");
        assert!(line.contains(&message) && line.contains("Z ") && line.ends_with(CALLED_WRONGLY), "{line}");
        (0..3).for_each(|_| assert_eq!(run("--wrong", &options).status.code(), Some(2)));
        assert_eq!(fs::read_to_string(&log).unwrap().lines().count(), 2, "{program}");
    }
}

const CALLED_WRONGLY: &str = "]: called wrongly: unexpected argument '--wrong' found\n";

/// How many lines of the log have all these words.
fn count(cluster: &Cluster, words: &[&str]) -> usize {
    cluster.balancer.log().lines().filter(|line| words.iter().all(|word| line.contains(word))).count()
}

/// Runs reconcile five times, as a timer does; each must end with this code.
fn five_times(cluster: &Cluster, code: i32) {
    for _ in 0..5 {
        assert_eq!(cluster.balancer.reconcile().unwrap(), code, "{}", cluster.balancer.log());
    }
}

/// Makes all faults in a file of the state directory two hours old.
fn age(file: &Path) {
    let text = fs::read_to_string(file).unwrap();
    let older = |line: &str| {
        let (time, rest) = line.split_once(' ').unwrap();
        format!("{} {rest}\n", time.parse::<u64>().unwrap() - 7200)
    };
    replace(file, text.lines().map(older).collect::<String>().as_bytes(), 0o640).unwrap();
}

#[test]
fn a_fault_that_lasts_is_logged_when_it_begins_changes_and_ends_and_once_an_hour() {
    let Some(cluster) = Cluster::serving(&["s1"]).unwrap() else { return };
    let nodes = cluster.balancer.nodes_dir();
    let lines = |words: &[&str]| count(&cluster, &[&["render-cfg["], words].concat());
    replace(&nodes.join("bad.json"), b"{", 0o600).unwrap();
    five_times(&cluster, 3);
    assert_eq!(lines(&["bad.json"]), 1, "{}", cluster.balancer.log());
    replace(&nodes.join("worse.json"), b"{", 0o600).unwrap();
    five_times(&cluster, 3);
    assert_eq!((lines(&["bad.json"]), lines(&["worse.json"])), (1, 1), "{}", cluster.balancer.log());
    age(&cluster.balancer.directory().join("state/render-cfg.faults"));
    five_times(&cluster, 3);
    assert_eq!((lines(&["bad.json"]), lines(&["worse.json"])), (2, 2), "{}", cluster.balancer.log());
    fs::remove_file(nodes.join("bad.json")).unwrap();
    five_times(&cluster, 3);
    assert_eq!((lines(&["ended: ", "bad.json"]), lines(&["ended: "])), (1, 1), "{}", cluster.balancer.log());
    fs::remove_file(nodes.join("worse.json")).unwrap();
    five_times(&cluster, 0);
    assert_eq!(lines(&["ended: ", "worse.json"]), 1, "{}", cluster.balancer.log());
    assert_eq!((lines(&["bad.json"]), lines(&["worse.json"])), (3, 3), "{}", cluster.balancer.log());
}

#[test]
fn the_scripts_own_errors_are_logged_as_rarely() {
    let Some(mut cluster) = Cluster::serving(&["s1"]).unwrap() else { return };
    let path = cluster.run().join("path");
    fs::create_dir(&path).unwrap();
    for tool in ["sh", "flock", "timeout", "grep", "date", "mkdir"] {
        symlink(programs::find(tool).unwrap(), path.join(tool)).unwrap();
    }
    // Serf would call the handler with the same state directory.
    cluster.balancer.agent().unwrap().kill9();
    cluster.balancer.set_env("PATH", &path);
    five_times(&cluster, 1);
    let words = ["reconcile[", "cannot run 'serf'"];
    assert_eq!(count(&cluster, &words), 1, "{}", cluster.balancer.log());
    age(&cluster.balancer.directory().join("state/reconcile.reported"));
    five_times(&cluster, 1);
    assert_eq!(count(&cluster, &words), 2, "{}", cluster.balancer.log());
    // It ended with 1 because the agent is dead, but it could be asked.
    symlink(programs::find("serf").unwrap(), path.join("serf")).unwrap();
    five_times(&cluster, 3);
    assert_eq!(count(&cluster, &["ended: cannot run 'serf'"]), 1, "{}", cluster.balancer.log());
}

#[test]
fn errors_that_come_and_go_are_logged_once_an_hour() {
    let place = LoneScripts::new("plain").unwrap();
    // The second begins well, so the first has ended.
    let alternate = || {
        for (key, value) in [("ROLLCALL_SELF", "a b"), ("ROLLCALL_MIN_NODES", "two")] {
            place.script("watch").unwrap().env(key, value).output().unwrap();
        }
    };
    alternate();
    let first = place.log();
    assert_eq!(first.matches("ROLLCALL_SELF").count(), 2, "its beginning and its end: {first}");
    (0..5).for_each(|_| alternate());
    assert_eq!(place.log(), first);
}

#[test]
fn a_configuration_that_haproxy_refuses_on_and_on_is_logged_once() {
    let Some(mut cluster) = Cluster::serving(&["s1"]).unwrap() else { return };
    // The check accepts everything, so only the reload finds that the address belongs to another machine.
    cluster.balancer.set_env("ROLLCALL_CHECK", "true {}");
    cluster.balancer.add_setting("stats_bind", "192.0.2.1:1936");
    five_times(&cluster, 5);
    let first = cluster.balancer.log();
    five_times(&cluster, 5);
    assert_eq!(cluster.balancer.log(), first, "the second five runs added something");
    assert!(first.contains("reload-haproxy["), "{first}");
}
