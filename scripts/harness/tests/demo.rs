//! The demo that stays up: its commands from other shells, and that it leaves nothing, however it ends.
//!
//! The tour is not run here: it has its own verdict, and scripts/test runs it. `scale` runs in its short form.

#![allow(clippy::unwrap_used, reason = "a test ends with the error")]

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use harness::run::MARK;
use harness::run::{poll, process, programs};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const SOON: Duration = Duration::from_secs(20);

/// A demo that stays up. If a test fails, it is killed, and its guardian cleans up.
struct Up(Child);

impl Drop for Up {
    fn drop(&mut self) {
        // It has ended already if the test went well.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A separate runtime directory, so that the test does not find other demos of this user.
struct User {
    runtime: tempfile::TempDir,
}

impl User {
    fn new() -> User {
        User { runtime: tempfile::tempdir().unwrap() }
    }

    fn demo(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_demo"));
        command.args(arguments).env("XDG_RUNTIME_DIR", self.runtime.path());
        command
    }

    fn up(&self, arguments: &[&str]) -> Up {
        let name = arguments.iter().skip_while(|a| **a != "--name").nth(1).unwrap_or(&"demo");
        let mut command = self.demo(&[&["up"], arguments].concat());
        let up = Up(command.stdout(Stdio::piped()).spawn().unwrap());
        poll::until(SOON, "the demo", || self.says(&["--name", name, "status"]).ok()).unwrap();
        up
    }

    /// Runs a command; returns its stdout, or its stderr if it fails.
    fn says(&self, arguments: &[&str]) -> Result<String, String> {
        let Output { status, stdout, stderr } = self.demo(arguments).output().unwrap();
        let (stdout, stderr) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
        if status.success() { Ok(stdout) } else { Err(stderr + &stdout) }
    }

    fn row(&self, name: &str) -> String {
        let status = self.says(&["status"]).unwrap_or_default();
        let row = status.lines().find(|line| line.starts_with(&format!("{name} ")));
        row.unwrap_or_default().split_whitespace().skip(2).collect::<Vec<_>>().join(" ")
    }

    /// How many requests were sent, if the load has this rate.
    fn load_sent(&self, rate: u32) -> Option<u64> {
        let status = self.says(&["status"]).ok()?;
        let (_, load) = status.split_once(&format!("load        {rate} requests a second; "))?;
        load.split_whitespace().next()?.parse().ok()
    }

    fn until_row(&self, name: &str, start: &str) {
        let seen = || self.row(name).starts_with(start).then_some(());
        poll::until(SOON, &format!("{name} to be '{start}', not '{}'", self.row(name)), seen).unwrap();
    }

    /// Waits until no process and no file of this user's demos is left.
    fn until_nothing_is_left(&self) {
        let mark = format!("{MARK}={}", self.runtime.path().display());
        poll::until(SOON, "everything to be gone", || {
            let left = process::marked(|entry| entry.starts_with(mark.as_bytes())).unwrap();
            let is_clean = left.is_empty() && fs::read_dir(self.runtime.path()).unwrap().count() == 0;
            is_clean.then_some(())
        })
        .unwrap();
    }
}

fn signal(child: &Child, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
}

/// True if the programs that the demo runs are built. They are built with the workspace, not with this package alone.
fn can_run() -> bool {
    programs::are_all_here() && programs::bin_dir().unwrap().is_dir()
}

#[test]
fn backends_are_added_stopped_killed_and_drained_from_a_second_shell() {
    if !can_run() {
        return;
    }
    let user = User::new();
    let mut up = user.up(&["--backends", "1"]);
    user.until_row("s1", "alive UP");
    assert!(user.says(&["add"]).unwrap().starts_with("s2 is started at 127."));
    user.says(&["add", "web"]).unwrap();
    user.until_row("s2", "alive UP");
    user.until_row("web", "alive UP");
    user.says(&["drain", "web"]).unwrap();
    user.until_row("web", "alive UP (drains)");
    user.says(&["stop", "s1"]).unwrap();
    user.until_row("s1", "left -");
    user.says(&["kill", "s2"]).unwrap();
    user.until_row("s2", "alive DOWN");
    assert!(user.says(&["stop", "s2"]).unwrap_err().contains("no backend 's2' is running"));
    user.says(&["add", "s2"]).unwrap();
    user.until_row("s2", "alive UP");
    assert_eq!(user.says(&["down"]).unwrap(), "ending\n");
    user.until_nothing_is_left();
    assert!(up.0.wait().unwrap().success());
}

#[test]
fn a_load_begins_changes_and_ends_and_the_backends_become_as_many_as_asked_for() {
    if !can_run() {
        return;
    }
    let user = User::new();
    let mut up = user.up(&["--backends", "0", "--delay", "100"]);
    assert!(user.says(&["scale-to", "3"]).unwrap().ends_with("running backends: 3\n"));
    for name in ["s1", "s2", "s3"] {
        user.until_row(name, "alive UP");
    }
    let status = user.says(&["load", "40"]).unwrap();
    assert!(status.starts_with("40 requests a second; "), "{status}");
    let sent = || user.load_sent(40).filter(|sent| *sent >= 20);
    poll::until(SOON, "20 requests", sent).unwrap();
    // The youngest two leave at the same time, under load.
    let said = user.says(&["scale-to", "1"]).unwrap();
    assert!(
        said.contains("s2 leaves") && said.contains("s3 leaves") && !said.contains("s1 leaves"),
        "{said}"
    );
    user.until_row("s2", "left -");
    user.until_row("s3", "left -");
    let status = user.says(&["load", "0"]).unwrap();
    assert!(status.starts_with("0 requests a second; ") && status.ends_with(", 0 failed\n"), "{status}");
    user.says(&["down"]).unwrap();
    assert!(up.0.wait().unwrap().success());
    user.until_nothing_is_left();
}

#[test]
fn servers_come_with_the_load_and_go_again() {
    if !can_run() {
        return;
    }
    let user = User::new();
    let chart = user.runtime.path().join("chart.svg");
    let mut scale = user.demo(&["scale", "--short", "--chart", chart.to_str().unwrap()]);
    let Output { status, stdout, stderr } = scale.output().unwrap();
    let text = String::from_utf8(stdout).unwrap() + &String::from_utf8(stderr).unwrap();
    assert!(status.success() && text.contains("verdict    GOOD"), "{text}");
    assert!(text.contains("the windows are shortened for this: --up-period 2s"), "{text}");
    assert!(fs::read_to_string(&chart).unwrap().contains(">serving<"));
    fs::remove_file(&chart).unwrap();
    user.until_nothing_is_left();
}

#[test]
fn nothing_is_left_of_a_run_of_scale_that_is_ended_from_a_second_shell() {
    if !can_run() {
        return;
    }
    let user = User::new();
    let mut scale = user.demo(&["scale", "--short"]).stdout(Stdio::null()).spawn().unwrap();
    poll::until(SOON, "the demo", || user.says(&["status"]).ok()).unwrap();
    let refused = user.says(&["load", "5"]).unwrap_err();
    assert!(refused.contains("cannot change the load: 'demo scale' has a plan for it"), "{refused}");
    assert_eq!(user.says(&["down"]).unwrap(), "ending\n");
    assert_eq!(scale.wait().unwrap().code(), Some(130));
    user.until_nothing_is_left();
}

#[test]
fn wrong_arguments_are_refused_with_exit_code_2() {
    let user = User::new();
    let refused: [&[&str]; 10] = [
        &["load"],
        &["load", "-1"],
        &["load", "many"],
        &["load", "1001"],
        &["scale-to"],
        &["scale-to", "51"],
        &["up", "--delay", "60000"],
        &["scale", "--full", "--short"],
        &["scale", "--chart", "/nowhere/chart.svg"],
        &["scale", "--chart", "/"],
    ];
    for arguments in refused {
        assert_eq!(user.demo(arguments).output().unwrap().status.code(), Some(2), "{arguments:?}");
    }
    user.until_nothing_is_left();
}

#[test]
fn several_demos_run_at_once_and_have_to_be_named_then() {
    if !can_run() {
        return;
    }
    let user = User::new();
    assert!(user.says(&["status"]).unwrap_err().contains("no demo is up"));
    let mut one = user.up(&["--backends", "0"]);
    let mut two = user.up(&["--backends", "0", "--name", "two"]);
    let err = user.says(&["status"]).unwrap_err();
    assert!(err.contains("use --name NAME; running: demo, two"), "{err}");
    assert!(user.says(&["up", "--name", "two"]).unwrap_err().contains("is up"));
    user.says(&["down", "--name", "two"]).unwrap();
    assert!(two.0.wait().unwrap().success());
    assert_is_first_line(&io::read_to_string(two.0.stdout.take().unwrap()).unwrap());
    user.says(&["down"]).unwrap();
    assert!(one.0.wait().unwrap().success());
    user.until_nothing_is_left();
}

/// Asserts that an output begins with the versions of all that runs, such as `haproxy 2.6.12-1`.
fn assert_is_first_line(output: &str) {
    let line = output.lines().next().unwrap_or_default();
    let parts: Vec<_> = line.split(", ").filter_map(|part| part.split_once(' ')).collect();
    let names: Vec<_> = parts.iter().map(|(name, _)| *name).collect();
    assert!(
        names.starts_with(&["rollcall", "haproxy", "serf", "node"]) && names.ends_with(&["Linux"]),
        "{line}"
    );
    assert!(parts[..4].iter().all(|(_, version)| version.contains('.')), "{line}");
    let haproxy = Command::new(programs::find("haproxy").unwrap()).arg("-v").output().unwrap();
    assert!(String::from_utf8(haproxy.stdout).unwrap().contains(parts[1].1), "{line}");
}

#[test]
fn nothing_is_left_of_a_demo_that_is_interrupted_terminated_or_killed() {
    if !can_run() {
        return;
    }
    for (end, code) in [(Signal::SIGINT, Some(0)), (Signal::SIGTERM, Some(0)), (Signal::SIGKILL, None)] {
        let user = User::new();
        let mut up = user.up(&["--backends", "1"]);
        signal(&up.0, end);
        assert_eq!(up.0.wait().unwrap().code(), code, "{end}");
        user.until_nothing_is_left();
    }
}

#[test]
fn nothing_is_left_of_a_tour_that_is_interrupted_or_killed() {
    if !can_run() {
        return;
    }
    for (end, code) in [(Signal::SIGINT, Some(130)), (Signal::SIGKILL, None)] {
        let user = User::new();
        let mut tour =
            user.demo(&[]).env("TMPDIR", user.runtime.path()).stdout(Stdio::null()).spawn().unwrap();
        let has_agent = || {
            let runs = fs::read_dir(user.runtime.path()).unwrap().flatten();
            runs.map(|run| run.path()).any(|run| is_begun(&run)).then_some(())
        };
        poll::until(SOON, "the tour to begin", has_agent).unwrap();
        signal(&tour, end);
        assert_eq!(tour.wait().unwrap().code(), code, "{end}");
        user.until_nothing_is_left();
    }
}

fn is_begun(run: &Path) -> bool {
    fs::read_dir(run).is_ok_and(|files| {
        files.flatten().any(|file| file.file_name().to_string_lossy().starts_with("webapp-"))
    })
}
