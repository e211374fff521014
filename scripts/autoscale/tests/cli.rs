//! The program's command line, its state file and its exit codes, without a HAProxy. With one:
//! scripts/harness/tests/autoscale_looks.rs.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::fs;
use std::path::Path;
use std::process::Output;

use assert_cmd::Command;
use tempfile::TempDir;

const BOUNDS: [&str; 8] = ["--backend", "nodes", "--target", "20", "--min", "2", "--max", "20"];

fn autoscale(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::cargo_bin("autoscale").unwrap();
    command.current_dir(directory).args(["--socket", "none.sock", "-v"]).args(arguments).output().unwrap()
}

fn seen(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

fn with_state(directory: &Path, more: &[&str]) -> (i32, String, String) {
    seen(&autoscale(directory, &[&BOUNDS[..], &["--state", "state"], more].concat()))
}

#[test]
fn a_wrong_command_line_ends_with_2_and_names_the_option() {
    let dir = TempDir::new().unwrap();
    let cases: [(&[&str], &str); 11] = [
        (&["--backend", "n", "--backend", "n", "--min", "1", "--max", "2"], "--backend 'n' twice"),
        (
            &["--backend", "n", "--socket", "none.sock", "--min", "1", "--max", "2"],
            "--socket 'none.sock' twice",
        ),
        (&["--min", "1", "--max", "2"], "--backend"),
        (&["--backend", "nodes", "--min", "1"], "--max"),
        (&["--backend", "a b", "--min", "1", "--max", "2"], "a backend's name has letters"),
        (&["--backend", "a;shutdown", "--min", "1", "--max", "2"], "a backend's name has letters"),
        (&["--backend", "n", "--min", "0", "--max", "2"], "without a server there are no sessions"),
        (&["--backend", "n", "--min", "3", "--max", "2"], "the minimum is greater"),
        (&["--backend", "n", "--min", "1", "--max", "2", "--target", "nan"], "give a number from 0.001"),
        (
            &["--backend", "n", "--min", "1", "--max", "2", "--signal", "rate", "--state", "s"],
            "without --target",
        ),
        (
            &["--backend", "n", "--min", "1", "--max", "2", "--signal", "rate", "--target", "5"],
            "without --state",
        ),
    ];
    for (arguments, says) in cases {
        let (code, stdout, stderr) = seen(&autoscale(dir.path(), arguments));
        assert_eq!((code, stdout.as_str()), (2, ""), "{arguments:?}");
        assert!(stderr.contains(says), "{arguments:?}: {stderr}");
    }
}

#[test]
fn if_nothing_is_known_nothing_is_printed() {
    let dir = TempDir::new().unwrap();
    let (code, stdout, stderr) = seen(&autoscale(dir.path(), &BOUNDS));
    assert_eq!((code, stdout.as_str()), (5, ""));
    assert_eq!(
        stderr,
        "autoscale: cannot ask HAProxy at 'none.sock': there is no such socket; see --socket\n\
         autoscale: unknown: no balancer answers; nothing is known yet\n"
    );
    let (code, stdout, _) = seen(&autoscale(dir.path(), &[&BOUNDS[..], &["--json"]].concat()));
    assert!(stdout.starts_with("{\"wanted\":null,\"count\":null,\"draining\":0,"), "{stdout}");
    assert_eq!(code, 5);
    let (_, stdout, _) = seen(&autoscale(dir.path(), &[&BOUNDS[..], &["--metrics"]].concat()));
    assert!(
        !stdout.contains("wanted") && stdout.ends_with("_complete{backend=\"nodes\"} 0\n# EOF\n"),
        "{stdout}"
    );
}

#[test]
fn in_silence_the_callers_count_or_the_last_number_stays() {
    let dir = TempDir::new().unwrap();
    assert_eq!(with_state(dir.path(), &["--count", "7"]).1, "7\n");
    let (code, stdout, stderr) = with_state(dir.path(), &[]);
    assert_eq!((code, stdout.as_str()), (5, "7\n"));
    assert!(stderr.ends_with("autoscale: 7: no balancer answers; stays at 7\n"), "{stderr}");
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &fs::metadata(dir.path().join("state")).unwrap().permissions(),
    );
    assert_eq!(mode & 0o777, 0o640);
}

