//! The scripts of the chain on odd machines: wrong settings, odd paths, missing tools, BusyBox.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use common::replace::replace;
use harness::cluster::local_cluster::Cluster;
use harness::run::{poll, programs};
use nix::fcntl::{Flock, FlockArg};

/// What the scripts call, besides the four programs, serf and haproxy.
const TOOLS: [&str; 10] =
    ["sh", "flock", "timeout", "grep", "head", "tail", "date", "mkdir", "readlink", "uname"];
const MINUTE: Duration = Duration::from_secs(60);

/// Whether these are installed; if not, the test fails where `$CI` is set and is skipped elsewhere.
fn are_here(names: &[&str]) -> bool {
    match names.iter().find_map(|name| programs::find(name).err()) {
        None => true,
        Some(err) if std::env::var_os("CI").is_some() => panic!("{err}"),
        Some(err) => {
            eprintln!("SKIPPED: {err}");
            false
        }
    }
}

/// A directory of its own with all that the scripts need except a Serf agent and a running HAProxy.
struct Place {
    root: PathBuf,
    _scratch: tempfile::TempDir,
}

impl Place {
    /// The directory has this name.
    fn new(name: &str) -> Place {
        let scratch = tempfile::tempdir().unwrap();
        let place = Place { root: scratch.path().join(name), _scratch: scratch };
        for part in ["nodes", "path", "scripts"] {
            fs::create_dir_all(place.root.join(part)).unwrap();
        }
        for script in ["reconcile", "serf-handler", "watch", "settings.sh", "report.sh", "check.cfg"] {
            let to = place.root.join("scripts").join(script);
            fs::copy(programs::shipped("scripts").join(script), to).unwrap();
        }
        fs::copy(programs::shipped("docker/ha/lib/first-config"), place.root.join("scripts/first-config"))
            .unwrap();
        let template = "global\n    description {{ vars.note }}\nfrontend f\n    mode http\n    timeout client 1s\n    bind 127.0.0.1:1\n";
        replace(&place.root.join("template"), template.as_bytes(), 0o600).unwrap();
        place
    }

    /// A `PATH` with these tools.
    fn tools<'t>(&self, tools: impl IntoIterator<Item = &'t str>) -> PathBuf {
        let path = self.root.join("path");
        fs::remove_dir_all(&path).unwrap();
        fs::create_dir(&path).unwrap();
        for tool in tools {
            symlink(programs::find(tool).unwrap(), path.join(tool)).unwrap();
        }
        path
    }

    fn script(&self, name: &str) -> Command {
        let mut command = Command::new(self.root.join("scripts").join(name));
        for (key, part) in [
            ("NODES_DIR", "nodes"),
            ("ROLLCALL_TEMPLATE", "template"),
            ("ROLLCALL_CONFIG", "h.cfg"),
            ("ROLLCALL_STATE_DIR", "state"),
            ("ROLLCALL_LOG", "log"),
        ] {
            command.env(key, self.root.join(part));
        }
        command.env("ROLLCALL_BIN", programs::bin_dir().unwrap()).env("ROLLCALL_SET", "note=one");
        command.env("SERF_RPC_ADDR", "127.0.0.1:9");
        command.stdin(Stdio::null());
        command
    }

    /// The log since the last call.
    fn log(&self) -> String {
        let log = fs::read_to_string(self.root.join("log")).unwrap_or_default();
        let _ = fs::remove_file(self.root.join("log"));
        log
    }

    fn config(&self) -> String {
        fs::read_to_string(self.root.join("h.cfg")).unwrap_or_default()
    }
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or(-1)
}

