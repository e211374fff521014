//! The member-join program: whole memberships, from Serf and from Consul.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use std::fs;

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
fn a_consul_service_is_a_whole_membership() {
    let fixture = Fixture::new();
    let path = format!("{}/../common/tests/fixtures/consul/service.json", env!("CARGO_MANIFEST_DIR"));
    let from = ["--from", "consul-service", "--role", "redis"];
    fixture.join(&from).write_stdin(fs::read(path).unwrap()).assert().code(0);
    assert_eq!(fixture.records(), ["foobar-redis.json"]);
}