#[test]
fn a_state_that_cannot_be_read_as_one_is_begun_again() {
    let dir = TempDir::new().unwrap();
    let state = dir.path().join("state");
    with_state(dir.path(), &["--count", "7"]);
    let good = fs::read(&state).unwrap();
    let huge = vec![0; 6_000_000];
    let half = &good[..good.len() / 2];
    for bad in
        [&b""[..], b"{", b"null", b"[[[[[[", half, b"\xff\xfe", b"{\"backends\":[]}", b"\0\0\0\0", &huge]
    {
        common::replace::replace(&state, bad, 0o640).unwrap();
        let (code, stdout, stderr) = with_state(dir.path(), &["--count", "9"]);
        assert_eq!((code, stdout.as_str()), (5, "9\n"));
        assert!(stderr.contains("cannot be read and is begun again"), "{stderr}");
        assert_eq!(with_state(dir.path(), &[]).1, "9\n");
    }
}

#[test]
fn a_state_of_another_start_of_the_machine_keeps_its_number() {
    let dir = TempDir::new().unwrap();
    let state = dir.path().join("state");
    with_state(dir.path(), &["--count", "7"]);
    let mut content: serde_json::Value = serde_json::from_slice(&fs::read(&state).unwrap()).unwrap();
    content["boot"] = "another".into();
    content["memory"]["since"] = 0.into();
    content["memory"]["last"] = u64::MAX.into();
    common::replace::replace(&state, content.to_string().as_bytes(), 0o640).unwrap();
    assert_eq!(with_state(dir.path(), &[]).1, "7\n");
    let after: serde_json::Value = serde_json::from_slice(&fs::read(&state).unwrap()).unwrap();
    assert_eq!(after["memory"]["since"], after["memory"]["last"]);
}

#[test]
fn a_state_of_another_backend_or_signal_is_refused() {
    let dir = TempDir::new().unwrap();
    with_state(dir.path(), &["--count", "7"]);
    let before = fs::read(dir.path().join("state")).unwrap();
    for more in [&["--backend", "other"][..], &["--signal", "rate"]] {
        let (code, stdout, stderr) = with_state(dir.path(), more);
        assert_eq!((code, stdout.as_str()), (2, ""));
        assert!(stderr.contains("it is about the sessions of backend nodes; give another file"), "{stderr}");
    }
    assert_eq!(fs::read(dir.path().join("state")).unwrap(), before);
}

#[test]
fn without_a_readable_state_the_number_can_rise_but_not_fall() {
    let dir = TempDir::new().unwrap();
    fs::create_dir(dir.path().join("directory")).unwrap();
    let cases = [
        (
            "directory",
            "cannot read the state 'directory': it is a directory, not a regular file; remove it, or give another file",
        ),
        ("none/state", "cannot lock the state 'none/state'"),
    ];
    for (state, says) in cases {
        let look = |min, max, more: &[&str]| {
            let bounds =
                ["--backend", "nodes", "--target", "20", "--min", min, "--max", max, "--state", state];
            seen(&autoscale(dir.path(), &[&bounds[..], more].concat()))
        };
        for (min, max, number) in [("2", "20", "7\n"), ("9", "20", "9\n"), ("2", "5", "5\n")] {
            let (code, stdout, stderr) = look(min, max, &["--count", "7", "--down-window", "0s"]);
            assert_eq!((code, stdout.as_str()), (4, number), "{stderr}");
            assert!(stderr.contains(says), "{stderr}");
        }
        assert_eq!(look("2", "20", &[]).1, "", "nothing is known");
    }
    assert_eq!(fs::read_dir(dir.path().join("directory")).unwrap().count(), 0);
}

#[test]
fn a_change_of_the_number_is_logged_with_its_reason() {
    let dir = TempDir::new().unwrap();
    with_state(dir.path(), &["--count", "7"]);
    with_state(dir.path(), &["--count", "30", "--log", "log"]);
    with_state(dir.path(), &["--log", "log"]);
    let log = fs::read_to_string(dir.path().join("log")).unwrap();
    let changes: Vec<&str> = log.lines().filter(|line| line.contains("no balancer answers; ")).collect();
    assert_eq!(changes.len(), 2, "{log}");
    assert!(changes[0].ends_with(": 20: no balancer answers; down from 30, because --max is 20"), "{log}");
}

#[test]
fn help_and_version_are_there() {
    let dir = TempDir::new().unwrap();
    assert_eq!(autoscale(dir.path(), &["--help"]).status.code(), Some(0));
    assert_eq!(autoscale(dir.path(), &["--version"]).status.code(), Some(0));
}
