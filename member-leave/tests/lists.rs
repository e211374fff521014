//! The member-leave program: whole memberships, the guard, and members that HAProxy finds up.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use common::replace::replace;
use support::*;

#[test]
fn a_whole_membership_removes_all_who_are_not_alive_in_it() {
    let fixture = Fixture::with(&BACKENDS);
    let members = list(&[
        ("s1", "backend", "alive"),
        ("s2", "backend", "leaving"),
        ("s3", "backend", "failed"),
        ("lb", "balancer", "alive"),
    ]);
    fixture.leave(&LIST).write_stdin(members).assert().code(0).stderr("");
    assert_eq!(fixture.records(), ["s1.json"]);
}

#[test]
fn a_member_that_is_alive_with_another_role_loses_its_record() {
    let fixture = Fixture::with(&BACKENDS);
    let members = list(&[("s1", "backend", "alive"), ("s2", "spare", "alive"), ("s3", "backend", "alive")]);
    fixture.leave(&LIST).write_stdin(members).assert().code(0);
    assert_eq!(fixture.records(), ["s1.json", "s3.json"]);
}

#[test]
fn a_member_that_breaks_the_whitelist_but_lives_keeps_its_last_good_record() {
    let fixture = Fixture::with(&BACKENDS);
    let members = list(&[("s1", "backend", "alive"), ("s2", "backend", "alive")]);
    let members = members.replacen("10.0.0.1:7946", "<nil>:7946", 1);
    fixture.leave(&LIST).write_stdin(members).assert().code(0);
    assert_eq!(fixture.records(), ["s1.json", "s2.json"]);
}

#[test]
fn a_member_that_cannot_be_recorded_does_not_make_an_empty_list_a_full_one() {
    let fixture = Fixture::with(&BACKENDS);
    fixture.leave(&LIST).write_stdin(list(&[("../x", "backend", "alive")])).assert().code(6);
    assert_eq!(fixture.records().len(), 3);
}

