//! Tests of `Messages`.

use std::fs;

use super::*;

#[test]
fn the_worst_fault_decides_the_code() {
    let code = |codes: &[Code]| {
        let mut messages = Messages::open("test", &MessageArgs::default());
        codes.iter().for_each(|code| messages.fault(Failure::new(*code, "a fault")));
        messages.exit_code(Ok(()))
    };
    assert_eq!(code(&[Code::Input, Code::Files, Code::Guard]), ExitCode::from(4));
    assert_eq!(code(&[Code::Guard, Code::Input]), ExitCode::from(3));
    let messages = Messages::open("test", &MessageArgs::default());
    assert_eq!(messages.exit_code(Err(Failure::new(Code::Guard, "three"))), ExitCode::from(6));
}

#[test]
fn a_log_that_cannot_be_written_is_a_fault() {
    let args = MessageArgs { log: Some("/dev/full".into()), ..MessageArgs::default() };
    let mut messages = Messages::open("test", &args);
    messages.info("something");
    assert_eq!(messages.exit_code(Ok(())), ExitCode::from(4));
}

#[test]
fn a_round_collects_its_own_faults_only() {
    let mut messages = Messages::open("test", &MessageArgs::default());
    for line in ["one", "another"] {
        messages.begin_round(&MessageArgs::default());
        messages.fault(Failure::new(Code::Files, line));
        let lines: Vec<String> = messages.take_faults().into_iter().map(|fault| fault.line).collect();
        assert_eq!(lines, [line]);
    }
    assert_eq!(messages.exit_code(Ok(())), ExitCode::SUCCESS);
}

#[test]
fn a_log_that_cannot_be_opened_does_not_stop_the_work() {
    let args = MessageArgs { log: Some("/nonexistent/log".into()), ..MessageArgs::default() };
    assert_eq!(Messages::open("test", &args).exit_code(Ok(())), ExitCode::from(4));
}

/// Runs once with these faults, as a program with --log-state; returns what it logged, without time and program.
fn run(dir: &Path, work: impl FnOnce(&mut Messages) -> Result<(), Failure>) -> Vec<String> {
    let args = MessageArgs { log: Some(dir.join("log")), log_state: Some(dir.join("state")), verbose: false };
    let length = || fs::read_to_string(dir.join("log")).unwrap_or_default().len();
    let before = length();
    let mut messages = Messages::open("test", &args);
    let result = work(&mut messages);
    let _ = messages.exit_code(result);
    let log = fs::read_to_string(dir.join("log")).unwrap();
    log[before..].lines().map(|line| line.split_once("]: ").unwrap().1.to_owned()).collect()
}

fn failure(line: &str) -> Failure {
    Failure::new(Code::Input, line)
}

/// A run that meets these faults and then ends well.
fn meet(dir: &Path, lines: &[&str]) -> Vec<String> {
    run(dir, |messages| {
        lines.iter().for_each(|line| messages.fault(failure(line)));
        Ok(())
    })
}

#[test]
fn a_fault_is_logged_when_it_begins_and_when_it_ends() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(meet(dir.path(), &["b", "a"]), ["b", "a"]);
    assert!(meet(dir.path(), &["b", "a"]).is_empty());
    assert_eq!(meet(dir.path(), &["c", "a"]), ["c", "ended: b"]);
    assert_eq!(meet(dir.path(), &[]), ["ended: a", "ended: c"]);
    assert!(meet(dir.path(), &["d"]) == ["d"]);
}

#[test]
fn faults_that_alternate_add_nothing_to_the_log_for_an_hour() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(meet(dir.path(), &["a"]), ["a"]);
    assert_eq!(meet(dir.path(), &["b"]), ["b", "ended: a"]);
    assert_eq!(meet(dir.path(), &["a"]), ["ended: b"]);
    for lines in [&["b"][..], &["a"], &[], &["a", "b"], &[], &["b"]] {
        assert!(meet(dir.path(), lines).is_empty(), "{lines:?}");
    }
    // An hour later.
    let state = dir.path().join("state");
    let older = |line: &str| {
        let (time, rest) = line.split_once(' ').unwrap();
        format!("{} {rest}\n", time.parse::<u64>().unwrap() - 3600)
    };
    let text: String = fs::read_to_string(&state).unwrap().lines().map(older).collect();
    crate::replace::replace(&state, text.as_bytes(), 0o640).unwrap();
    assert_eq!(meet(dir.path(), &["a"]), ["a"]);
    assert!(!fs::read_to_string(&state).unwrap().contains(" b\n"), "a fault that ended long ago is kept");
}

