//! The member-join program: whole memberships from Serf.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use support::*;

#[test]
fn a_whole_membership_removes_the_record_of_a_role_that_changed() {
    let fixture = Fixture::new();
    fixture.join(&["web-2", "10.0.0.1", "--role", "web"]).assert().code(0);
    fixture
        .join(&["--from", "serf-members", "--role", "web"])
        .write_stdin(captured("members.json"))
        .assert()
        .code(0);
    assert!(fixture.records().is_empty());
}

#[test]
fn a_whole_membership_records_the_members_that_are_alive() {
    let fixture = Fixture::new();
    fixture.join(&["--from", "serf-members"]).write_stdin(captured("members.json")).assert().code(0);
    assert_eq!(fixture.records(), ["web-2.json"]);
}

#[test]
fn an_invalid_list_changes_nothing_and_is_shown() {
    let fixture = Fixture::new();
    let complaint = "Error connecting to Serf agent: dial tcp 127.0.0.1:7373: connect: connection refused\n";
    let assert = fixture.join(&["--from", "serf-members"]).write_stdin(complaint).assert().code(3);
    let stderr = String::from_utf8(assert.get_output().stderr.clone()).unwrap();
    assert!(stderr.contains("it begins with 'Error connecting to Serf agent"), "{stderr}");
    assert_eq!(stderr.lines().count(), 1);
}

#[test]
fn a_serf_list_without_a_wanted_role_is_reported_and_logged_once() {
    let fixture = Fixture::new();
    let said = "member-join: passed over 3 members of roles '', 'backend', 'balancer': none has a wanted role (web); \
                see --role, or ROLLCALL_ROLES\n";
    let other = ["--from", "serf-members", "--role", "web"];
    fixture.join(&other).write_stdin(captured("members.json")).assert().code(0).stderr(said);
    let alone =
        r#"{"members":[{"name":"b","addr":"10.0.0.1:7946","tags":{"role":"balancer"},"status":"alive"}]}"#;
    let (log, state) = (fixture.scratch.path().join("log"), fixture.scratch.path().join("state"));
    let said = "passed over 1 member of role 'balancer': none has a wanted role (backend); see --role, or \
                ROLLCALL_ROLES\n";
    for _ in 0..3 {
        let mut join = fixture.join(&["--from", "serf-members", "--log"]);
        join.arg(&log).arg("--log-state").arg(&state).write_stdin(alone);
        join.assert().code(0).stderr(format!("member-join: {said}"));
    }
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.ends_with(said) && log.lines().count() == 1, "{log}");
}
