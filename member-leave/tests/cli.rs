//! The member-leave program: members from events and by hand; exit code, stdout, stderr and records.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use std::fs;
use std::time::Duration;

use support::*;

#[test]
fn a_member_that_left_loses_its_record_and_success_is_quiet() {
    let fixture = Fixture::with(&BACKENDS);
    let payload = "s1\t10.0.0.1\tbackend\trole=backend\ns3\t10.0.0.1\tbackend\trole=backend\n";
    fixture.leave(&[]).write_stdin(payload).assert().code(0).stdout("").stderr("");
    assert_eq!(fixture.records(), ["s2.json"]);
}

#[test]
fn the_captured_leave_failed_and_reap_are_removals() {
    for payload in ["03-member-leave.in", "04-member-failed.in", "05-member-reap.in"] {
        let fixture = Fixture::with(&[("web-1", "web")]);
        fixture
            .leave(&["--role", "web", "-v"])
            .write_stdin(captured(payload))
            .assert()
            .code(0)
            .stderr("member-leave: removed web-1\n");
        assert!(fixture.records().is_empty(), "{payload}");
    }
}

#[test]
fn leave_of_an_unknown_node_succeeds() {
    let fixture = Fixture::with(&BACKENDS);
    fixture.leave(&["-v"]).write_stdin("s9\t10.0.0.9\t\t\n").assert().code(0).stderr("");
    assert_eq!(fixture.records().len(), 3);
}

#[test]
fn empty_input_removes_nothing() {
    let fixture = Fixture::with(&BACKENDS);
    fixture.leave(&[]).env("SERF_EVENT", "member-leave").write_stdin("").assert().code(0).stderr("");
    assert_eq!(fixture.records().len(), 3);
}

#[test]
fn a_hostile_name_removes_nothing_outside_and_the_others_are_removed() {
    let fixture = Fixture::with(&BACKENDS);
    let outside = fixture.scratch.path().join("x.json");
    common::replace::replace(&outside, b"{}", 0o600).unwrap();
    let payload = "../x\t10.0.0.1\t\t\n-rf\t10.0.0.1\t\t\nno tabs\ns1\t<nil>\t\t,,\n";
    fixture.leave(&[]).write_stdin(payload).assert().code(3);
    assert_eq!(fixture.records(), ["s2.json", "s3.json"]);
    assert!(outside.exists());
}

#[test]
fn a_record_of_another_role_stays() {
    let fixture = Fixture::with(&[("b", "balancer"), ("s1", "backend")]);
    let payload = "b\t10.0.0.1\tbalancer\trole=balancer\ns1\t10.0.0.1\tother\trole=other\n";
    fixture.leave(&[]).write_stdin(payload).assert().code(0);
    assert_eq!(fixture.records(), ["b.json"]);
}

#[test]
fn an_unreadable_record_is_removed_with_its_node() {
    let fixture = Fixture::with(&BACKENDS);
    common::replace::replace(&fixture.nodes().join("s1.json"), b"{\"name\":", 0o600).unwrap();
    fixture.leave(&[]).write_stdin("s1\t10.0.0.1\tbackend\t\n").assert().code(0);
    assert_eq!(fixture.records(), ["s2.json", "s3.json"]);
}

#[test]
fn a_removal_does_not_create_the_directory() {
    let fixture = Fixture::with(&[]);
    fs::remove_dir(fixture.nodes()).unwrap();
    fixture.leave(&[]).write_stdin("s1\t10.0.0.1\t\t\n").assert().code(0).stderr("");
    fixture.leave(&LIST).write_stdin(list(&[])).assert().code(0).stderr("");
    let refused = format!(
        "member-leave: cannot open '{}': no such directory; see --nodes\n",
        fixture.nodes().display()
    );
    fixture.leave(&["s1"]).assert().code(4).stderr(refused);
    assert!(!fixture.nodes().exists());
}

#[test]
fn nodes_are_removed_by_hand_whatever_their_role() {
    let fixture = Fixture::with(&[("b", "balancer"), ("s1", "backend")]);
    fixture.leave(&["b", "s9", "-v"]).assert().code(0).stderr("member-leave: removed b\n");
    assert_eq!(fixture.records(), ["s1.json"]);
    let refused = "member-leave: cannot remove '../x': its name does not begin with a letter or digit\n";
    fixture.leave(&["../x", "s1"]).assert().code(3).stderr(refused);
    assert!(fixture.records().is_empty());
}

#[test]
fn an_event_of_another_kind_is_rejected() {
    let fixture = Fixture::with(&BACKENDS);
    let s1 = "s1\t10.0.0.1\tbackend\t\n";
    let refused = "member-leave: cannot handle event 'member-join' (from SERF_EVENT): it must be one of member-leave, \
                   member-failed, member-reap\n";
    fixture.leave(&[]).env("SERF_EVENT", "member-join").write_stdin(s1).assert().code(2).stderr(refused);
    assert_eq!(fixture.records().len(), 3);
}

#[test]
fn the_time_limit_ends_a_run_that_waits_for_a_lock() {
    let fixture = Fixture::with(&[("s1", "backend")]);
    let _held = common::lock::exclusive(fs::File::open(fixture.nodes()).unwrap(), Duration::ZERO).unwrap();
    fixture.leave(&["--time-limit", "1s", "s1"]).assert().code(1);
    assert_eq!(fixture.records(), ["s1.json"]);
}
