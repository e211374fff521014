//! The command line of autoscale-apply, with scripts in place of `autoscale` and of an engine.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use assert_cmd::cargo::CommandCargoExt;
use common::replace::replace;
use tempfile::TempDir;

/// A directory with a script `autoscale` that prints this, and a script `scale` that notes its number in `ran`.
fn with_answer(answer: &str) -> TempDir {
    let dir = TempDir::new().unwrap();
    script(&dir.path().join("autoscale"), &format!("echo \"$@\" >>asked\n{answer}"));
    script(&dir.path().join("scale"), "echo $1 >>ran");
    dir
}

fn script(path: &Path, body: &str) {
    replace(path, format!("#!/bin/sh\n{body}\n").as_bytes(), 0o755).unwrap();
}

fn apply(dir: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::cargo_bin("autoscale-apply").unwrap();
    command.current_dir(dir).args(["--state-dir", "state", "--autoscale", "./autoscale"]);
    command.args(["--scale-command", "./scale {}"]).args(arguments);
    command.args(["--", "--backend", "nodes"]).output().unwrap()
}

fn seen(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

fn text(dir: &Path, name: &str) -> String {
    fs::read_to_string(dir.join(name)).unwrap_or_default()
}

const UP: &str = r#"echo '{"wanted":6,"count":4,"draining":0,"reason":"up from 4"}'"#;

#[test]
fn help_names_every_setting_and_version_is_there() {
    let dir = TempDir::new().unwrap();
    let help = |argument| {
        let mut command = Command::cargo_bin("autoscale-apply").unwrap();
        seen(&command.current_dir(dir.path()).arg(argument).output().unwrap())
    };
    let (code, stdout, _) = help("--help");
    assert_eq!(code, 0);
    for setting in ["SCALE_COMMAND", "COUNT_COMMAND", "STOP_COMMAND", "DRAIN_COMMAND", "DRAIN_LIMIT"] {
        assert!(stdout.contains(&format!("[env: ROLLCALL_{setting}]")), "{setting}: {stdout}");
    }
    for setting in ["AUTOSCALE", "SCALE_TIMEOUT", "STEP_TIMEOUT", "STATE_DIR"] {
        assert!(stdout.contains(&format!("[env: ROLLCALL_{setting}")), "{setting}: {stdout}");
    }
    assert_eq!(help("--version").0, 0);
}

#[test]
fn wrong_usage_ends_with_2_and_is_logged() {
    let dir = with_answer(UP);
    let (code, stdout, stderr) = seen(&apply(dir.path(), &["--log", "log", "--wrong"]));
    assert_eq!((code, stdout.as_str()), (2, ""));
    assert!(stderr.contains("--wrong"), "{stderr}");
    assert!(text(dir.path(), "log").contains("called wrongly: "), "{}", text(dir.path(), "log"));
    let mut command = Command::cargo_bin("autoscale-apply").unwrap();
    let (code, _, stderr) =
        seen(&command.current_dir(dir.path()).args(["--", "--min", "1"]).output().unwrap());
    assert_eq!(code, 2);
    assert!(stderr.contains("cannot use ROLLCALL_SCALE_COMMAND '': it is not set"), "{stderr}");
}

#[test]
fn the_number_is_asked_for_with_the_state_and_the_log_and_then_made_true() {
    let dir = with_answer(UP);
    let (code, stdout, stderr) = seen(&apply(dir.path(), &["--log", "log", "--log-state", "state/faults"]));
    assert_eq!((code, stdout.as_str()), (0, ""));
    assert_eq!(stderr, "autoscale-apply: runs ./scale 6, to scale from 4 to 6: up from 4\n");
    assert_eq!(text(dir.path(), "ran"), "6\n");
    assert_eq!(
        text(dir.path(), "asked"),
        "--json --backend nodes --time-limit 30s --state state/autoscale.json --log log \
         --log-state state/autoscale.faults\n"
    );
    assert!(text(dir.path(), "log").contains("]: runs ./scale 6, to scale from 4 to 6: up from 4\n"));
}

#[test]
fn what_an_engine_says_on_stderr_is_no_count() {
    let dir = with_answer(UP);
    script(&dir.path().join("count"), "echo a warning >&2; echo 4");
    let (code, _, stderr) = seen(&apply(dir.path(), &["--count-command", "./count"]));
    assert_eq!(code, 0, "{stderr}");
    assert!(stderr.starts_with("a warning\n"), "{stderr}");
    assert!(text(dir.path(), "asked").ends_with(" --count 4\n"), "{}", text(dir.path(), "asked"));
}

#[test]
fn the_exit_code_is_that_of_autoscale_and_the_number_is_only_raised() {
    for (answer, ran) in [(UP, "6\n"), (&UP.replace('6', "3"), "")] {
        let dir = with_answer(&format!("{answer}; exit 5"));
        assert_eq!(seen(&apply(dir.path(), &[])).0, 5);
        assert_eq!(text(dir.path(), "ran"), ran, "{answer}");
    }
}

#[test]
fn a_command_that_fails_lasts_until_it_succeeds_and_the_log_says_so_once() {
    let dir = with_answer(UP);
    script(&dir.path().join("scale"), "exit 3");
    let options = ["--log", "log", "--log-state", "state/faults"];
    for _ in 0..3 {
        assert_eq!(seen(&apply(dir.path(), &options)).0, 1);
    }
    script(&dir.path().join("autoscale"), &UP.replace('6', "4"));
    assert_eq!(seen(&apply(dir.path(), &options)).0, 0);
    let log = text(dir.path(), "log");
    let lines: Vec<&str> = log.lines().map(|line| line.split_once("]: ").unwrap().1).collect();
    assert_eq!(
        lines,
        [
            "runs ./scale 6, to scale from 4 to 6: up from 4",
            "cannot scale from 4 to 6: exit code 3",
            "tries again to scale from 4 to 6 in 15 s at the earliest",
            "servers: 4, as wanted",
            "ended: cannot scale from 4 to 6: exit code 3",
        ]
    );
}

#[test]
fn without_notes_there_are_only_more_servers() {
    for (answer, ran) in [(UP, "6\n"), (&UP.replace('6', "3"), "")] {
        let dir = with_answer(answer);
        // In the way of the notes.
        fs::create_dir_all(dir.path().join("state/.autoscale-run.json.tmp")).unwrap();
        let (code, _, stderr) = seen(&apply(dir.path(), &[]));
        assert_eq!((code, text(dir.path(), "ran").as_str()), (4, ran), "{answer}");
        assert_eq!(stderr.matches("cannot write 'state/autoscale-run.json': ").count(), 1, "{stderr}");
    }
}

#[test]
fn a_state_directory_that_cannot_be_used_ends_with_4() {
    let dir = with_answer(UP);
    replace(&dir.path().join("state"), b"", 0o640).unwrap();
    let (code, _, stderr) = seen(&apply(dir.path(), &[]));
    assert_eq!(code, 4);
    assert_eq!(stderr, "autoscale-apply: cannot use ROLLCALL_STATE_DIR 'state': it is not a directory\n");
    fs::remove_file(dir.path().join("state")).unwrap();
    fs::create_dir(dir.path().join("state")).unwrap();
    assert_eq!(seen(&apply(dir.path(), &[])).0, 0);
}

#[test]
fn a_count_that_is_too_large_is_no_count() {
    let dir = with_answer(UP);
    let (code, _, stderr) = seen(&apply(dir.path(), &["--count-command", "echo 100001"]));
    assert_eq!(code, 1);
    assert!(stderr.contains("printed '100001' and not a number up to 100000"), "{stderr}");
    assert!(!text(dir.path(), "asked").contains("--count"), "{}", text(dir.path(), "asked"));
}

#[test]
fn a_command_that_fails_with_a_very_long_line_waits_for_its_pause() {
    let dir = with_answer(UP);
    script(&dir.path().join("scale"), "echo $1 >>ran; head -c 60000 /dev/zero | tr '\\0' '\"'; exit 3");
    for _ in 0..2 {
        assert_eq!(seen(&apply(dir.path(), &[])).0, 1);
    }
    assert_eq!(text(dir.path(), "ran"), "6\n");
}
