//! `scripts/autoscale-run`: with commands that fail, hang, lie or outlive it, and with numbers in doubt.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use harness::cluster::single_haproxy::autoscaled::Autoscaled;
use harness::run::process::{code, is_running};
use harness::run::{poll, programs};

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
