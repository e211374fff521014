//! A file that HAProxy rejects although `haproxy -c` and the preflight check accept it: the last good file is put
//! back, and the rejected one is tried again.
//!
//! `$HAPROXY` names another HAProxy than the installed one, as in tests/reload_methods.rs.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::fs;
use std::net::TcpListener;
use std::process::Stdio;
use std::time::Duration;

use common::replace::replace;
use harness::cluster::single_haproxy::refused_file::{
    BRIEFLY, MODE, PUT_BACK, assert_rolled_back, assert_settled, missing, own, proven, read, refused,
    write_unseen, write_with_missing_directory,
};
use harness::cluster::single_haproxy::{
    HaproxyFixture, MODES, assert_done, assert_refused, finish, program, revision,
};
use harness::daemons::haproxy::Mode;
use harness::run::poll;

#[test]
fn a_rejected_file_is_replaced_by_the_last_good_one_and_tried_again() {
    for mode in MODES {
        let fixture = proven(mode);
        let good = read(&fixture.config());
        let other = TcpListener::bind((fixture.subnet.host(2), 0)).unwrap();
        let address = other.local_addr().unwrap();
        let bad = write_unseen(&fixture, 2, "", &format!("bind {address}"));
        for _ in 0..2 {
            assert_refused(&fixture.reload(&BRIEFLY), PUT_BACK);
            assert_rolled_back(&fixture, &good, &bad);
        }
        drop(other);
        // A process that another test is forking may hold it a moment longer.
        poll::until(Duration::from_secs(20), "success", || (fixture.reload(&[]).code == 0).then_some(()))
            .unwrap();
        assert_settled(&fixture, &bad, 2);
        assert_done(&fixture.reload(&[]), "nothing to do");
    }
}

#[test]
fn without_a_file_that_was_proven_to_work_nothing_is_put_back() {
    let fixture = HaproxyFixture::running(Mode::MasterSocket);
    let bad = write_with_missing_directory(&fixture, 2);
    for _ in 0..2 {
        assert_refused(&fixture.reload(&BRIEFLY), "stays in place: no earlier file was proven loaded");
        assert!(read(&fixture.config()) == bad && !refused(&fixture).exists());
    }
}

#[test]
fn a_file_that_is_refused_before_the_reload_stays() {
    let fixture = proven(Mode::MasterSocket);
    for (global, frontend, says) in [
        ("", "bogus words", "haproxy -c rejects it"),
        ("chroot /nonexistent/jail", "", "is not a directory; the running configuration stays in service"),
    ] {
        fixture.write(&format!("{}\n  {global}", revision(2)), frontend);
        let bad = read(&fixture.config());
        let outcome = fixture.reload(&[]);
        assert_refused(&outcome, says);
        assert!(read(&fixture.config()) == bad && !outcome.stderr.contains(PUT_BACK), "{}", outcome.stderr);
    }
}

#[test]
fn a_file_that_is_written_during_the_reload_is_not_overwritten() {
    let fixture = proven(Mode::Classic);
    fixture.write(&revision(3), "");
    own(&fixture.config());
    let newer = read(&fixture.config());
    fs::rename(fixture.config(), fixture.run.join("newer.cfg")).unwrap();
    write_with_missing_directory(&fixture, 2);
    // This HAProxy fails, and another file is written while it starts.
    let text = format!(
        "[ \"$1\" != -c ] || exit 0\n{} \"$@\" && exit\nmv {} {}\nexit 1",
        program().display(),
        fixture.run.join("newer.cfg").display(),
        fixture.config().display(),
    );
    let busy = fixture.script("busy", &text);
    let outcome = finish(fixture.command_with(&busy, &[]).spawn().unwrap());
    assert_refused(&outcome, "has changed meanwhile and stays in place");
    assert!(read(&fixture.config()) == newer);
    assert_done(&fixture.reload(&[]), "runs '");
    assert_settled(&fixture, &newer, 3);
}

#[test]
fn a_file_written_after_a_refusal_is_used() {
    let fixture = proven(Mode::MasterSocket);
    let good = read(&fixture.config());
    write_with_missing_directory(&fixture, 2);
    assert_refused(&fixture.reload(&[]), PUT_BACK);
    let bad = write_with_missing_directory(&fixture, 3);
    assert_refused(&fixture.reload(&[]), PUT_BACK);
    assert_rolled_back(&fixture, &good, &bad);
    // render-cfg writes the same file again while the nodes have not changed.
    replace(&fixture.config(), &bad, MODE).unwrap();
    own(&fixture.config());
    assert_refused(&fixture.reload(&[]), PUT_BACK);
    assert_rolled_back(&fixture, &good, &bad);
    fixture.write(&revision(4), "");
    own(&fixture.config());
    let newer = read(&fixture.config());
    let outcome = fixture.reload(&[]);
    assert_done(&outcome, "runs '");
    assert!(!outcome.stderr.contains("tried again"), "{}", outcome.stderr);
    assert_settled(&fixture, &newer, 4);
}

/// render-cfg writes the good file again if the nodes are as before.
#[test]
fn after_the_good_file_is_written_again_the_refused_one_is_not_tried() {
    let fixture = proven(Mode::MasterSocket);
    let good = read(&fixture.config());
    write_with_missing_directory(&fixture, 2);
    assert_refused(&fixture.reload(&[]), PUT_BACK);
    fs::create_dir(missing(&fixture, 2)).unwrap();
    replace(&fixture.config(), &good, MODE).unwrap();
    own(&fixture.config());
    assert_done(&fixture.reload(&[]), "nothing to do");
    assert_settled(&fixture, &good, 1);
}

#[test]
fn a_refused_file_that_was_changed_or_removed_is_neither_tried_nor_removed() {
    let fixture = proven(Mode::MasterSocket);
    write_with_missing_directory(&fixture, 2);
    assert_refused(&fixture.reload(&[]), PUT_BACK);
    replace(&refused(&fixture), b"# a note of mine\n", MODE).unwrap();
    assert_done(&fixture.reload(&[]), "nothing to do");
    assert_eq!(read(&refused(&fixture)), b"# a note of mine\n");
    write_with_missing_directory(&fixture, 3);
    assert_refused(&fixture.reload(&[]), PUT_BACK);
    fs::remove_file(refused(&fixture)).unwrap();
    assert_done(&fixture.reload(&[]), "nothing to do");
}

#[test]
fn a_dry_run_reports_the_retry_of_a_refused_file_and_changes_nothing() {
    let fixture = proven(Mode::MasterSocket);
    let good = read(&fixture.config());
    let bad = write_with_missing_directory(&fixture, 2);
    assert_refused(&fixture.reload(&[]), PUT_BACK);
    let output = fixture.command(&["--dry-run"]).stdout(Stdio::piped()).output().unwrap();
    let expected = format!(
        "reload (master): '{}', which HAProxy rejected, is tried again\n",
        refused(&fixture).canonicalize().unwrap().display()
    );
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
    assert_rolled_back(&fixture, &good, &bad);
}