#[test]
fn a_list_without_a_node_of_the_role_does_not_remove_all_of_them() {
    let fixture = Fixture::with(&BACKENDS);
    let refused = "member-leave: cannot remove 3 records of role 'backend': the list has no live member of that role, \
                   so the agent may be cut off; give --allow-empty to remove them\n";
    for members in [list(&[("lb", "balancer", "alive")]), r#"{"members": null}"#.to_owned()] {
        fixture.leave(&LIST).write_stdin(members).assert().code(6).stderr(refused);
        assert_eq!(fixture.records().len(), 3);
    }
    fixture.leave(&LIST).arg("--allow-empty").write_stdin(r#"{"members": null}"#).assert().code(0);
    assert!(fixture.records().is_empty());
}

#[test]
fn an_empty_list_with_nothing_to_remove_succeeds() {
    let fixture = Fixture::with(&[]);
    fixture.leave(&LIST).write_stdin(r#"{"members": null}"#).assert().code(0).stderr("");
}

#[test]
fn the_guard_applies_to_each_role_alone() {
    let fixture = Fixture::with(&[("b1", "balancer"), ("b2", "balancer"), ("s1", "backend")]);
    let members = list(&[("b1", "balancer", "alive")]);
    let roles = ["--role", "backend", "--role", "balancer"];
    fixture.leave(&LIST).args(roles).write_stdin(members).assert().code(6);
    assert_eq!(fixture.records(), ["b1.json", "s1.json"]);
}

#[test]
fn an_invalid_list_removes_nothing() {
    let fixture = Fixture::with(&BACKENDS);
    for bytes in ["", "Deprecation warning\n{\"members\":[]}", "[1,2]"] {
        fixture.leave(&LIST).arg("--allow-empty").write_stdin(bytes).assert().code(3);
    }
    assert_eq!(fixture.records().len(), 3);
}

#[test]
fn a_failed_member_that_is_seen_up_keeps_its_record() {
    let fixture = Fixture::with(&BACKENDS);
    let up = fixture.scratch.path().join("up");
    replace(&up, b"s1\ns2\n", 0o600).unwrap();
    let members = list(&[("s1", "backend", "failed"), ("s2", "backend", "left"), ("s3", "backend", "alive")]);
    let run = fixture.leave(&LIST).arg("--serving").arg(&up).arg("-v").write_stdin(members.clone()).assert();
    run.success().stderr("member-leave: kept s1: failed in Serf, but seen up\nmember-leave: removed s2\n");
    assert_eq!(fixture.records(), ["s1.json", "s3.json"]);
    replace(&up, b"", 0o600).unwrap();
    fixture.leave(&LIST).arg("--serving").arg(&up).write_stdin(members).assert().success().stderr("");
    assert_eq!(fixture.records(), ["s3.json"]);
}

/// The list of a balancer that is cut off from all of them.
#[test]
fn the_guard_does_not_apply_if_all_failed_members_are_seen_up() {
    let fixture = Fixture::with(&BACKENDS);
    let up = fixture.scratch.path().join("up");
    replace(&up, b"s1\ns2\ns3\n", 0o600).unwrap();
    let members = list(&BACKENDS.map(|(name, role)| (name, role, "failed")));
    fixture.leave(&LIST).arg("--serving").arg(&up).write_stdin(members.clone()).assert().success().stderr("");
    assert_eq!(fixture.records().len(), 3);
    replace(&up, b"s1\n", 0o600).unwrap();
    let run = fixture.leave(&LIST).arg("--serving").arg(&up).write_stdin(members).assert();
    let stderr = String::from_utf8(run.code(6).get_output().stderr.clone()).unwrap();
    assert!(stderr.starts_with("member-leave: cannot remove 2 records of role 'backend'"), "{stderr}");
    assert_eq!(fixture.records().len(), 3);
}

/// A container that crashed came back with its address and a new name. HAProxy then finds the old server up, too.
#[test]
fn a_failed_member_whose_address_a_live_member_has_loses_its_record() {
    let fixture = Fixture::with(&BACKENDS);
    let up = fixture.scratch.path().join("up");
    replace(&up, b"s1\ns2\ns3\n", 0o600).unwrap();
    let members =
        list(&[("s1", "backend", "failed"), ("s2", "backend", "failed"), ("s3", "backend", "alive")]);
    let members = members.replace("10.0.0.3:", "10.0.0.1:");
    let run = fixture.leave(&LIST).arg("--serving").arg(&up).arg("-v").write_stdin(members).assert();
    run.success().stderr("member-leave: kept s2: failed in Serf, but seen up\nmember-leave: removed s1\n");
    assert_eq!(fixture.records(), ["s2.json", "s3.json"]);
}

#[test]
fn nothing_is_removed_if_the_serving_file_cannot_be_read() {
    let fixture = Fixture::with(&BACKENDS);
    let members = list(&[("s3", "backend", "alive")]);
    let run = fixture.leave(&LIST).args(["--serving", "/no/such/file"]).write_stdin(members).assert();
    run.code(4).stderr("member-leave: cannot read '/no/such/file': No such file or directory (os error 2)\n");
    assert_eq!(fixture.records().len(), 3);
    let run = fixture.leave(&["--serving", "/no/such/file"]).write_stdin("").assert();
    run.code(2).stderr("member-leave: cannot use --serving with --from serf-event: give a whole membership, such as --from serf-members\n");
}

#[test]
fn a_whole_membership_removes_leftovers_of_killed_runs() {
    let fixture = Fixture::with(&BACKENDS);
    common::replace::replace(&fixture.nodes().join(".s7.json.tmp"), b"{", 0o600).unwrap();
    let members = list(&[("s1", "backend", "alive"), ("s2", "backend", "alive"), ("s3", "backend", "alive")]);
    fixture.leave(&LIST).write_stdin(members).assert().code(0);
    assert_eq!(fixture.records(), ["s1.json", "s2.json", "s3.json"]);
}
