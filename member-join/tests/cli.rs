//! The member-join program: members from events and by hand; exit code, stdout, stderr and records.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use support::*;

#[test]
fn a_member_becomes_a_record_and_success_is_quiet() {
    let fixture = Fixture::new();
    fixture.join(&[]).write_stdin(S1).assert().code(0).stdout("").stderr("");
    assert_eq!(
        fixture.record("s1"),
        "{\"address\":\"172.18.0.3\",\"name\":\"s1\",\"role\":\"backend\",\
         \"tags\":{\"port\":\"3000\",\"role\":\"backend\"}}\n"
    );
}

#[test]
fn records_and_their_directory_are_not_readable_by_everyone() {
    let fixture = Fixture::new();
    fixture.join(&[]).write_stdin(S1).assert().code(0);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&fixture.nodes()), 0o750);
    assert_eq!(mode(&fixture.nodes().join("s1.json")), 0o640);
}

#[test]
fn tags_in_another_order_are_the_same_record_and_write_nothing() {
    let fixture = Fixture::new();
    fixture.join(&[]).write_stdin(S1).assert().code(0);
    let inode = || fs::metadata(fixture.nodes().join("s1.json")).unwrap().ino();
    let before = inode();
    let reordered = "s1\t172.18.0.3\tbackend\tport=3000,role=backend\n";
    fixture.join(&["-v"]).write_stdin(reordered).assert().code(0).stderr("");
    assert_eq!(inode(), before);
}

#[test]
fn a_node_at_a_new_address_has_one_record() {
    let fixture = Fixture::new();
    fixture.join(&[]).write_stdin(S1).assert().code(0);
    let moved = S1.replace("172.18.0.3", "172.18.0.9");
    fixture
        .join(&["-v"])
        .write_stdin(moved)
        .assert()
        .code(0)
        .stderr("member-join: updated s1 (172.18.0.9)\n");
    assert_eq!(fixture.records(), ["s1.json"]);
    assert!(fixture.record("s1").contains("172.18.0.9"));
}

#[test]
fn the_later_of_two_lines_for_one_name_counts() {
    let fixture = Fixture::new();
    let (first, last) = (S1.replace("172.18.0.3", "172.18.0.9"), S1);
    for _ in 0..2 {
        fixture.join(&[]).write_stdin(format!("{first}{last}")).assert().code(0).stderr("");
        assert!(fixture.record("s1").contains("172.18.0.3"));
    }
    let away = format!("{S1}s1\t172.18.0.3\tspare\trole=spare\n");
    fixture.join(&[]).write_stdin(away).assert().code(0);
    assert!(fixture.records().is_empty());
}

#[test]
fn hostile_names_are_rejected_and_the_good_ones_recorded() {
    let fixture = Fixture::new();
    let long = "x".repeat(5000);
    let names =
        ["../x", "-rf", "a\"b", "a b", "a&b", "$(id)", long.as_str(), "", ".", "..", ".hidden", "a/b"];
    let mut payload: Vec<u8> = Vec::new();
    for name in names {
        payload.extend_from_slice(format!("{name}\t10.0.0.1\tbackend\trole=backend\n").as_bytes());
    }
    payload.extend_from_slice(b"bad\xff\xfe\t10.0.0.1\tbackend\trole=backend\n");
    payload.extend_from_slice(S1.as_bytes());
    let output = fixture.join(&[]).write_stdin(payload).assert().code(3).stdout("").get_output().clone();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(stderr.lines().count(), names.len() + 1, "{stderr}");
    assert!(stderr.lines().all(|line| line.starts_with("member-join: cannot record '")), "{stderr}");
    assert_eq!(fixture.records(), ["s1.json"]);
    assert_eq!(self::names(fixture.scratch.path()), ["nodes"]);
}

#[test]
fn the_captured_hostile_payloads_leave_only_whitelisted_records() {
    for (payload, code, records) in [
        ("06-join-hostile-names.in", 3, &["lb.json", "plain.json", "vm.json"][..]),
        ("08-join-forged.in", 3, &["badmsgpack.json", "evil.json", "rawmeta.json", "v6.json"][..]),
        ("09-join-ipv6.in", 0, &["lb6.json", "w6.json"][..]),
        ("12-leave-empty-stdin.in", 0, &[][..]),
    ] {
        let fixture = Fixture::new();
        fixture.join(&["--any-role"]).write_stdin(captured(payload)).assert().code(code);
        assert_eq!(fixture.records(), records, "{payload}");
    }
}

#[test]
fn only_wanted_roles_are_recorded() {
    let fixture = Fixture::new();
    let payload = "a\t10.0.0.1\tweb\trole=web\nb\t10.0.0.2\tdb\trole=db\nc\t10.0.0.3\t\t\n";
    fixture.join(&["--role", "web", "--role", "cache"]).write_stdin(payload).assert().code(0);
    assert_eq!(fixture.records(), ["a.json"]);
}

#[test]
fn a_member_that_changes_to_an_unwanted_role_loses_its_record() {
    let fixture = Fixture::new();
    fixture.join(&[]).write_stdin(S1).assert().code(0);
    let changed = "s1\t172.18.0.3\tspare\trole=spare\n";
    fixture
        .join(&["-v"])
        .write_stdin(changed)
        .assert()
        .code(0)
        .stderr("member-join: removed s1 (172.18.0.3)\n");
    assert!(fixture.records().is_empty());
}

#[test]
fn a_record_of_a_role_that_is_not_wanted_is_not_touched() {
    let fixture = Fixture::new();
    fixture
        .join(&["--role", "balancer"])
        .write_stdin("b\t10.0.0.1\tbalancer\trole=balancer\n")
        .assert()
        .code(0);
    fixture.join(&[]).write_stdin("b\t10.0.0.1\tother\trole=other\n").assert().code(0);
    assert_eq!(fixture.records(), ["b.json"]);
}

#[test]
fn a_node_is_recorded_by_hand() {
    let fixture = Fixture::new();
    fixture.join(&["s1", "FD00::3", "--tag", "port=80"]).assert().code(0).stdout("").stderr("");
    assert_eq!(
        fixture.record("s1"),
        "{\"address\":\"fd00::3\",\"name\":\"s1\",\"role\":\"backend\",\
         \"tags\":{\"port\":\"80\",\"role\":\"backend\"}}\n"
    );
    let refused = "member-join: cannot record '../x': its name does not begin with a letter or digit\n";
    fixture.join(&["../x", "10.0.0.1"]).assert().code(3).stderr(refused);
}

#[test]
fn wrong_usage_is_not_bad_input() {
    let fixture = Fixture::new();
    for arguments in [
        &["s1"][..],
        &["s1", "10.0.0.1", "--tag", "port"],
        &["s1", "10.0.0.1", "--tag", "role=x"],
        &["--from", "yaml"],
        &["--role", "a", "--any-role"],
        &["--lock-timeout", "soon"],
        &["s1", "10.0.0.1", "--role", "a", "--role", "b"],
    ] {
        fixture.join(arguments).assert().code(2).stdout("");
    }
    assert!(!fixture.nodes().exists());
}

#[test]
fn an_event_of_another_kind_is_rejected() {
    let fixture = Fixture::new();
    for (event, code) in [("member-join", 0), ("member-update", 0), ("member-leave", 2), ("user", 2)] {
        fixture.join(&[]).env("SERF_EVENT", event).write_stdin(S1).assert().code(code);
    }
    fixture
        .join(&["--from", "serf-members"])
        .env("SERF_EVENT", "member-leave")
        .write_stdin(captured("members.json"))
        .assert()
        .code(0);
}
