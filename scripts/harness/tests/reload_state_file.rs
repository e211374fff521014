//! The file that carries the servers' health over a reload: where it is, what it contains afterwards, and what
//! happens if it is lost, corrupt or another program's.
//!
//! `$HAPROXY` names another HAProxy than the installed one, as in tests/reload_methods.rs.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::fs;

use common::replace::replace;
use harness::cluster::single_haproxy::health_fixture::{HealthFixture, with_a_dead_server};
use harness::daemons::haproxy::Mode;

#[test]
fn a_file_in_a_base_directory_is_found() {
    let mut fixture = HealthFixture::without_state_file();
    fixture.global =
        format!("server-state-base {}\n  server-state-file servers.state", fixture.run.path().display());
    let (fixture, _apps) = with_a_dead_server(fixture, Mode::MasterSocket);
    fixture.reload_well();
    assert_eq!(fixture.server("dead").status, "DOWN");
}

#[test]
fn the_next_run_empties_the_state_file_of_a_killed_run_and_creates_a_missing_one() {
    let (fixture, _apps) = with_a_dead_server(HealthFixture::with_state_file(), Mode::MasterSocket);
    fixture.reload_well();
    let head = fs::read_to_string(fixture.state_file()).unwrap();
    let row = format!(
        "0 nodes 0 s1 {} 0 0 1 1 0 8 2 0 6 0 0 0 - {} -\n",
        fixture.subnet.host(11),
        fixture.address(11).port()
    );
    replace(&fixture.state_file(), format!("{head}{row}").as_bytes(), 0o644).unwrap();
    assert!(fixture.reload(&[]).stderr.contains("nothing to do"));
    fixture.assert_names_no_server();
    fs::remove_file(fixture.state_file()).unwrap();
    assert!(fixture.reload(&[]).stderr.contains("nothing to do"));
    fixture.assert_names_no_server();
}

#[test]
fn a_state_file_of_another_program_stays_until_a_reload() {
    let (fixture, _apps) = with_a_dead_server(HealthFixture::with_state_file(), Mode::MasterSocket);
    let theirs = fixture.haproxy().command("show servers state").unwrap();
    fixture.reload_well();
    replace(&fixture.state_file(), theirs.as_bytes(), 0o644).unwrap();
    assert!(fixture.reload(&[]).stderr.contains("nothing to do"));
    assert_eq!(fs::read_to_string(fixture.state_file()).unwrap(), theirs);
}

#[test]
fn a_corrupt_file_does_no_harm() {
    for text in ["", "garbage", "1\n0 nodes 0 dead", "1\nx\n", "2\n"] {
        let (fixture, _apps) = with_a_dead_server(HealthFixture::with_state_file(), Mode::MasterSocket);
        replace(&fixture.state_file(), text.as_bytes(), 0o644).unwrap();
        fixture.reload_well();
        assert_eq!(fixture.server("dead").status, "DOWN", "{text}");
    }
}

#[test]
fn a_state_file_that_cannot_be_written_loses_health_but_not_the_reload() {
    let mut fixture = HealthFixture::with_state_file();
    fixture.global = format!("server-state-file {}", fixture.run.join("missing/servers.state").display());
    let (fixture, _apps) = with_a_dead_server(fixture, Mode::MasterSocket);
    let worker = fixture.haproxy().worker_pid().unwrap();
    let outcome = fixture.reload(&[]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert_eq!(outcome.stderr.matches("cannot write '").count(), 1, "{}", outcome.stderr);
    assert!(outcome.stderr.contains("the new worker starts with every server up"), "{}", outcome.stderr);
    assert_ne!(fixture.haproxy().worker_pid().unwrap(), worker);
}

#[test]
fn a_dead_server_does_not_fail_a_reload_where_warnings_are_errors() {
    let mut fixture = HealthFixture::with_state_file();
    fixture.global.push_str("\n  zero-warning");
    // Without the file, HAProxy would print a warning.
    replace(&fixture.state_file(), b"1\n", 0o644).unwrap();
    let (fixture, _apps) = with_a_dead_server(fixture, Mode::MasterSocket);
    let outcome = fixture.reload(&[]);
    assert!(
        outcome.code == 0 && outcome.stderr.contains("zero-warning makes that an error"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn a_failed_reload_leaves_no_server_in_the_state_file() {
    let (mut fixture, _apps) = with_a_dead_server(HealthFixture::with_state_file(), Mode::MasterSocket);
    // A process on Linux cannot open that many files. The preflight check does not notice, because it skips lines
    // within .if.
    fixture.global.push_str("\n.if 1\n  maxconn 1000000\n.endif");
    let servers = [("s1", fixture.address(11)), ("dead", fixture.address(13))];
    fixture.write(&servers);
    let outcome = fixture.reload(&[]);
    assert!(outcome.code == 5 && outcome.stderr.contains("rejected it"), "{}", outcome.stderr);
    fixture.assert_names_no_server();
    assert_eq!(fixture.server("dead").status, "DOWN");
}
