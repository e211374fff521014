//! `scripts/autoscale-run`: with commands that fail, hang, lie or outlive it, and with numbers in doubt.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::time::{Duration, Instant};

use harness::cluster::single_haproxy::autoscaled::Autoscaled;
use harness::run::poll;
use harness::run::process::{code, is_running, stderr};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const SOON: Duration = Duration::from_secs(20);

fn wait_for_end(pid: u32) {
    poll::until(SOON, "the end of the command", || (!is_running(pid)).then_some(())).unwrap();
}

#[test]
fn a_command_that_fails_is_logged_and_runs_again_after_growing_pauses() {
    let Some(mut scaled) = Autoscaled::with_servers(1) else { return };
    let failing = "echo \"$1\" >>ran\necho first\nprintf 'no \\033such image\\r\\n\\n' >&2\nexit 3";
    scaled.set_command("ROLLCALL_SCALE_COMMAND", failing);
    assert_eq!(code(&scaled.look(2, 9)), 1);
    let log = scaled.text("log");
    for line in [
        "cannot scale from 1 to 2: exit code 3; it printed last: 'no such image'\n",
        "tries again to scale from 1 to 2 in 15 s at the earliest\n",
    ] {
        assert!(log.contains(line), "{log}");
    }
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
    let Some(scaled) = Autoscaled::with_servers(1) else { return };
    fs::create_dir_all(scaled.path("state")).unwrap();
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let attempt = |boot: &str, tries: u32, at: &str| {
        let attempt = format!(r#"{{"value":"2","tries":{tries},"at":{at},"outcome":"failed","failure":""}}"#);
        format!(r#"{{"boot":"{}","attempts":{{"scale":{attempt}}}}}"#, boot.trim())
    };
    let (long_ago, to_come) = ("0", "99999999999999");
    let notes = [
        String::new(),
        "{".to_owned(),
        "[]".to_owned(),
        "\0\u{ff}\n".to_owned(),
        attempt(&boot, 1, to_come),
        attempt(&boot, 0, long_ago),
        attempt(&boot, 100, long_ago),
        attempt("another", 1, long_ago),
    ];
    for (number, note) in notes.iter().enumerate() {
        scaled.write_notes(note);
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
    let Some(mut scaled) = Autoscaled::with_servers(1) else { return };
    scaled.set("ROLLCALL_SCALE_TIMEOUT", "1");
    scaled
        .set_command("ROLLCALL_SCALE_COMMAND", "sleep 60 &\necho $! >pid\ntrap '' TERM\nsleep 60\nsleep 60");
    let start = Instant::now();
    assert_eq!(code(&scaled.look(2, 9)), 1);
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
    wait_for_end(scaled.started());
    let log = scaled.text("log");
    assert!(
        log.contains(
            "cannot scale from 1 to 2: it did not end within 1 s, and was ended with all its processes"
        ),
        "{log}"
    );
}

#[test]
fn a_command_that_says_success_and_does_nothing_is_found_out() {
    let Some(scaled) = Autoscaled::with_servers(1) else { return };
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
    let Some(mut scaled) = Autoscaled::with_servers(1) else { return };
    scaled.set_command(
        "ROLLCALL_SCALE_COMMAND",
        "echo $$ >pid\nwhile [ ! -e go ]; do sleep 0.1; done\necho $1 >>ran",
    );
    let mut service = scaled.serve(2, 9);
    let command = scaled.started();
    // Its process is in the notes now.
    scaled.wait_for("state/autoscale-run.json", "\"running\":{");
    let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", service.id())).unwrap();
    service.kill9();
    kill(Pid::from_raw(children.trim().parse().unwrap()), Signal::SIGKILL).unwrap();
    let mut next = scaled.command(2, 9, &[]).stderr(Stdio::null()).spawn().unwrap();
    scaled.wait_for("log", "waits for the command that a killed run has left, to scale from 1 to 2\n");
    assert!(is_running(command), "the command was ended");
    assert_eq!(next.try_wait().unwrap(), None);
    scaled.write("go", "");
    assert_eq!(next.wait().unwrap().into_raw(), 1 << 8);
    assert_eq!(scaled.text("ran"), "2\n", "it ran again without a pause");
}

#[test]
fn in_doubt_it_scales_only_up() {
    let Some(mut scaled) = Autoscaled::with_servers(3) else { return };
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
    let Some(scaled) = Autoscaled::with_servers(1) else { return };
    // In the way of the notes.
    fs::create_dir_all(scaled.path("state/.autoscale-run.json.tmp")).unwrap();
    assert_eq!(code(&scaled.look(2, 9)), 4);
    assert_eq!(scaled.text("ran"), "2\n");
    scaled.wait_for("log", "see ROLLCALL_STATE_DIR (is the disk full?)");
    assert_eq!(code(&scaled.look(1, 1)), 0, "nothing to do");
    // A service has no pause in a file, and waits between its looks.
    let start = Instant::now();
    let mut service = scaled.serve(3, 9);
    scaled.wait_for("ran", "3\n3\n");
    assert!(start.elapsed() >= Duration::from_secs(15), "{:?}", start.elapsed());
    service.stop().unwrap();
}
