//! The scripts on machines without some tools, and with BusyBox.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use common::replace::replace;
use harness::cluster::local_cluster::Cluster;
use harness::cluster::lone_scripts::LoneScripts;
use harness::run::process::code;
use harness::run::programs;
use nix::fcntl::{Flock, FlockArg};

/// What the scripts call, besides the four programs, serf and haproxy.
const TOOLS: [&str; 10] =
    ["sh", "flock", "timeout", "grep", "head", "tail", "date", "mkdir", "readlink", "uname"];

#[test]
fn a_missing_tool_is_named_in_the_log() {
    if !programs::are_here(&["haproxy", "serf"]) {
        return;
    }
    let place = LoneScripts::new("plain").unwrap();
    for missing in ["flock", "timeout", "serf", "mkdir"] {
        let _ = fs::remove_dir_all(place.root().join("state"));
        let path = place.tools(TOOLS.into_iter().chain(["serf"]).filter(|tool| *tool != missing)).unwrap();
        let output = place.script("reconcile").unwrap().env("PATH", path).output().unwrap();
        let log = place.take_log();
        assert_eq!(code(&output), 1, "{missing}: {log}");
        assert!(log.contains(&format!("cannot run '{missing}': it is not in the PATH")), "{missing}: {log}");
        assert!(!log.contains("another run") && !log.contains("did not answer"), "{missing}: {log}");
        assert_eq!(log.contains("render-cfg"), ["timeout", "serf"].contains(&missing), "{missing}: {log}");
    }
    let path = place.tools(TOOLS.into_iter().chain(["serf"])).unwrap();
    let empty = place.root().join("scripts");
    let output =
        place.script("reconcile").unwrap().env("PATH", &path).env("ROLLCALL_BIN", empty).output().unwrap();
    let log = place.take_log();
    assert_eq!(code(&output), 1, "{log}");
    assert!(log.contains("cannot run 'member-join': it is not in the PATH"), "{log}");
    assert!(log.contains("set ROLLCALL_BIN"), "{log}");
    for script in ["serf-handler", "reconcile", "watch"] {
        let path = place.tools(TOOLS.into_iter().filter(|tool| *tool != "readlink")).unwrap();
        let link = place.root().join(format!("link-{script}"));
        symlink(place.root().join("scripts").join(script), &link).unwrap();
        let mut command = Command::new(link);
        command
            .env("ROLLCALL_LOG", place.root().join("log"))
            .env("SERF_EVENT", "member-join")
            .env("PATH", path);
        assert_eq!(code(&command.output().unwrap()), 1);
        assert!(place.take_log().contains("readlink is missing"), "{script}");
    }
}

/// Writes a program in a process of its own, see `FakeSerf`.
fn write_program(path: &Path, body: &str) {
    let write = "printf '#!/bin/sh\\n%s\\n' \"$2\" >\"$1\" && chmod +x \"$1\"";
    assert!(Command::new("sh").args(["-c", write, "sh"]).arg(path).arg(body).status().unwrap().success());
}

#[test]
fn how_serf_failed_is_logged_and_a_kill_is_not_a_slow_answer() {
    let place = LoneScripts::new("plain").unwrap();
    let path = place.tools(TOOLS.into_iter().chain(["sleep"])).unwrap();
    for (serf, reason) in [
        ("kill -9 $$", "cannot ask 'serf': signal 9 ended it"),
        ("exec sleep 60", "cannot ask 'serf': it did not answer within 2 s"),
        (
            "echo 'no agent' >&2; exit 2",
            "cannot ask 'serf': it ended with exit code 2; it printed 'no agent'",
        ),
        ("exit 2", "cannot ask 'serf': it ended with exit code 2\n"),
        ("exit 0", "cannot ask 'serf': it printed nothing\n"),
    ] {
        write_program(&path.join("serf"), serf);
        let mut reconcile = place.script("reconcile").unwrap();
        reconcile.env("PATH", &path).env("ROLLCALL_STEP_TIMEOUT", "2").env("ROLLCALL_ONLY_RECORD", "1");
        assert_eq!(code(&reconcile.output().unwrap()), 1, "{serf}");
        let log = place.take_log();
        assert!(log.contains(reason) && log.lines().count() <= 2, "{serf}: {log}");
    }
}

