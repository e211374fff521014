//! The file that carries HAProxy's counters over a reload: where it is, what it contains afterwards, and what happens if
//! it is lost or another program's.
//!
//! `$HAPROXY` names another HAProxy than the installed one, as in tests/reload_methods.rs.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::fs;

use common::replace::replace;
use harness::cluster::single_haproxy::assert_done;
use harness::cluster::single_haproxy::counters_fixture::{CountersFixture, can_load_counters};
use harness::daemons::haproxy::Mode;

#[test]
fn the_next_run_empties_the_file_of_a_killed_run_and_creates_a_missing_one() {
    if !can_load_counters() {
        return;
    }
    let mut fixture = CountersFixture::running(Mode::MasterSocket);
    fixture.write(&["s1", "s2"]);
    fixture.reload_well();
    let head = fs::read_to_string(fixture.stats_file()).unwrap();
    let rest = fixture.haproxy().command("dump stats-file").unwrap();
    replace(&fixture.stats_file(), format!("{head}{rest}").as_bytes(), 0o644).unwrap();
    assert_done(&fixture.reload(&[]), "nothing to do");
    fixture.assert_holds_no_counters();
    fs::remove_file(fixture.stats_file()).unwrap();
    assert_done(&fixture.reload(&[]), "nothing to do");
    fixture.assert_holds_no_counters();
}

#[test]
fn a_file_of_another_program_stays_until_a_reload() {
    if !can_load_counters() {
        return;
    }
    let mut fixture = CountersFixture::running(Mode::MasterSocket);
    fixture.write(&["s1", "s2"]);
    fixture.reload_well();
    for theirs in
        [fixture.haproxy().command("dump stats-file").unwrap(), "garbage\n".to_owned(), String::new()]
    {
        replace(&fixture.stats_file(), theirs.as_bytes(), 0o644).unwrap();
        assert_done(&fixture.reload(&[]), "nothing to do");
        assert_eq!(fs::read_to_string(fixture.stats_file()).unwrap(), theirs);
        fixture.request(10);
        let before = fixture.counts();
        fixture.write(&["s1", "s2"]);
        fixture.reload_well();
        assert_eq!(fixture.counts(), before, "{theirs}");
    }
}

#[test]
fn a_file_that_cannot_be_written_loses_the_counts_but_not_the_reload() {
    if !can_load_counters() {
        return;
    }
    let mut fixture = CountersFixture::new();
    fixture.global = format!("stats-file {}", fixture.run.join("missing/counters").display());
    fixture.run_with(Mode::MasterSocket);
    fixture.request(10);
    fixture.write(&["s1", "s2"]);
    let outcome = fixture.reload(&[]);
    assert_done(&outcome, "the new worker starts with its counters at zero");
    assert_eq!(outcome.stderr.matches("cannot write '").count(), 1, "{}", outcome.stderr);
    assert_eq!(fixture.count("web/FRONTEND"), 0);
}

#[test]
fn a_file_that_only_haproxy_knows_is_left_alone_and_reported() {
    if !can_load_counters() {
        return;
    }
    let conditional = "\n.if 1\n  stats-file /nonexistent/counters\n.endif";
    for (line, why) in [
        ("stats-file counters", "is a relative path"),
        ("stats-file \"${HOME}/counters\"", "has a variable"),
        (conditional, "is within .if"),
    ] {
        let mut fixture = CountersFixture::new();
        fixture.global = line.to_owned();
        fixture.run_with(Mode::MasterSocket);
        fixture.write(&["s1", "s2"]);
        let outcome = fixture.reload(&[]);
        assert_done(&outcome, "the counters are not kept: 'stats-file' in line ");
        assert!(outcome.stderr.contains(why) && !outcome.stderr.contains("cannot"), "{}", outcome.stderr);
    }
}

#[test]
fn a_guid_that_moves_to_another_kind_does_not_fail_a_reload_where_warnings_are_errors() {
    if !can_load_counters() {
        return;
    }
    let mut fixture = CountersFixture::new();
    fixture.global += "\n  zero-warning\n  chroot /\n  user root";
    // Without the file, HAProxy would print a warning.
    replace(&fixture.stats_file(), b"", 0o644).unwrap();
    fixture.run_with(Mode::MasterSocket);
    fixture.request(10);
    fixture.write(&["s1", "s2"]);
    let text = fs::read_to_string(fixture.config()).unwrap();
    // The counters of the frontend are no server's, and those of a server are no listener's.
    let text = text.replace("guid web\n  bind", "guid x\n  bind").replace("guid nodes:s1", "guid web");
    fixture.write_text(&text.replace("\n  default_backend", " guid-prefix l\n  default_backend"));
    let outcome = fixture.reload_well();
    assert!(outcome.stderr.contains("of 3 objects"), "{}", outcome.stderr);
    assert_eq!((fixture.count("nodes/BACKEND"), fixture.count("nodes/s1")), (10, 0));
}

#[test]
fn a_failed_reload_leaves_no_counters_in_the_file() {
    if !can_load_counters() {
        return;
    }
    let mut fixture = CountersFixture::running(Mode::MasterSocket);
    fixture.request(10);
    // A process on Linux cannot open that many files. The preflight check skips lines within .if.
    fixture.global += "\n.if 1\n  maxconn 1000000\n.endif";
    fixture.write(&["s1", "s2"]);
    let outcome = fixture.reload(&[]);
    assert!(outcome.code == 5 && outcome.stderr.contains("rejected it"), "{}", outcome.stderr);
    fixture.assert_holds_no_counters();
    assert_eq!(fixture.count("web/FRONTEND"), 10);
}