#[test]
fn a_wrong_setting_is_logged_with_its_variable_and_members_are_still_recorded() {
    if !are_here(&["haproxy", "serf"]) {
        return;
    }
    let place = Place::new("plain");
    for (key, value, reason) in [
        ("ROLLCALL_MIN_NODES", "two", "cannot use ROLLCALL_MIN_NODES 'two': write ROLE=N"),
        ("ROLLCALL_MIN_NODES", "a,b=1", "cannot use ROLLCALL_MIN_NODES 'a,b=1'"),
        ("ROLLCALL_MIN_NODES", " ", "cannot use ROLLCALL_MIN_NODES ' '"),
        ("ROLLCALL_SET", "bind=:443 ssl crt x", "cannot use ROLLCALL_SET 'ssl': it is not KEY=VALUE"),
        ("ROLLCALL_SET", "my-key=1", "cannot use ROLLCALL_SET 'my-key=1': a key has"),
        ("ROLLCALL_SET", "note='a b", "cannot use ROLLCALL_SET 'note=': a quote"),
        ("ROLLCALL_SET", "note=a\n2\n", "cannot use ROLLCALL_SET '2'"),
        ("ROLLCALL_CHECK", "haproxy -c", "cannot use ROLLCALL_CHECK 'haproxy -c': it has no {}"),
        ("ROLLCALL_CHECK", "haproxy '-c -f {}", "cannot use ROLLCALL_CHECK 'haproxy '-c -f {}': a quote"),
        ("ROLLCALL_CHECK", "{} -c", "cannot use ROLLCALL_CHECK '{} -c': it must begin with a program"),
    ] {
        let event = place.root.join("event");
        replace(&event, b"s2\t10.0.0.2\tbackend\trole=backend\n", 0o600).unwrap();
        let mut handler = place.script("serf-handler");
        handler.env("SERF_EVENT", "member-join").env(key, value).stdin(File::open(&event).unwrap());
        assert_eq!(code(&handler.output().unwrap()), 2, "{key}={value}");
        let log = place.log();
        assert!(log.contains(reason), "{key}={value}: {log}");
        assert!(log.contains("recorded s2 "), "{key}={value}: {log}");
        assert_eq!(code(&place.script("watch").env(key, value).output().unwrap()), 2, "{key}={value}");
        assert!(place.log().contains(reason), "watch, {key}={value}");
        fs::remove_file(place.root.join("nodes/s2.json")).unwrap();
    }
    for (key, value) in
        [("ROLLCALL_STEP_TIMEOUT", "1m"), ("ROLLCALL_ROLES", "backend,web"), ("ROLLCALL_ROLES", " ")]
    {
        assert_eq!(code(&place.script("reconcile").env(key, value).output().unwrap()), 2, "{key}={value}");
        assert!(place.log().contains(&format!("cannot use {key} '{value}'")), "{key}={value}");
    }
}

#[test]
fn a_call_with_a_wrong_event_is_logged() {
    let place = Place::new("plain");
    assert_eq!(code(&place.script("serf-handler").env("SERF_EVENT", "user").output().unwrap()), 2);
    assert!(place.log().contains("cannot handle event 'user'"));
    assert_eq!(code(&place.script("reconcile").arg("user").output().unwrap()), 2);
    assert!(place.log().contains("called wrongly: 'user' is not an event"));
}

#[test]
fn paths_with_apostrophes_and_blanks_and_values_with_blanks_are_taken_as_they_are() {
    if !are_here(&["haproxy", "serf"]) {
        return;
    }
    let place = Place::new("it's a \"dir\"");
    let haproxy = place.root.join("path/my haproxy");
    symlink(programs::find("haproxy").unwrap(), &haproxy).unwrap();
    for script in ["reconcile", "first-config", "watch"] {
        for (set, shown) in [
            ("note='one two'", "one\\x20two"),
            ("note=\"three four\"", "three\\x20four"),
            ("note=a\\ b\nx=1", "a\\x20b"),
        ] {
            let _ = fs::remove_file(place.root.join("h.cfg"));
            let mut command = place.script(script);
            command.env("ROLLCALL_SET", set).env("ROLLCALL_HAPROXY", &haproxy);
            if script == "first-config" {
                command.arg(place.root.join("h.cfg"));
            }
            let mut running = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            poll::until(MINUTE, "the configuration", || place.config().contains(shown).then_some(()))
                .unwrap_or_else(|err| panic!("{script}, {set}: {err}: {}{}", place.config(), place.log()));
            if script == "watch" {
                // Its command for the reload was split into the right words.
                let tried =
                    || fs::read_to_string(place.root.join("log")).ok()?.contains(NO_HAPROXY).then_some(());
                poll::until(MINUTE, "the reload", tried)
                    .unwrap_or_else(|err| panic!("{err}: {}", place.log()));
                running.kill().unwrap();
            }
            running.wait().unwrap();
            let log = place.log();
            assert!(!log.contains("wrongly") && !log.contains("quote"), "{script}, {set}: {log}");
        }
    }
}

