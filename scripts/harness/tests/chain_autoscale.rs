//! `scripts/autoscale-run`: what it does with the number of `autoscale`, alone, beside others and under BusyBox.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::process::Command;
use std::thread;
use std::time::Duration;

use harness::cluster::single_haproxy::autoscaled::Autoscaled;
use harness::run::daemon::Daemon;
use harness::run::process::{code, is_running, stderr};
use harness::run::{poll, programs};
use harness::traffic::http::Client;
use nix::fcntl::{Flock, FlockArg};

const SOON: Duration = Duration::from_secs(20);

#[test]
fn sessions_become_servers_and_the_log_says_why() {
    let Some(scaled) = Autoscaled::with_servers(1) else { return };
    let _app = scaled.fixture.app(11);
    let front = scaled.fixture.front();
    thread::scope(|scope| {
        for _ in 0..50 {
            scope.spawn(move || Client::fresh(front).get("/slow/1500").unwrap());
        }
        let sessions = || {
            let rows = scaled.fixture.haproxy().show_stat().unwrap();
            rows.iter().any(|row| row["svname"] == "BACKEND" && row["scur"] == "50").then_some(())
        };
        poll::until(SOON, "50 sessions", sessions).unwrap();
        let output = scaled.look(1, 9);
        assert_eq!((code(&output), scaled.text("ran")), (0, "3\n".to_owned()), "{}", stderr(&output));
    });
    let log = scaled.text("log");
    assert!(
        log.contains("]: 3: 1 server carries 50 sessions (50 each, target 20), 0 queued; up from 1\n"),
        "{log}"
    );
    assert!(log.contains("rollcall_scale_command.sh 3, to scale from 1 to 3: up from 1\n"), "{log}");
    scaled.add_server(2);
    scaled.add_server(3);
    assert_eq!(code(&scaled.look(3, 9)), 0);
    scaled.wait_for("log", "]: servers: 3, as wanted\n");
    assert_eq!(code(&scaled.look(3, 9)), 0);
    assert_eq!(scaled.text("ran"), "3\n", "it ran without need");
    assert_eq!(scaled.text("log").matches("as wanted").count(), 1, "{}", scaled.text("log"));
}

#[test]
fn it_scales_down_and_a_changed_number_is_acted_on_at_once() {
    let Some(scaled) = Autoscaled::with_servers(4) else { return };
    for (max, ran) in [(3, "3\n"), (2, "3\n2\n")] {
        assert_eq!(code(&scaled.look(1, max)), 0);
        assert_eq!(scaled.text("ran"), ran, "{}", scaled.text("log"));
    }
}

#[test]
fn commands_never_run_at_the_same_time() {
    let Some(mut scaled) = Autoscaled::with_servers(1) else { return };
    scaled.set_command(
        "ROLLCALL_SCALE_COMMAND",
        "mkdir busy || touch overlap\nsleep 0.3\nrmdir busy\necho $1 >>ran",
    );
    let mut service = scaled.serve(2, 9);
    thread::scope(|scope| {
        for number in 3..9 {
            let scaled = &scaled;
            scope.spawn(move || assert_eq!(code(&scaled.look(number, 9)), 0));
        }
    });
    scaled.wait_for("ran", "2\n");
    assert!(service.is_running());
    assert!(scaled.text("ran").lines().count() >= 3, "{}", scaled.text("ran"));
    assert!(!scaled.path("overlap").exists());
}

#[test]
fn what_a_command_leaves_in_the_background_keeps_no_lock() {
    let Some(mut scaled) = Autoscaled::with_servers(1) else { return };
    scaled.set_command("ROLLCALL_SCALE_COMMAND", "sleep 60 &\necho $1 >>ran");
    assert_eq!(code(&scaled.look(2, 9)), 0);
    assert_eq!(scaled.text("ran"), "2\n");
    let lock = File::open(scaled.path("state/autoscale-run.lock")).unwrap();
    assert!(Flock::lock(lock, FlockArg::LockExclusiveNonblock).is_ok());
}

#[test]
fn a_signal_ends_the_service_and_the_command_that_runs() {
    let Some(mut scaled) = Autoscaled::with_servers(1) else { return };
    let mut idle = scaled.serve(1, 9);
    scaled.wait_for("state/autoscale.json", "{");
    assert_eq!(idle.stop().unwrap().code(), Some(143));
    scaled.set_command("ROLLCALL_SCALE_COMMAND", "echo $$ >pid\nexec sleep 60");
    let mut service = scaled.serve(2, 9);
    let command = scaled.started();
    assert_eq!(service.stop().unwrap().code(), Some(143));
    assert!(!is_running(command));
    let log = scaled.text("log");
    assert!(
        log.contains("stopped the command to scale from 1 to 2, because this program got a signal"),
        "{log}"
    );
}

#[test]
fn a_dry_run_shows_the_command_and_changes_nothing() {
    let Some(scaled) = Autoscaled::with_servers(1) else { return };
    let dry = |min| {
        let output = scaled.command(min, 9, &["--dry-run"]).output().unwrap();
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    let shown = dry(2);
    let command = "rollcall_scale_command.sh 2, to scale from 1 to 2: ";
    assert!(shown.starts_with("would run /") && shown.contains(command), "{shown}");
    assert!(!scaled.path("state").exists() && !scaled.path("log").exists());
    scaled.look(2, 9);
    let state = || {
        let files = fs::read_dir(scaled.path("state")).unwrap().map(|file| file.unwrap().path());
        let mut all: Vec<_> = files.map(|path| (path.clone(), fs::read(path).unwrap())).collect();
        all.sort();
        (all, scaled.text("log"), scaled.text("ran"))
    };
    let before = state();
    let shown = dry(2);
    assert!(
        shown.starts_with("would wait 1") && shown.contains(" s before it tries again to scale from 1 to 2"),
        "{shown}"
    );
    assert_eq!(state(), before);
}

#[test]
fn it_runs_under_busybox() {
    let Some(scaled) = Autoscaled::with_servers(1) else { return };
    if !programs::are_here(&["busybox"]) {
        return;
    }
    let tools = scaled.path("tools");
    fs::create_dir(&tools).unwrap();
    for tool in ["sh", "sleep", "date", "mkdir"] {
        symlink(programs::find("busybox").unwrap(), tools.join(tool)).unwrap();
    }
    let command = |min, options: &[&str]| {
        let mut command = Command::new(tools.join("sh"));
        command.arg(programs::shipped("scripts/autoscale-run"));
        scaled.prepare(&mut command, min, 9, options);
        command.env("PATH", &tools);
        command
    };
    let output = command(2, &["--dry-run"]).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("would run /"), "{}", stderr(&output));
    let output = command(2, &[]).output().unwrap();
    assert_eq!((code(&output), scaled.text("ran")), (0, "2\n".to_owned()), "{}", stderr(&output));
    let mut service =
        Daemon::start(&scaled.fixture.run, "busybox", command(3, &["--every=1s", "-v"])).unwrap();
    let looks = || service.log().matches("autoscale: 3: ").count();
    poll::until(SOON, "three looks", || (looks() >= 3).then_some(())).unwrap();
    assert_eq!(service.stop().unwrap().code(), Some(143), "{}", service.log());
    assert_eq!(scaled.text("ran"), "2\n3\n");
}
