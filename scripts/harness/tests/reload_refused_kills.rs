//! A rejected file that makes HAProxy exit, and runs that are killed while they put the last good file back or try
//! the rejected one again.
//!
//! `$HAPROXY` names another HAProxy than the installed one, as in tests/reload_methods.rs.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use harness::cluster::single_haproxy::refused_file::{
    BRIEFLY, PUT_BACK, assert_owned, assert_rolled_back, assert_settled, missing, proven, read, write_unseen,
    write_with_missing_directory,
};
use harness::cluster::single_haproxy::{
    HaproxyFixture, MODES, assert_done, assert_refused, is_since, revision,
};
use harness::daemons::haproxy::{Mode, is_haproxy};
use harness::run::poll;
use harness::run::process::is_running;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Ends a HAProxy whose pid file was overwritten by another one that then failed to take over.
fn end(pid: u32) {
    if is_haproxy(pid) {
        kill(Pid::from_raw(i32::try_from(pid).unwrap()), Signal::SIGTERM).unwrap();
        poll::until(Duration::from_secs(10), "its end", || (!is_haproxy(pid)).then_some(())).unwrap();
    }
}

/// Up to 3.0, such a file ends HAProxy and its workers.
#[test]
fn a_haproxy_killed_by_a_file_starts_again_on_the_last_good_one() {
    for mode in MODES {
        let mut fixture = proven(mode);
        let good = read(&fixture.config());
        let jail = fixture.run.join("jail");
        let bad = write_unseen(&fixture, 2, &format!("chroot {}", jail.display()), "");
        assert_refused(&fixture.reload(&BRIEFLY), PUT_BACK);
        assert_rolled_back(&fixture, &good, &bad);
        let worker = fixture.haproxy().worker_pid();
        drop(fixture.haproxy.take());
        worker.into_iter().for_each(end);
        // If no HAProxy runs, the good file stays in place.
        assert_refused(&fixture.reload(&[]), "start one: haproxy -W -S");
        assert_rolled_back(&fixture, &good, &bad);
        fixture.start(mode);
        assert_eq!(fixture.description(), revision(1), "{mode:?}");
        fs::create_dir(&jail).unwrap();
        assert_done(&fixture.reload(&[]), "and tried again");
        assert_settled(&fixture, &bad, 2);
    }
}

/// Up to 3.0, the master dies. From 3.1 on it keeps running, and only its socket reports that it rejected the file.
#[test]
fn a_dying_master_is_not_waited_for_and_no_idle_one_is_left() {
    for mode in [Mode::MasterSocket, Mode::MasterWorker] {
        let fixture = proven(mode);
        write_unseen(&fixture, 2, &format!("chroot {}", fixture.run.join("jail").display()), "");
        let (start, limit) = (Instant::now(), Duration::from_secs(15));
        let outcome = fixture.reload(&["--timeout", "15s"]);
        let took = start.elapsed();
        assert_refused(&outcome, PUT_BACK);
        if !is_since((3, 1)) {
            assert!(took < limit, "{}", outcome.stderr);
            let master = fixture.haproxy().pid().unwrap();
            poll::until(limit, "the master's end", || (!is_running(master)).then_some(())).unwrap();
        }
    }
}

const MOMENTS: u32 = 30;

/// Kills a run after this fraction of its usual time.
fn kill_at(fixture: &HaproxyFixture, moment: u32, whole: Duration) {
    let mut child = fixture.start_reload(&[]);
    thread::sleep(whole * moment / MOMENTS);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_run_killed_at_any_moment_of_a_failing_reload_leaves_a_whole_file_and_the_next_one_ends_right() {
    let fixture = proven(Mode::MasterSocket);
    let good = read(&fixture.config());
    write_with_missing_directory(&fixture, 2);
    let start = Instant::now();
    assert_refused(&fixture.reload(&[]), PUT_BACK);
    let whole = start.elapsed();
    for moment in 0..MOMENTS {
        let bad = write_with_missing_directory(&fixture, 10 + moment);
        kill_at(&fixture, moment, whole);
        let left = read(&fixture.config());
        assert!(left == good || left == bad, "moment {moment}: it is half a file");
        assert_owned(&fixture.config());
        assert_refused(&fixture.reload(&[]), PUT_BACK);
        assert_rolled_back(&fixture, &good, &bad);
    }
    fs::create_dir(missing(&fixture, 9 + MOMENTS)).unwrap();
    assert_done(&fixture.reload(&[]), "and tried again");
    assert_eq!(fixture.description(), revision(9 + MOMENTS));
}

#[test]
fn a_run_killed_while_it_tries_again_leaves_a_whole_file_and_the_next_one_ends_right() {
    let fixture = proven(Mode::MasterSocket);
    let mut whole = Duration::from_millis(500);
    for moment in 0..MOMENTS {
        let good = read(&fixture.config());
        let bad = write_with_missing_directory(&fixture, 10 + moment);
        assert_refused(&fixture.reload(&[]), PUT_BACK);
        // Half of the runs succeed, and half fail.
        let ends_well = moment % 2 == 0;
        if ends_well {
            fs::create_dir(missing(&fixture, 10 + moment)).unwrap();
        }
        kill_at(&fixture, moment, whole);
        let left = read(&fixture.config());
        assert!(left == good || left == bad, "moment {moment}: it is half a file");
        let start = Instant::now();
        let outcome = fixture.reload(&[]);
        if ends_well {
            assert_done(&outcome, "");
            whole = start.elapsed().max(whole / 2);
            assert_settled(&fixture, &bad, 10 + moment);
        } else {
            assert_refused(&outcome, PUT_BACK);
            assert_rolled_back(&fixture, &good, &bad);
        }
    }
}
