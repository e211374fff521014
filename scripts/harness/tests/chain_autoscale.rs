//! `scripts/autoscale-run`: what it does with the number of `autoscale`, and with commands that fail, hang or lie.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use harness::cluster::single_haproxy::autoscaled::Autoscaled;
use harness::run::process::{code, is_running};
use harness::run::{poll, programs};
use harness::traffic::http::Client;

const SOON: Duration = Duration::from_secs(20);

/// A HAProxy with this number of servers; `None` if programs are missing.
fn with_servers(count: u8) -> Option<Autoscaled> {
    programs::are_here(&["haproxy"]).then(|| Autoscaled::with_servers(count))
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Waits until the script's file `pid` names a process, and returns that.
fn started(scaled: &Autoscaled) -> u32 {
    poll::until(SOON, "a command that runs", || scaled.text("pid").strip_suffix('\n')?.parse().ok()).unwrap()
}

fn wait_for_end(pid: u32) {
    poll::until(SOON, "the end of the command", || (!is_running(pid)).then_some(())).unwrap();
}

#[test]
fn sessions_become_servers_and_the_log_says_why() {
    let Some(scaled) = with_servers(1) else { return };
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
    let Some(scaled) = with_servers(4) else { return };
    for (max, ran) in [(3, "3\n"), (2, "3\n2\n")] {
        assert_eq!(code(&scaled.look(1, max)), 0);
        assert_eq!(scaled.text("ran"), ran, "{}", scaled.text("log"));
    }
}

#[test]
fn a_command_that_fails_is_logged_and_runs_again_after_growing_pauses() {
    let Some(mut scaled) = with_servers(1) else { return };
    let failing = "echo \"$1\" >>ran\necho first\nprintf 'no \\033such image\\r\\n\\n' >&2\nexit 3";
    scaled.set_command("ROLLCALL_SCALE_COMMAND", failing);
    assert_eq!(code(&scaled.look(2, 9)), 1);
    let log = scaled.text("log");
    let reason =
        "cannot scale from 1 to 2: exit code 3; it printed last: 'no such image'; it runs again after 15 s";
    assert!(log.contains(reason), "{log}");
    // In a pause another number does not matter.
    assert_eq!(code(&scaled.look(3, 9)), 1);
    assert_eq!(scaled.text("ran"), "2\n");
    for (tries, pause) in [(1, 15), (2, 30), (4, 120), (5, 240), (6, 300), (90, 300)] {
        scaled.tried("scale", "2", tries, pause - 3, "failed");
        scaled.look(2, 9);
        assert_eq!(scaled.text("ran"), "2\n", "after {tries} tries");
        scaled.tried("scale", "2", tries, pause, "failed");
        scaled.look(2, 9);
        assert_eq!(scaled.text("ran"), "2\n2\n", "after {tries} tries");
        scaled.write("ran", "2\n");
    }
    assert!(scaled.text("log").contains(": attempt 91; "), "{}", scaled.text("log"));
}

#[test]
fn a_note_that_is_spoiled_or_of_another_time_silences_nothing() {
    let Some(scaled) = with_servers(1) else { return };
    let notes = [
        "",
        "2 1",
        "2 1 99999999 failed\n",
        "2 x 1 failed\n",
        "2 1 08 failed\n",
        "\0\u{ff}\n",
        "* * * *\n",
        "2 1 1 failed x\n",
    ];
    for (number, note) in notes.iter().enumerate() {
        fs::create_dir_all(scaled.path("state")).unwrap();
        scaled.write("state/autoscale-run.scale", note);
        let output = scaled.look(2, 9);
        assert_eq!(
            (code(&output), scaled.text("ran")),
            (0, "2\n".repeat(number + 1)),
            "{note:?} {}",
            stderr(&output)
        );
    }
}

#[test]
fn a_command_that_hangs_is_ended_with_all_that_it_started() {
    let Some(mut scaled) = with_servers(1) else { return };
    scaled.set("ROLLCALL_SCALE_TIMEOUT", "1");
    scaled
        .set_command("ROLLCALL_SCALE_COMMAND", "sleep 60 &\necho $! >pid\ntrap '' TERM\nsleep 60\nsleep 60");
    let start = Instant::now();
    assert_eq!(code(&scaled.look(2, 9)), 1);
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
    wait_for_end(started(&scaled));
    let log = scaled.text("log");
    assert!(
        log.contains("cannot scale from 1 to 2: it did not end within 1 s, and was ended with all"),
        "{log}"
    );
}

#[test]
fn a_command_that_says_success_and_does_nothing_is_found_out() {
    let Some(scaled) = with_servers(1) else { return };
    for _ in 0..3 {
        assert_eq!(code(&scaled.look(2, 9)), 0);
    }
    assert_eq!(scaled.text("ran"), "2\n", "the servers need time to come");
    scaled.tried("scale", "2", 1, 15, "done");
    assert_eq!(code(&scaled.look(2, 9)), 0);
    assert_eq!(scaled.text("ran"), "2\n2\n");
    scaled.wait_for("log", "to scale from 1 to 2: the command said success, but there are 1; ");
}

#[test]
fn commands_never_run_at_the_same_time() {
    let Some(mut scaled) = with_servers(1) else { return };
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
fn a_signal_ends_the_service_and_the_command_that_runs() {
    let Some(mut scaled) = with_servers(1) else { return };
    let mut idle = scaled.serve(1, 9);
    scaled.wait_for("state/autoscale.json", "{");
    assert_eq!(idle.stop().unwrap().code(), Some(143));
    scaled.set_command("ROLLCALL_SCALE_COMMAND", "echo $$ >pid\nexec sleep 60");
    let mut service = scaled.serve(2, 9);
    let command = started(&scaled);
    assert_eq!(service.stop().unwrap().code(), Some(143));
    assert!(!is_running(command));
    let log = scaled.text("log");
    assert!(log.contains("gave up to scale from 1 to 2, because a signal ends this script"), "{log}");
}

#[test]
fn a_command_outlives_a_killed_run_and_the_next_run_waits_for_it() {
    let Some(mut scaled) = with_servers(1) else { return };
    scaled.set_command(
        "ROLLCALL_SCALE_COMMAND",
        "echo $$ >pid\nwhile [ ! -e go ]; do sleep 0.1; done\necho $1 >>ran",
    );
    let mut service = scaled.serve(2, 9);
    let command = started(&scaled);
    service.kill9();
    let mut next = scaled.command(2, 9, &[]).stderr(Stdio::null()).spawn().unwrap();
    // It has opened the lock, so it waits for it.
    let children = || fs::read_to_string(format!("/proc/{0}/task/{0}/children", next.id())).unwrap();
    poll::until(SOON, "a run that waits", || (!children().is_empty()).then_some(())).unwrap();
    assert!(is_running(command), "the command was ended");
    assert_eq!(next.try_wait().unwrap(), None);
    scaled.write("go", "");
    assert_eq!(next.wait().unwrap().into_raw(), 1 << 8);
    assert_eq!(scaled.text("ran"), "2\n", "it ran again without a pause");
}

#[test]
fn a_dry_run_shows_the_command_and_changes_nothing() {
    let Some(scaled) = with_servers(1) else { return };
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
        shown.starts_with("would wait 1") && shown.contains(" before it tries to scale from 1 to 2 again"),
        "{shown}"
    );
    assert_eq!(state(), before);
}

#[test]
fn in_doubt_it_scales_only_up() {
    let Some(mut scaled) = with_servers(3) else { return };
    assert_eq!(code(&scaled.look(3, 3)), 0);
    // A state that cannot be written.
    fs::remove_file(scaled.path("state/autoscale.json")).unwrap();
    fs::create_dir(scaled.path("state/autoscale.json")).unwrap();
    assert_eq!(code(&scaled.look(1, 2)), 4);
    assert_eq!(scaled.text("ran"), "");
    fs::remove_dir(scaled.path("state/autoscale.json")).unwrap();
    assert_eq!(code(&scaled.look(3, 3)), 0);
    scaled.set("ROLLCALL_COUNT_COMMAND", "printf many");
    assert_eq!(code(&scaled.look(1, 2)), 1);
    scaled
        .wait_for("log", "cannot count the servers: ROLLCALL_COUNT_COMMAND printed 'many' and not a number");
    assert_eq!(scaled.text("ran"), "");
    scaled.set("ROLLCALL_COUNT_COMMAND", "printf 2");
    scaled.fixture.haproxy.take();
    assert_eq!(code(&scaled.look(1, 1)), 5);
    assert_eq!(scaled.text("ran"), "");
    assert_eq!(code(&scaled.look(4, 9)), 5);
    assert_eq!(scaled.text("ran"), "4\n", "{}", scaled.text("log"));
}

#[test]
fn what_cannot_be_written_is_logged_and_does_not_stop_scaling_up() {
    let Some(scaled) = with_servers(1) else { return };
    for file in ["autoscale-run.scale.new", "autoscale-run.output"] {
        fs::create_dir_all(scaled.path("state").join(file)).unwrap();
    }
    assert_eq!(code(&scaled.look(2, 9)), 1);
    assert_eq!(scaled.text("ran"), "2\n");
    scaled.wait_for("log", "autoscale-run.scale': see ROLLCALL_STATE_DIR (is the disk full?)");
    // A service has no pause in a file, but keeps it.
    let mut service = scaled.serve(3, 9);
    scaled.wait_for("ran", "3\n");
    scaled.wait_for("autoscale-run.log", "to scale from 1 to 3");
    for _ in 0..3 {
        let before = scaled.text("state/autoscale.json");
        poll::until(SOON, "a look", || (scaled.text("state/autoscale.json") != before).then_some(()))
            .unwrap();
    }
    service.stop().unwrap();
    assert_eq!(scaled.text("ran"), "2\n3\n");
}

#[test]
fn it_runs_under_busybox() {
    let Some(scaled) = with_servers(1) else { return };
    if !programs::are_here(&["busybox"]) {
        return;
    }
    let tools = scaled.path("tools");
    fs::create_dir(&tools).unwrap();
    // Debian's BusyBox has no flock.
    symlink(programs::find("flock").unwrap(), tools.join("flock")).unwrap();
    for tool in [
        "sh", "setsid", "sleep", "date", "mkdir", "mv", "rm", "grep", "tail", "tr", "timeout", "cp", "mktemp",
    ] {
        symlink(programs::find("busybox").unwrap(), tools.join(tool)).unwrap();
    }
    let run = |min, options: &[&str]| {
        let mut command = Command::new(tools.join("sh"));
        command.arg(programs::shipped("scripts/autoscale-run"));
        scaled.prepare(&mut command, min, 9, options);
        command.env("PATH", &tools).output().unwrap()
    };
    let output = run(2, &["--dry-run"]);
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("would run /"), "{}", stderr(&output));
    let output = run(2, &[]);
    assert_eq!((code(&output), scaled.text("ran")), (0, "2\n".to_owned()), "{}", stderr(&output));
    let limited = |limit: &str, body: &str| {
        let mut command = Command::new(tools.join("sh"));
        command.arg(programs::shipped("scripts/run-limited")).args([limit, "sh", "-c", body, "sh"]);
        let output = command.arg(scaled.path("pid")).env("PATH", &tools).output().unwrap();
        code(&output)
    };
    assert_eq!(limited("9", "exit 3"), 3);
    assert_eq!(limited("1", "sleep 60 & echo $! >$1; trap '' TERM; sleep 60; sleep 60"), 124);
    wait_for_end(started(&scaled));
}
