//! `--verdict`: whether an event fits the records.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use std::fs;
use std::time::SystemTime;

use support::*;

/// The line of a member at this address with this port.
fn line(name: &str, address: &str, port: &str) -> String {
    format!("{name}\t{address}\tbackend\trole=backend,port={port}\n")
}

/// What is printed about an event, when s1 has an old record and the agent is called lb.
fn verdict(event: &str, payload: &str, code: i32) -> String {
    verdict_on(SystemTime::UNIX_EPOCH, event, payload, code)
}

/// The same with a record of s1 that was written at this time.
fn verdict_on(written: SystemTime, event: &str, payload: &str, code: i32) -> String {
    let fixture = Fixture::new();
    fixture.join(&[]).write_stdin(S1).assert().code(0);
    fs::File::open(fixture.nodes().join("s1.json")).unwrap().set_modified(written).unwrap();
    let mut join = fixture.join(&["--verdict", "--role", "backend", "--role", "balancer"]);
    join.env("SERF_EVENT", event).env("SERF_SELF_NAME", "lb");
    let output = join.write_stdin(payload).assert().code(code).get_output().stdout.clone();
    String::from_utf8(output).unwrap()
}

#[test]
fn an_event_is_judged_by_the_records() {
    let known = line("s1", "172.18.0.3", "3000");
    let new = line("s2", "172.18.0.4", "3000");
    let cases = [
        ("member-join", &known, "unchanged"),
        ("member-update", &known, "unchanged"),
        ("member-join", &new, "changed"),
        ("member-update", &line("s1", "172.18.0.3", "3001"), "changed"),
        ("member-update", &"s1\t172.18.0.3\tweb\trole=web\n".to_owned(), "changed"),
        ("member-join", &"db\t172.18.0.9\tdatabase\trole=database\n".to_owned(), "unchanged"),
        ("member-join", &format!("{known}{new}"), "changed"),
        ("member-join", &line("s1", "172.18.0.9", "3000"), "doubtful"),
        ("member-join", &line("s1", "172.18.0.3", "3001"), "doubtful"),
        ("member-update", &line("s1", "172.18.0.9", "3000"), "doubtful"),
        ("member-update", &new, "doubtful"),
        ("member-join", &known.repeat(2), "doubtful"),
        ("member-join", &format!("{known}s2\t172.18"), "doubtful"),
        ("member-join", &String::new(), "doubtful"),
        ("member-join", &"lb\t172.18.0.2\tbalancer\trole=balancer\n".to_owned(), "doubtful"),
        ("member-join", &"lb\t172.18.0.2\tother\trole=other\n".to_owned(), "doubtful"),
        // An update of the agent is like one of any other member.
        ("member-update", &"lb\t172.18.0.2\tother\trole=other\n".to_owned(), "unchanged"),
    ];
    for (event, payload, wanted) in cases {
        assert_eq!(verdict(event, payload, 0), format!("{wanted}\n"), "{event} {payload:?}");
    }
}

#[test]
fn a_member_that_cannot_be_recorded_is_doubtful() {
    let payload = line("s1", "172.18.0.3", "3000") + "../x\t172.18.0.4\tbackend\trole=backend\n";
    assert_eq!(verdict("member-join", &payload, 3), "doubtful\n");
}

#[test]
fn a_change_of_a_record_that_was_just_written_is_doubtful() {
    let changed = line("s1", "172.18.0.3", "3001");
    assert_eq!(verdict_on(SystemTime::now(), "member-update", &changed, 0), "doubtful\n");
    let same = line("s1", "172.18.0.3", "3000");
    assert_eq!(verdict_on(SystemTime::now(), "member-update", &same, 0), "unchanged\n");
}

#[test]
fn a_record_that_cannot_be_read_is_doubtful() {
    let fixture = Fixture::new();
    fixture.join(&[]).write_stdin(S1).assert().code(0);
    fs::remove_file(fixture.nodes().join("s1.json")).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", fixture.nodes().join("s1.json")).unwrap();
    fixture.join(&["--verdict"]).write_stdin(S1).assert().stdout("doubtful\n");
}

#[test]
fn it_is_for_events_alone() {
    let fixture = Fixture::new();
    for arguments in [&["--verdict", "--from", "serf-members"][..], &["--verdict", "s1", "10.0.0.1"]] {
        let line = "member-join: cannot use --verdict without an event: leave out --from and names\n";
        fixture.join(arguments).write_stdin("").assert().code(2).stdout("").stderr(line);
    }
    assert!(!fixture.nodes().exists());
}