#[test]
fn a_run_that_failed_or_sees_only_a_part_ends_no_fault() {
    let dir = tempfile::tempdir().unwrap();
    meet(dir.path(), &["a"]);
    assert_eq!(run(dir.path(), |_| Err(failure("fatal"))), ["fatal"]);
    let part = run(dir.path(), |messages| {
        messages.sees_only_a_part();
        Ok(())
    });
    assert!(part.is_empty(), "{part:?}");
    assert_eq!(meet(dir.path(), &["a"]), ["ended: fatal"]);
}

#[test]
fn a_remark_that_lasts_is_logged_once_and_is_no_fault() {
    let dir = tempfile::tempdir().unwrap();
    let remark = |messages: &mut Messages| {
        messages.standing("kept s1");
        assert_eq!(messages.code, None);
        Ok(())
    };
    assert_eq!(run(dir.path(), remark), ["kept s1"]);
    assert!(run(dir.path(), remark).is_empty());
    assert_eq!(run(dir.path(), |_| Ok(())), ["ended: kept s1"]);
}

#[test]
fn more_faults_than_are_printed_end_no_fault() {
    let dir = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..FAULTS_MAX + 5).map(|number| format!("fault {number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let logged = meet(dir.path(), &names);
    assert_eq!((logged.len(), logged[FAULTS_MAX].as_str()), (FAULTS_MAX + 1, "and 5 more errors"));
    assert_eq!(meet(dir.path(), &names[3..]).len(), 4, "three that were not printed, and their count");
}

#[test]
fn a_state_file_that_cannot_be_written_hides_nothing_and_changes_no_exit_code() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("state")).unwrap();
    for _ in 0..2 {
        let logged = meet(dir.path(), &["a"]);
        assert!(logged[0] == "a" && logged[1].starts_with("cannot write '"), "{logged:?}");
    }
    let (log, log_state) = (dir.path().join("log"), dir.path().join("state"));
    let mut messages =
        Messages::open("test", &MessageArgs { log: Some(log), log_state: Some(log_state), verbose: false });
    messages.fault(failure("a"));
    assert_eq!(messages.exit_code(Ok(())), ExitCode::from(3));
}

#[test]
fn what_a_run_did_is_not_logged_if_it_fails_as_the_last_one_did() {
    let dir = tempfile::tempdir().unwrap();
    let attempt = |line: &'static str| {
        move |messages: &mut Messages| {
            messages.info("tried");
            if line.is_empty() { Ok(()) } else { Err(failure(line)) }
        }
    };
    assert_eq!(run(dir.path(), attempt("a")), ["tried", "a"]);
    assert!(run(dir.path(), attempt("a")).is_empty());
    assert_eq!(run(dir.path(), attempt("b")), ["tried", "b"]);
    assert_eq!(run(dir.path(), attempt("")), ["tried", "ended: a", "ended: b"]);
    assert_eq!(run(dir.path(), attempt("")), ["tried"]);
}

#[test]
fn a_program_that_runs_in_rounds_ends_the_faults_of_its_start_with_the_first_round() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(meet(dir.path(), &["a"]), ["a"]);
    assert!(meet(dir.path(), &["a"]).is_empty());
    let rounds = |messages: &mut Messages| {
        messages.warn("warned at the start");
        let args = MessageArgs { log: Some(dir.path().join("log")), ..MessageArgs::default() };
        (0..2).for_each(|_| messages.begin_round(&args));
        Ok(())
    };
    assert_eq!(run(dir.path(), rounds), ["warned at the start", "ended: a"]);
}
