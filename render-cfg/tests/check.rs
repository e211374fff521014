//! `--check`: a text that fails it is not installed, and its output reaches the operator with the right file name.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use std::fs;
use std::time::{Duration, Instant};

use support::{Bed, SERVERS, haproxy, until};

#[test]
fn the_check_sees_the_staged_file_beside_its_target_with_its_final_mode() {
    let bed = Bed::new("text\n");
    let check = "sh -c 'cat \"$0\"; stat -c %a \"$0\"; dirname \"$0\"; cat out' {}";
    bed.write("out", "old\n");
    let ran = bed.render(&["-v", "--check", check]).ends(0);
    assert_eq!(
        ran.err,
        "render-cfg: text\nrender-cfg: 644\nrender-cfg: .\nrender-cfg: old\nrender-cfg: wrote 'out'\n"
    );
    assert_eq!(bed.read("out"), "text\n");
}

#[test]
fn output_on_stderr_is_not_a_failure_and_success_is_quiet() {
    let bed = Bed::new("text\n");
    bed.render(&["--check", "sh -c 'echo WARNING >&2' {}"]).quietly();
    assert_eq!(bed.read("out"), "text\n");
}

#[test]
fn a_failed_check_keeps_the_old_file() {
    let bed = Bed::new("text\n");
    let ran = bed.render(&["--check", "sh -c 'exit 3' {}"]).ends(5);
    assert_eq!(ran.err, "render-cfg: cannot use 'out': 'sh -c 'exit 3' {}' ended with exit code 3\n");
    assert!(!bed.path("out").exists() && bed.leftovers().is_empty());
    assert!(bed.run(&["--check", "false {}"]).ends(5).out.is_empty(), "nothing unchecked on stdout");
}

#[test]
fn a_check_that_hangs_is_killed_and_the_old_file_is_kept() {
    let bed = Bed::new("text\n");
    let begin = Instant::now();
    let ran = bed
        .render(&["--check", "sh -c 'echo waiting; exec sleep 60' {}", "--check-timeout", "100ms"])
        .ends(5);
    assert!(begin.elapsed() < Duration::from_secs(30));
    assert!(
        ran.err
            .contains("took too long: it was killed after 100ms; see --check-timeout\nrender-cfg: waiting\n")
    );
    assert!(!bed.path("out").exists() && bed.leftovers().is_empty());
}

#[test]
fn a_time_limit_ends_the_run_and_the_next_run_does_the_work() {
    let bed = Bed::new("text\n");
    let ran = bed.render(&["--check", "sh -c 'exec sleep 5' {}", "--time-limit", "1s"]);
    assert_eq!((ran.code, bed.path("out").exists()), (Some(1), false));
    bed.render(&["--check", "true {}", "--time-limit", "1h"]).ends(0);
    assert!(bed.path("out").exists() && bed.leftovers().is_empty());
    assert!(bed.run(&["--watch", "--time-limit", "1s"]).ends(2).err.contains("cannot be used with"));
}

#[test]
fn a_check_that_hangs_is_killed_with_its_children() {
    let bed = Bed::new("text\n");
    let check = "sh -c 'sleep 301 & echo $! >pids; sleep 302 & echo $! >>pids; wait; : {}'";
    bed.render(&["--check", check, "--check-timeout", "500ms"]).ends(5);
    let pids = bed.read("pids");
    assert_eq!(pids.lines().count(), 2);
    for pid in pids.lines() {
        let stat = || fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        until("the child's end", || (stat().is_empty() || stat().contains(") Z ")).then_some(()));
    }
}

