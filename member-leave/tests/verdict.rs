//! `--verdict`: whether an event fits the records.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use std::fs;
use std::time::SystemTime;

use support::*;

/// What is printed about an event, when s1, s2 and s3 have records, that of s1 an old one, and the agent is called lb.
fn verdict(event: &str, payload: &str, code: i32) -> String {
    verdict_on(SystemTime::UNIX_EPOCH, event, payload, code)
}

/// The same with a record of s1 that was written at this time.
fn verdict_on(written: SystemTime, event: &str, payload: &str, code: i32) -> String {
    let fixture = Fixture::with(&BACKENDS);
    fs::File::open(fixture.nodes().join("s1.json")).unwrap().set_modified(written).unwrap();
    let mut leave = fixture.leave(&["--verdict"]);
    leave.env("SERF_EVENT", event).env("SERF_SELF_NAME", "lb");
    let output = leave.write_stdin(payload).assert().code(code).get_output().stdout.clone();
    String::from_utf8(output).unwrap()
}

#[test]
fn an_event_is_judged_by_the_records() {
    let (known, unknown) = ("s1\t10.0.0.1\tbackend\t\n", "s9\t10.0.0.9\tbackend\t\n");
    let cases = [
        ("member-leave", known.to_owned(), "changed"),
        ("member-leave", unknown.to_owned(), "unchanged"),
        ("member-leave", format!("{unknown}{known}"), "changed"),
        ("member-failed", known.to_owned(), "doubtful"),
        ("member-reap", known.to_owned(), "doubtful"),
        ("member-leave", String::new(), "doubtful"),
        ("member-leave", format!("{known}s2\t10.0"), "doubtful"),
        ("member-leave", "lb\t10.0.0.2\tbalancer\t\n".to_owned(), "doubtful"),
    ];
    for (event, payload, wanted) in cases {
        assert_eq!(verdict(event, &payload, 0), format!("{wanted}\n"), "{event} {payload:?}");
    }
    assert_eq!(verdict("member-leave", &format!("{known}../x\t10.0.0.1\t\t\n"), 3), "doubtful\n");
}

#[test]
fn the_end_of_a_record_that_was_just_written_is_doubtful() {
    assert_eq!(verdict_on(SystemTime::now(), "member-leave", "s1\t10.0.0.1\tbackend\t\n", 0), "doubtful\n");
}

#[test]
fn without_a_directory_of_records_it_is_doubtful() {
    let fixture = Fixture::with(&[]);
    fs::remove_dir_all(fixture.nodes()).unwrap();
    fixture.leave(&["--verdict"]).write_stdin("s1\t10.0.0.1\t\t\n").assert().code(0).stdout("doubtful\n");
}

#[test]
fn it_is_for_events_alone() {
    let fixture = Fixture::with(&BACKENDS);
    for arguments in [&["--verdict", "--from", "serf-members"][..], &["--verdict", "s1"]] {
        let line = "member-leave: cannot use --verdict without an event: leave out --from and names\n";
        fixture.leave(arguments).write_stdin("").assert().code(2).stdout("").stderr(line);
    }
    assert_eq!(fixture.names(), "s1 s2 s3");
}
