//! The demo that stays up: its commands from other shells, and that it leaves nothing, however it ends.
//!
//! The tour is not run here: it has its own verdict, and scripts/test runs it.

#![allow(clippy::unwrap_used, reason = "a test ends with the error")]

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use harness::run::MARK;
use harness::run::{poll, process, programs};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const SOON: Duration = Duration::from_secs(20);

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

    fn up(&self, arguments: &[&str]) -> Child {
        let name = arguments.iter().skip_while(|a| **a != "--name").nth(1).unwrap_or(&"demo");
        let mut command = self.demo(&[&["up"], arguments].concat());
        let child = command.stdout(Stdio::piped()).spawn().unwrap();
        poll::until(SOON, "the demo", || self.says(&["--name", name, "status"]).ok()).unwrap();
        child
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
    assert!(up.wait().unwrap().success());
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
    assert!(two.wait().unwrap().success());
    user.says(&["down"]).unwrap();
    assert!(one.wait().unwrap().success());
    user.until_nothing_is_left();
}

#[test]
fn nothing_is_left_of_a_demo_that_is_interrupted_terminated_or_killed() {
    if !can_run() {
        return;
    }
    for (end, code) in [(Signal::SIGINT, Some(0)), (Signal::SIGTERM, Some(0)), (Signal::SIGKILL, None)] {
        let user = User::new();
        let mut up = user.up(&["--backends", "1"]);
        signal(&up, end);
        assert_eq!(up.wait().unwrap().code(), code, "{end}");
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