#[test]
fn a_check_that_changes_the_file_has_failed() {
    for action in [
        "echo bad >{}",
        "printf TEXT >{}",
        "echo more >>{}",
        "rm {}",
        "cp {} copy; mv copy {}",
        "rm {}; mkdir {}; rmdir {}",
        "mv {} gone; ln -s gone {}",
    ] {
        let check = format!("sh -c 'f=$0; {}' {{}}", action.replace("{}", "\"$f\""));
        let bed = Bed::new("text");
        bed.write("out", "old");
        for how in [&["--output", "out"][..], &["--output", "out", "--dry-run"], &[]] {
            let ran = bed.run(&[how, &["--check", &check]].concat()).ends(5);
            assert!(
                ran.err.ends_with("changed the file that it should only check\n"),
                "{action}: {}",
                ran.err
            );
            assert_eq!((ran.out.as_str(), bed.read("out").as_str()), ("", "old"), "{action}");
        }
    }
}

#[test]
fn a_check_that_replaces_the_file_by_a_directory_does_not_change_the_output() {
    let bed = Bed::new("text\n");
    bed.render(&["--check", "sh -c 'rm \"$0\"; mkdir \"$0\"' {}"]).ends(5);
    assert!(!bed.path("out").exists());
}

#[test]
fn a_check_with_much_output_passes_and_the_output_is_truncated() {
    let bed = Bed::new("text\n");
    let much = "sh -c 'echo first; seq 1000; head -c 200000 /dev/zero | tr \"\\0\" x; : {}'";
    let ran = bed.render(&["-v", "--check", much]).ends(0);
    assert!(ran.err.starts_with("render-cfg: first\nrender-cfg: 1\nrender-cfg: 2\n"), "{}", ran.err);
    assert!(ran.err.ends_with("render-cfg: and 902 more lines\nrender-cfg: wrote 'out'\n"), "{}", ran.err);
    let line = "sh -c 'head -c 200000 /dev/zero | tr \"\\0\" x; exit 1; : {}'";
    let ran = bed.run(&["--check", line]).ends(5);
    assert!(ran.err.len() < 1000 && ran.err.ends_with("xxx…\n"), "{}", ran.err);
}

#[test]
fn a_check_that_does_not_exist_fails() {
    let ran = Bed::new("text\n").render(&["--check", "/nonexistent/haproxy -c -f {}"]).ends(5);
    assert!(ran.err.contains("cannot be run: No such file or directory"), "{}", ran.err);
}

#[test]
fn output_of_haproxy_contains_the_name_of_the_output_and_the_line() {
    if !haproxy::is_there() {
        return;
    }
    let bed = Bed::new("global\n    frobnicate {{ vars.x }}\n");
    let check = format!("{} -c -f {{}}", haproxy::program());
    let arguments = ["--set", "x=a b", "--check", &check];
    for (output, name) in [("out", "out"), ("-", "stdout")] {
        let ran = bed.run(&[&["--output", output], &arguments[..]].concat()).ends(5);
        assert!(
            ran.err.contains(&format!("cannot use '{name}': '{check}' ended with exit code 1\n")),
            "{}",
            ran.err
        );
        assert!(ran.err.contains(&format!("[{name}:2] : unknown keyword 'frobnicate'")), "{}", ran.err);
        let line = format!("render-cfg: line 2 of '{name}', from 't.tera': frobnicate a\\x20b\n");
        assert!(ran.err.contains(&line), "{}", ran.err);
        assert!(!ran.err.contains(".tmp") && !ran.err.contains("/render-cfg."), "{}", ran.err);
    }
    assert!(!bed.path("out").exists() && bed.leftovers().is_empty());
}

#[test]
fn a_checked_stdout_leaves_no_temporary_file() {
    let bed = Bed::new(SERVERS);
    fs::create_dir(bed.path("tmp")).unwrap();
    let mut command = bed.command(&["--check", "sh -c 'stat -c %a \"$(dirname \"$0\")\" >seen' {}"]);
    support::Ran::from(command.env("TMPDIR", bed.path("tmp")).output().unwrap()).quietly();
    assert_eq!(bed.read("seen"), "700\n");
    assert!(support::names(&bed.path("tmp")).is_empty());
}
