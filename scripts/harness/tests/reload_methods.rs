//! reload-haproxy on a real HAProxy, in each of the modes in which HAProxy is run.
//!
//! `$HAPROXY` names another HAProxy than the installed one: scripts/test runs this file for several versions.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::net::TcpListener;
use std::process::Stdio;
use std::time::{Duration, Instant};

use harness::cluster::single_haproxy::{
    HaproxyFixture, MODES, assert_done, assert_refused, every_mode, revision,
};
use harness::daemons::haproxy::Mode;
use harness::run::poll;
use harness::traffic::load::{Load, Rate};

const SOON: Duration = Duration::from_secs(10);

#[test]
fn a_file_that_runs_already_is_left_alone() {
    for mode in [Mode::MasterSocket, Mode::MasterWorker, Mode::Classic, Mode::Foreground] {
        let fixture = HaproxyFixture::running(mode);
        let worker = fixture.worker();
        assert_done(&fixture.reload(&[]), "nothing to do");
        assert_done(&fixture.reload(&[]), "runs this file");
        assert_eq!(fixture.worker(), worker, "{mode:?}");
    }
}

#[test]
fn a_new_revision_is_loaded_and_proven_in_every_mode() {
    for (mode, fixture, worker) in every_mode() {
        fixture.write(&revision(2), "");
        assert_done(&fixture.reload(&[]), "runs rollcall-0000000000000001");
        assert_ne!(fixture.worker(), worker, "{mode:?}");
        assert_eq!(fixture.description(), revision(2));
        assert_done(&fixture.reload(&[]), "nothing to do");
    }
}

#[test]
fn a_file_without_a_revision_is_loaded_and_proven_in_every_mode() {
    for mode in MODES {
        let mut fixture = HaproxyFixture::empty();
        fixture.write("", "");
        fixture.start(mode);
        let worker = fixture.worker();
        fixture.write("", "capture request header Host len 32");
        assert_done(&fixture.reload(&[]), "runs '");
        let reloaded = fixture.worker();
        assert_ne!(reloaded, worker, "{mode:?}");
        assert_done(&fixture.reload(&[]), "nothing to do");
        assert_eq!(fixture.worker(), reloaded);
    }
}

#[test]
fn an_edit_by_hand_is_loaded_though_the_revision_stayed() {
    let fixture = HaproxyFixture::running(Mode::MasterSocket);
    let worker = fixture.worker();
    // Start times of processes are in clock ticks, and a real edit by hand never follows within one.
    poll::pass(Duration::from_millis(50)).unwrap();
    fixture.write(&revision(1), "capture request header Host len 32");
    assert_done(&fixture.reload(&[]), "reload (master): the file may have changed since worker");
    let reloaded = fixture.worker();
    assert_ne!(reloaded, worker);
    fixture.write(&revision(1), "capture request header Host len 33");
    assert_done(&fixture.reload(&[]), "reload (master): line 15 of frontend web changed");
    assert_ne!(fixture.worker(), reloaded);
}

#[test]
fn a_file_that_haproxy_rejects_is_not_loaded_and_its_messages_are_printed() {
    for (mode, fixture, worker) in every_mode() {
        fixture.write(&revision(2), "bogus words");
        for _ in 0..2 {
            let outcome = fixture.reload(&[]);
            assert_refused(&outcome, "haproxy -c rejects it");
            assert!(outcome.stderr.contains("unknown keyword 'bogus'"), "{}", outcome.stderr);
        }
        assert_eq!(fixture.worker(), worker, "{mode:?}");
        fixture.write(&revision(2), "");
        assert_done(&fixture.reload(&[]), "runs '");
    }
}

#[test]
fn an_address_in_use_fails_no_request_and_the_next_run_retries_it() {
    for (mode, fixture, worker) in every_mode() {
        let other = TcpListener::bind((fixture.subnet.host(2), 0)).unwrap();
        let address = other.local_addr().unwrap();
        fixture.write(&revision(2), &format!("bind {address}"));
        let start = Instant::now();
        let load = Load::start(fixture.front(), "/", Rate::default());
        assert_refused(
            &fixture.reload(&[]),
            "another program holds it; the running configuration stays in service",
        );
        poll::pass(Duration::from_millis(300)).unwrap();
        let counts = load.since(start);
        assert!(counts.requests > 0 && counts.failures() == 0, "{}", counts.failures_shown());
        assert_eq!(fixture.worker(), worker, "{mode:?}");
        drop(other);
        // A process that another test is forking may hold the address a moment longer.
        poll::until(SOON, "the address", || TcpListener::bind(address).ok()).unwrap();
        assert_done(&fixture.reload(&[]), "runs '");
        assert_eq!(fixture.description(), revision(2));
    }
}

