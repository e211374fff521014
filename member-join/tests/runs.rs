//! The member-join program: locks, limits, kills, and errors of the file system.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use std::fs;
use std::process::{Command as Process, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use assert_cmd::Command;
use support::*;

#[test]
fn thousands_of_members_need_no_more_open_files_than_one() {
    let fixture = Fixture::new();
    let payload: String =
        (0..3000).map(|n| format!("n{n}\t10.1.{}.{}\tbackend\trole=backend\n", n / 250, n % 250)).collect();
    let mut command = Command::new("sh");
    let program = env!("CARGO_BIN_EXE_member-join");
    command
        .args(["-c", "ulimit -n 64; exec \"$0\"", program])
        .env_remove("SERF_EVENT")
        .env("NODES_DIR", fixture.nodes());
    command.write_stdin(payload).assert().code(0).stderr("");
    assert_eq!(fixture.records().len(), 3000);
}

#[test]
fn the_log_has_each_message_with_its_time() {
    let fixture = Fixture::new();
    let log = fixture.scratch.path().join("log");
    fixture.join(&["--log", log.to_str().unwrap()]).write_stdin(S1).assert().code(0).stderr("");
    let line = fs::read_to_string(log).unwrap();
    assert!(line.contains("Z member-join[") && line.ends_with("]: recorded s1 (172.18.0.3)\n"), "{line}");
}

#[test]
fn a_held_lock_is_waited_for_until_the_timeout() {
    let fixture = Fixture::new();
    fs::create_dir(fixture.nodes()).unwrap();
    let directory = fs::File::open(fixture.nodes()).unwrap();
    let held = common::lock::exclusive(directory, Duration::ZERO).unwrap();
    let start = Instant::now();
    let refused = format!(
        "member-join: cannot lock '{}': another run has held it for 100ms; see --lock-timeout\n",
        fixture.nodes().display()
    );
    fixture.join(&["--lock-timeout", "100ms"]).write_stdin(S1).assert().code(7).stderr(refused);
    assert!(start.elapsed() >= Duration::from_millis(100));
    drop(held);
    fixture.join(&["--lock-timeout", "100ms"]).write_stdin(S1).assert().code(0);
}

#[test]
fn the_time_limit_ends_a_run_that_waits_for_a_lock() {
    let fixture = Fixture::new();
    fs::create_dir(fixture.nodes()).unwrap();
    let _held = common::lock::exclusive(fs::File::open(fixture.nodes()).unwrap(), Duration::ZERO).unwrap();
    let start = Instant::now();
    let log = fixture.scratch.path().join("log");
    let late = "member-join: cannot finish within 1s; see --time-limit\n";
    let arguments = ["--time-limit", "1s", "--log", log.to_str().unwrap()];
    fixture.join(&arguments).write_stdin(S1).assert().code(1).stderr(late);
    assert!(fs::read_to_string(log).unwrap().contains("cannot finish"));
    assert!((Duration::from_millis(900)..Duration::from_secs(20)).contains(&start.elapsed()));
    let wrong = fixture.join(&["--time-limit", "500ms"]).write_stdin(S1).assert().code(2);
    assert!(String::from_utf8_lossy(&wrong.get_output().stderr).contains("in whole seconds"));
}

#[test]
fn a_file_in_place_of_the_directory_is_a_file_system_error() {
    let fixture = Fixture::new();
    std::os::unix::fs::symlink("/dev/null", fixture.nodes()).unwrap();
    fixture.join(&[]).write_stdin(S1).assert().code(4).stdout("");
}

#[test]
fn a_record_that_cannot_be_written_does_not_stop_the_others() {
    let fixture = Fixture::new();
    fs::create_dir_all(fixture.nodes().join("s2.json/in-the-way")).unwrap();
    let payload = format!("{}{}{}", S1, S1.replace("s1", "s2"), S1.replace("s1", "s3"));
    let assert = fixture.join(&[]).write_stdin(payload).assert().code(4);
    let stderr = String::from_utf8(assert.get_output().stderr.clone()).unwrap();
    assert!(stderr.starts_with("member-join: cannot write '") && stderr.contains("/s2.json'"), "{stderr}");
    assert_eq!(fixture.records(), ["s1.json", "s2.json", "s3.json"]);
}

#[test]
fn twenty_runs_at_once_lose_no_record() {
    let fixture = Fixture::new();
    for round in 0..5 {
        let runs: Vec<_> = (0..20)
            .map(|run| {
                let mut command = fixture.join(&[]);
                let payload = format!("r{round}-{run}\t10.0.{round}.{run}\tbackend\trole=backend\n");
                thread::spawn(move || command.write_stdin(payload).assert().code(0).stderr(""))
            })
            .collect();
        runs.into_iter().for_each(|run| drop(run.join().unwrap()));
    }
    assert_eq!(fixture.records().len(), 100);
}

#[test]
fn a_killed_run_leaves_whole_records_and_the_next_one_finishes() {
    let fixture = Fixture::new();
    let payload: String =
        (0..200).map(|n| format!("n{n:03}\t10.1.{}.{}\tbackend\trole=backend\n", n / 100, n % 100)).collect();
    let input = fixture.scratch.path().join("payload");
    common::replace::replace(&input, payload.as_bytes(), 0o600).unwrap();
    for moment in 0..60 {
        let mut child = Process::new(env!("CARGO_BIN_EXE_member-join"))
            .env("NODES_DIR", fixture.nodes())
            .stdin(fs::File::open(&input).unwrap())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        thread::sleep(Duration::from_micros(moment * 250));
        child.kill().unwrap();
        child.wait().unwrap();
        if fixture.nodes().exists() {
            let (_, faults) = common::records::read_all(&fixture.nodes()).unwrap();
            assert!(faults.is_empty(), "{faults:?}");
        }
    }
    fixture.join(&[]).write_stdin(payload).assert().code(0).stderr("");
    let (nodes, faults) = common::records::read_all(&fixture.nodes()).unwrap();
    assert_eq!((nodes.len(), faults.len()), (200, 0));
}