#[test]
fn a_role_that_no_member_has_is_logged_once_and_is_not_an_error() {
    let place = LoneScripts::new("plain").unwrap();
    let path = place.tools(TOOLS).unwrap();
    let member = |name: &str, host: u8| {
        format!(
            r#"{{"name":"{name}","addr":"10.0.0.{host}:1","tags":{{"role":"backend"}},"status":"alive"}}"#
        )
    };
    let list = format!(r#"{{"members":[{},{}]}}"#, member("s1", 1), member("s2", 2));
    write_program(&path.join("serf"), &format!("echo '{list}'"));
    for _ in 0..3 {
        let mut reconcile = place.script("reconcile").unwrap();
        reconcile.env("PATH", &path).env("ROLLCALL_ROLES", "wbe").env("ROLLCALL_ONLY_RECORD", "1");
        assert_eq!(code(&reconcile.output().unwrap()), 0, "{}", place.log());
    }
    let log = place.take_log();
    let line = "passed over 2 members of role 'backend': none has a wanted role (wbe); see --role, or ROLLCALL_ROLES\n";
    assert!(log.ends_with(line) && log.lines().count() == 1, "{log}");
}

#[test]
fn a_missing_date_is_logged_once() {
    let place = LoneScripts::new("plain").unwrap();
    let path = place.tools(TOOLS.into_iter().filter(|tool| *tool != "date")).unwrap();
    for _ in 0..3 {
        let wrong = place.script("watch").unwrap().env("PATH", &path).env("ROLLCALL_ROLES", "a,b").output();
        assert_eq!(code(&wrong.unwrap()), 2);
    }
    let log = place.take_log();
    assert_eq!(log.matches("cannot run 'date': it is not in the PATH").count(), 1, "{log}");
    assert_eq!(log.matches("cannot use ROLLCALL_ROLES").count(), 1, "{log}");
}

/// What may be in place of a file of the state directory.
#[test]
fn files_of_the_state_directory_are_regular_files_that_not_everyone_can_read() {
    let place = LoneScripts::new("plain").unwrap();
    let state = place.root().join("state");
    fs::create_dir(&state).unwrap();
    let reconcile = || {
        let mut reconcile = place.script("reconcile").unwrap();
        code(&reconcile.env("ROLLCALL_ONLY_RECORD", "1").env("ROLLCALL_ROLES", "backend").output().unwrap())
    };
    place.script("reconcile").unwrap().env("ROLLCALL_ROLES", "a,b").output().unwrap();
    reconcile();
    for file in ["reconcile.reported", "reconcile.lock", "members", "health", "serf-errors"] {
        let mode = fs::metadata(state.join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o640, "{file}");
        fs::remove_file(state.join(file)).unwrap();
    }
    let victim = place.root().join("victim");
    replace(&victim, b"precious\n", 0o600).unwrap();
    for file in ["members", "health", "serf-errors", "reconcile.lock", "member-join-list.faults"] {
        let _ = fs::remove_file(state.join(file));
        symlink(&victim, state.join(file)).unwrap();
        place.take_log();
        reconcile();
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious\n", "{file}");
        let refused = format!("{file}': it is not a regular file");
        assert!(file.ends_with(".faults") || place.log().contains(&refused), "{file}: {}", place.log());
        fs::remove_file(state.join(file)).unwrap();
    }
    fs::remove_file(state.join("reconcile.reported")).unwrap();
    nix::unistd::mkfifo(&state.join("reconcile.reported"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert_eq!(code(&place.script("reconcile").unwrap().env("ROLLCALL_ROLES", "a,b").output().unwrap()), 2);
    assert!(place.log().contains("reconcile.reported': it is not a regular file"), "{}", place.log());
}

#[test]
fn a_flock_that_fails_is_not_a_held_lock() {
    let place = LoneScripts::new("plain").unwrap();
    let path = place.tools(TOOLS.into_iter().filter(|tool| *tool != "flock")).unwrap();
    let flock = path.join("flock");
    for exit in [1, 64, 126, 127] {
        write_program(&flock, &format!("exit {exit}"));
        assert_eq!(code(&place.script("reconcile").unwrap().env("PATH", &path).output().unwrap()), 1);
        let log = place.take_log();
        assert!(log.contains(&format!("cannot run 'flock': it ended with exit code {exit}")), "{log}");
        assert_eq!(log.lines().count(), 1, "a step ran: {log}");
    }
}

#[test]
fn the_chain_runs_under_busybox() {
    if !programs::are_here(&["busybox"]) {
        return;
    }
    let Some(cluster) = Cluster::serving(&["s1"]).unwrap() else { return };
    let place = LoneScripts::new("busybox").unwrap();
    // Debian's BusyBox has no flock; Alpine's knows `-n` as this one does.
    let path = place.tools(["flock", "serf"]).unwrap();
    for tool in TOOLS.into_iter().filter(|tool| *tool != "flock") {
        symlink(programs::find("busybox").unwrap(), path.join(tool)).unwrap();
    }
    let reconcile = |limit: &str| {
        let mut command = Command::new(path.join("sh"));
        cluster.balancer.with_environment(&mut command);
        command.arg(programs::shipped("scripts/reconcile")).env("PATH", &path);
        command.env("ROLLCALL_STEP_TIMEOUT", limit).stdin(Stdio::null());
        let output = command.output().unwrap();
        (code(&output), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let record = cluster.balancer.nodes_dir().join("s1.json");
    fs::remove_file(&record).unwrap();
    assert_eq!(reconcile("30"), (0, String::new()), "{}", cluster.balancer.log());
    assert!(record.exists());
    let lock = File::open(cluster.balancer.directory().join("state/reconcile.lock")).unwrap();
    let lock = Flock::lock(lock, FlockArg::LockExclusive).unwrap();
    let (held, said) = reconcile("1");
    assert_eq!(held, 7, "{said}");
    assert!(said.contains("another run has held it for 1 s"), "{said}");
    let waiter = thread::scope(|scope| {
        let waiter = scope.spawn(|| reconcile("30"));
        thread::sleep(Duration::from_millis(300));
        drop(lock);
        waiter.join().unwrap()
    });
    assert_eq!(waiter.0, 0, "{}", waiter.1);
    // BusyBox's timeout is still there, and must not keep the lock.
    let lock = File::open(cluster.balancer.directory().join("state/reconcile.lock")).unwrap();
    assert!(Flock::lock(lock, FlockArg::LockExclusiveNonblock).is_ok());
}