#[test]
fn a_missing_chroot_and_a_missing_socket_directory_do_not_take_the_service_down() {
    let fixture = HaproxyFixture::running(Mode::MasterSocket);
    let worker = fixture.worker();
    fixture.write(&format!("{}\n  chroot {}", revision(2), fixture.run.join("missing").display()), "");
    assert_refused(&fixture.reload(&[]), "is not a directory; the running configuration stays in service");
    let socket = fixture.run.join("missing/x.sock");
    fixture.write(&format!("{}\n  stats socket {}", revision(2), socket.display()), "");
    assert_refused(&fixture.reload(&[]), "is missing; the running configuration stays in service");
    assert_eq!(fixture.worker(), worker);
}

#[test]
fn a_reload_that_fails_after_the_check_is_seen_and_the_old_worker_serves() {
    for (mode, says) in
        [(Mode::MasterSocket, "HAProxy rejected it"), (Mode::MasterWorker, "no new worker within")]
    {
        let fixture = HaproxyFixture::running(mode);
        let worker = fixture.worker();
        // A process on Linux cannot open that many files. Neither `haproxy -c` nor the preflight check notices that.
        fixture.write(&format!("{}\n.if 1\n  maxconn 1000000\n.endif", revision(2)), "");
        for _ in 0..2 {
            let outcome = fixture.reload(&["--timeout", "2s"]);
            assert_refused(&outcome, says);
            assert!(outcome.stderr.contains(&format!("worker {worker} still serves")), "{}", outcome.stderr);
        }
        assert_eq!(fixture.description(), revision(1));
        fixture.write(&revision(3), "");
        assert_done(&fixture.reload(&[]), "runs '");
        assert_eq!(fixture.description(), revision(3));
    }
}

#[test]
fn a_haproxy_in_the_foreground_without_a_master_is_not_replaced() {
    let fixture = HaproxyFixture::running(Mode::Foreground);
    let worker = fixture.worker();
    fixture.write(&revision(2), "");
    assert_refused(&fixture.reload(&[]), "runs in the foreground without a master");
    assert_eq!(fixture.worker(), worker);
}

#[test]
fn a_dry_run_prints_the_action_and_the_reason_and_does_nothing() {
    let fixture = HaproxyFixture::running(Mode::MasterSocket);
    let worker = fixture.worker();
    fixture.write(&revision(2), "");
    let output = fixture.command(&["--dry-run"]).stdout(Stdio::piped()).output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let expected = format!(
        "reload (master): the file has revision rollcall-{:016x}, worker {worker} runs rollcall-{:016x}\n",
        2, 1
    );
    assert_eq!((output.status.code(), stdout.as_str()), (Some(0), expected.as_str()));
    assert_eq!(fixture.worker(), worker);
}

#[test]
fn the_reason_for_a_reload_is_what_changed() {
    let fixture = HaproxyFixture::running(Mode::MasterSocket);
    assert_done(&fixture.reload(&[]), "nothing to do");
    fixture.write(&revision(1), "capture request header Host len 32");
    assert_done(&fixture.reload(&[]), "reload (master): line 15 of frontend web changed\n");
    fixture.write(&revision(1), "capture request header Host len 32\nbackend nodes\n  server s1 127.0.0.1:9");
    assert_done(&fixture.reload(&[]), "reload (master): line 16: backend nodes is new\n");
    fixture.write(&revision(1), "capture request header Host len 32\nbackend nodes\n  server s2 127.0.0.1:9");
    let by_reload = fixture.reload(&["--method", "master"]);
    assert_done(&by_reload, "reload (master): +1 -1 ~0 servers in backend nodes\n");
}

#[test]
fn force_reloads_a_file_that_runs_already() {
    let fixture = HaproxyFixture::running(Mode::MasterSocket);
    let worker = fixture.worker();
    assert_done(&fixture.reload(&["--force"]), "reload (master): --force");
    assert_ne!(fixture.worker(), worker);
}