#[test]
fn the_manuals_value_with_a_blank_is_read_by_a_shell() {
    let manual = fs::read_to_string(programs::shipped("docs/settings.md")).unwrap();
    let line = manual.lines().find_map(|line| line.strip_prefix("    ROLLCALL_SET=")).unwrap();
    let place = Place::new("plain");
    let defaults = place.root.join("defaults");
    replace(&defaults, format!("ROLLCALL_SET={line}\n").as_bytes(), 0o600).unwrap();
    let mut script = place.script("first-config");
    script.arg(place.root.join("h.cfg")).env("ROLLCALL_CHECK", "true {}");
    let mut shell = Command::new("sh");
    shell.args(["-c", "set -a && . \"$1\" && shift && exec \"$@\"", "sh"]).arg(&defaults);
    shell.arg(script.get_program()).args(script.get_args());
    let set = script.get_envs().filter_map(|(key, value)| Some((key, value?)));
    assert!(shell.envs(set).status().unwrap().success());
    assert!(place.config().contains("two\\x20words"), "{}", place.config());
}

/// What reload-haproxy reports if it understood its options and found no HAProxy.
const NO_HAPROXY: &str = "no running HAProxy was started on";

#[test]
fn a_missing_tool_is_named_in_the_log() {
    if !are_here(&["haproxy", "serf"]) {
        return;
    }
    let place = Place::new("plain");
    for missing in ["flock", "timeout", "serf", "mkdir"] {
        let _ = fs::remove_dir_all(place.root.join("state"));
        let path = place.tools(TOOLS.into_iter().chain(["serf"]).filter(|tool| *tool != missing));
        let output = place.script("reconcile").env("PATH", path).output().unwrap();
        let log = place.log();
        assert_eq!(code(&output), 1, "{missing}: {log}");
        assert!(log.contains(&format!("cannot run '{missing}': it is not in the PATH")), "{missing}: {log}");
        assert!(!log.contains("another run") && !log.contains("did not answer"), "{missing}: {log}");
        assert_eq!(log.contains("render-cfg"), ["timeout", "serf"].contains(&missing), "{missing}: {log}");
    }
    let path = place.tools(TOOLS.into_iter().chain(["serf"]));
    let empty = place.root.join("scripts");
    let output = place.script("reconcile").env("PATH", &path).env("ROLLCALL_BIN", empty).output().unwrap();
    let log = place.log();
    assert_eq!(code(&output), 1, "{log}");
    assert!(log.contains("cannot run 'member-join': it is not in the PATH"), "{log}");
    assert!(log.contains("set ROLLCALL_BIN"), "{log}");
    for script in ["serf-handler", "reconcile", "watch"] {
        let path = place.tools(TOOLS.into_iter().filter(|tool| *tool != "readlink"));
        let link = place.root.join(format!("link-{script}"));
        symlink(place.root.join("scripts").join(script), &link).unwrap();
        let mut command = Command::new(link);
        command
            .env("ROLLCALL_LOG", place.root.join("log"))
            .env("SERF_EVENT", "member-join")
            .env("PATH", path);
        assert_eq!(code(&command.output().unwrap()), 1);
        assert!(place.log().contains("readlink is missing"), "{script}");
    }
}

#[test]
fn a_flock_that_fails_is_not_a_held_lock() {
    let place = Place::new("plain");
    let path = place.tools(TOOLS.into_iter().filter(|tool| *tool != "flock"));
    let flock = path.join("flock");
    for exit in [1, 64, 126, 127] {
        // A process of its own writes the program, see `FakeSerf`.
        let write = format!("printf '#!/bin/sh\\nexit {exit}\\n' >\"$1\" && chmod +x \"$1\"");
        assert!(Command::new("sh").args(["-c", &write, "sh"]).arg(&flock).status().unwrap().success());
        assert_eq!(code(&place.script("reconcile").env("PATH", &path).output().unwrap()), 1);
        let log = place.log();
        assert!(log.contains(&format!("cannot run 'flock': it ended with exit code {exit}")), "{log}");
        assert_eq!(log.lines().count(), 1, "a step ran: {log}");
    }
}

#[test]
fn the_chain_runs_under_busybox() {
    if !are_here(&["busybox"]) {
        return;
    }
    let Some(cluster) = Cluster::serving(&["s1"]).unwrap() else { return };
    let place = Place::new("busybox");
    // Debian's BusyBox has no flock; Alpine's knows `-n` as this one does.
    let path = place.tools(["flock", "serf"]);
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
