//! reload-haproxy on a real HAProxy, in each of the modes in which HAProxy is run.
//!
//! `$HAPROXY` names another HAProxy than the installed one: scripts/test runs this file for several versions.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::env;
use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use common::replace::replace;
use harness::cluster::single_haproxy::{
    HaproxyFixture, MODES, Outcome, assert_done, assert_refused, every_mode, finish, is_since, program,
    revision,
};
use harness::daemons::haproxy::Mode;
use harness::run::{poll, programs};
use harness::traffic::load::{Load, Rate};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const SOON: Duration = Duration::from_secs(10);
#[test]
fn a_file_that_runs_already_is_left_alone() {
    for mode in [Mode::MasterSocket, Mode::MasterWorker, Mode::Classic, Mode::Foreground] {
        let bed = HaproxyFixture::running(mode);
        let worker = bed.worker();
        assert_done(&bed.reload(&[]), "nothing to do");
        assert_done(&bed.reload(&[]), "runs this file");
        assert_eq!(bed.worker(), worker, "{mode:?}");
    }
}

#[test]
fn a_new_revision_is_loaded_and_proven_in_every_mode() {
    for (mode, bed, worker) in every_mode() {
        bed.write(&revision(2), "");
        assert_done(&bed.reload(&[]), "runs rollcall-0000000000000001");
        assert_ne!(bed.worker(), worker, "{mode:?}");
        assert_eq!(bed.description(), revision(2));
        assert_done(&bed.reload(&[]), "nothing to do");
    }
}

#[test]
fn a_file_without_a_revision_is_loaded_and_proven_in_every_mode() {
    for mode in MODES {
        let mut bed = HaproxyFixture::empty();
        bed.write("", "");
        bed.start(mode);
        let worker = bed.worker();
        bed.write("", "capture request header Host len 32");
        assert_done(&bed.reload(&[]), "runs '");
        let reloaded = bed.worker();
        assert_ne!(reloaded, worker, "{mode:?}");
        assert_done(&bed.reload(&[]), "nothing to do");
        assert_eq!(bed.worker(), reloaded);
    }
}

#[test]
fn an_edit_by_hand_is_loaded_though_the_revision_stayed() {
    let bed = HaproxyFixture::running(Mode::MasterSocket);
    let worker = bed.worker();
    // An edit by hand is never as fast as the clock tick of a process's start time.
    poll::pass(Duration::from_millis(50)).unwrap();
    bed.write(&revision(1), "capture request header Host len 32");
    assert_done(&bed.reload(&[]), "reload (master): the file may have changed since worker");
    let reloaded = bed.worker();
    assert_ne!(reloaded, worker);
    bed.write(&revision(1), "capture request header Host len 33");
    assert_done(&bed.reload(&[]), "reload (master): line 15 of frontend web changed");
    assert_ne!(bed.worker(), reloaded);
}

#[test]
fn a_file_that_haproxy_rejects_is_not_loaded_and_its_messages_are_printed() {
    for (mode, bed, worker) in every_mode() {
        bed.write(&revision(2), "bogus words");
        for _ in 0..2 {
            let outcome = bed.reload(&[]);
            assert_refused(&outcome, "haproxy -c rejects it");
            assert!(outcome.stderr.contains("unknown keyword 'bogus'"), "{}", outcome.stderr);
        }
        assert_eq!(bed.worker(), worker, "{mode:?}");
        bed.write(&revision(2), "");
        assert_done(&bed.reload(&[]), "runs '");
    }
}

#[test]
fn an_address_in_use_fails_no_request_and_the_next_run_retries_it() {
    for (mode, bed, worker) in every_mode() {
        let other = TcpListener::bind((bed.subnet.host(2), 0)).unwrap();
        let address = other.local_addr().unwrap();
        bed.write(&revision(2), &format!("bind {address}"));
        let start = Instant::now();
        let load = Load::start(bed.front(), "/", Rate::default());
        assert_refused(
            &bed.reload(&[]),
            "another program holds it; the running configuration stays in service",
        );
        poll::pass(Duration::from_millis(300)).unwrap();
        let counts = load.since(start);
        assert!(counts.requests > 0 && counts.failures() == 0, "{}", counts.failures_shown());
        assert_eq!(bed.worker(), worker, "{mode:?}");
        drop(other);
        // A process that another test is forking may hold it a moment longer.
        poll::until(SOON, "the address", || TcpListener::bind(address).ok()).unwrap();
        assert_done(&bed.reload(&[]), "runs '");
        assert_eq!(bed.description(), revision(2));
    }
}

#[test]
fn a_missing_chroot_and_a_missing_socket_directory_do_not_take_the_service_down() {
    let bed = HaproxyFixture::running(Mode::MasterSocket);
    let worker = bed.worker();
    bed.write(&format!("{}\n  chroot {}", revision(2), bed.run.join("missing").display()), "");
    assert_refused(&bed.reload(&[]), "is not a directory; the running configuration stays in service");
    let socket = bed.run.join("missing/x.sock");
    bed.write(&format!("{}\n  stats socket {}", revision(2), socket.display()), "");
    assert_refused(&bed.reload(&[]), "is missing; the running configuration stays in service");
    assert_eq!(bed.worker(), worker);
}

#[test]
fn a_reload_that_fails_after_the_check_is_seen_and_the_old_worker_serves() {
    for (mode, says) in
        [(Mode::MasterSocket, "HAProxy rejected it"), (Mode::MasterWorker, "no new worker within")]
    {
        let bed = HaproxyFixture::running(mode);
        let worker = bed.worker();
        // More files than any process may open on Linux, which neither `haproxy -c` nor the preflight check notices.
        bed.write(&format!("{}\n.if 1\n  maxconn 1000000\n.endif", revision(2)), "");
        for _ in 0..2 {
            let outcome = bed.reload(&["--timeout", "2s"]);
            assert_refused(&outcome, says);
            assert!(outcome.stderr.contains(&format!("worker {worker} still serves")), "{}", outcome.stderr);
        }
        assert_eq!(bed.description(), revision(1));
        bed.write(&revision(3), "");
        assert_done(&bed.reload(&[]), "runs '");
        assert_eq!(bed.description(), revision(3));
    }
}

#[test]
fn a_burst_of_changes_ends_on_the_last_file() {
    for (mode, bed, _) in every_mode() {
        for round in 0..5 {
            let reloads: Vec<Child> = (0..6)
                .map(|change| {
                    bed.write(&revision(100 * (round + 1) + change), "");
                    let child = bed.start_reload(&[]);
                    thread::sleep(Duration::from_millis(35));
                    child
                })
                .collect();
            for child in reloads {
                let outcome = finish(child);
                assert_eq!(outcome.code, 0, "{mode:?}: {}", outcome.stderr);
            }
            assert_eq!(bed.description(), revision(100 * (round + 1) + 5), "{mode:?}");
        }
    }
}

#[test]
fn a_signal_that_haproxy_loses_is_sent_again() {
    let bed = HaproxyFixture::running(Mode::MasterWorker);
    // A file that takes a while to load: a signal in that time is lost up to 3.0.
    let servers: String = (0..3000).map(|n| format!("  server s{n} 127.0.0.1:9\n")).collect();
    let many = |number| bed.write(&revision(number), &format!("\nbackend many\n{servers}"));
    many(2);
    assert_done(&bed.reload(&[]), "runs '");
    let master = Pid::from_raw(i32::try_from(bed.haproxy().pid().unwrap()).unwrap());
    // A check that takes no time, so that the run's own signal comes while HAProxy still loads the file before.
    let quick = bed.run.join("quick-check");
    let text = format!("#!/bin/sh\n[ \"$1\" != -c ] || exit 0\nexec {} \"$@\"\n", program().display());
    replace(&quick, text.as_bytes(), 0o755).unwrap();
    // Up to 3.0 HAProxy loses a signal that comes while it loads a file.
    let (mut resends, enough) = (0, usize::from(!is_since((3, 1))));
    // On a busy machine the signal may miss that time, so it is retried.
    for round in 3..60 {
        kill(master, Signal::SIGUSR2).unwrap();
        thread::sleep(Duration::from_millis(u64::from(round % 10)));
        many(round);
        let outcome = finish(bed.command_with(&quick, &[]).spawn().unwrap());
        // The signal before it may have been late enough for the new file.
        assert_done(&outcome, "runs ");
        resends += outcome.stderr.matches("sent again").count();
        assert_eq!(bed.description(), revision(round));
        if round >= 8 && resends >= enough {
            return;
        }
    }
    panic!("no signal was lost, or none was sent again");
}

#[test]
fn twenty_runs_at_once_reload_once() {
    let bed = HaproxyFixture::running(Mode::MasterSocket);
    bed.write(&revision(2), "");
    let runs: Vec<Child> = (0..20).map(|_| bed.start_reload(&[])).collect();
    let outcomes: Vec<Outcome> = runs.into_iter().map(finish).collect();
    assert!(outcomes.iter().all(|outcome| outcome.code == 0));
    let reloads = outcomes.iter().filter(|outcome| outcome.stderr.contains("reload (master)")).count();
    assert_eq!(reloads, 1);
    assert_eq!(bed.description(), revision(2));
}

#[test]
fn the_next_run_completes_a_run_killed_at_any_moment() {
    let bed = HaproxyFixture::running(Mode::MasterSocket);
    for moment in 0..30 {
        bed.write(&revision(10 + moment), "");
        let mut child = bed.start_reload(&[]);
        thread::sleep(Duration::from_millis(u64::from(moment) * 4));
        child.kill().unwrap();
        child.wait().unwrap();
        let outcome = bed.reload(&[]);
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        assert_eq!(bed.description(), revision(10 + moment));
    }
}

#[test]
fn reloads_under_load_fail_no_request() {
    let bed = HaproxyFixture::running(Mode::MasterSocket);
    let start = Instant::now();
    let load = Load::start(bed.front(), "/", Rate::default());
    for number in 2..12 {
        bed.write(&revision(number), "");
        assert_done(&bed.reload(&[]), "runs '");
    }
    let counts = load.since(start);
    assert!(counts.requests > 100, "{}", counts.requests);
    assert_eq!(counts.failures(), 0, "{}", counts.failures_shown());
}

#[test]
fn a_pid_file_of_another_program_is_not_used() {
    let bed = HaproxyFixture::empty();
    bed.write(&revision(1), "");
    let mut other = Command::new("sleep").arg("60").spawn().unwrap();
    let pid_file = bed.run.join("pid");
    replace(&pid_file, other.id().to_string().as_bytes(), 0o644).unwrap();
    let arguments = ["--pid-file", pid_file.to_str().unwrap()];
    for method in ["auto", "signal", "classic", "master"] {
        let outcome = bed.reload(&[&arguments[..], &["--method", method]].concat());
        assert_refused(&outcome, "start one: haproxy -W -S");
    }
    assert!(other.try_wait().unwrap().is_none(), "the other program was ended");
    other.kill().unwrap();
    other.wait().unwrap();
}

#[test]
fn a_haproxy_in_the_foreground_without_a_master_is_not_replaced() {
    let bed = HaproxyFixture::running(Mode::Foreground);
    let worker = bed.worker();
    bed.write(&revision(2), "");
    assert_refused(&bed.reload(&[]), "runs in the foreground without a master");
    assert_eq!(bed.worker(), worker);
}

#[test]
fn a_haproxy_without_any_socket_is_found_by_its_file_and_reloaded() {
    for mode in [Mode::MasterWorker, Mode::Classic] {
        let mut bed = HaproxyFixture::empty();
        bed.write_without_socket(1, "");
        bed.haproxy = Some(bed.start_program(&program(), "haproxy", mode, None));
        bed.write_without_socket(1, "capture request header Host len 32");
        assert_done(&bed.reload(&[]), "runs '");
        assert_done(&bed.reload(&[]), "runs this file");
    }
}

#[test]
fn a_haproxy_that_was_started_on_another_file_is_not_reloaded_for_this_one() {
    for (mode, bed, worker) in every_mode() {
        let copy = bed.run.join("copy.cfg");
        replace(&copy, &fs::read(bed.config()).unwrap(), 0o644).unwrap();
        let outcome = bed.reload(&["--force"]);
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        let reloaded = bed.worker();
        assert_ne!(reloaded, worker);
        let mut command = Command::new(programs::bin_dir().unwrap().join("reload-haproxy"));
        command.arg("--config").arg(&copy).arg("--state-dir").arg(bed.run.join("state")).arg("--force");
        let outcome = finish(command.stderr(Stdio::piped()).spawn().unwrap());
        assert_refused(&outcome, "was started on '");
        assert_eq!(bed.worker(), reloaded, "{mode:?}");
    }
}

#[test]
fn two_masters_on_one_file_are_an_error() {
    let mut bed = HaproxyFixture::empty();
    bed.write_without_socket(1, "");
    let first = bed.start_program(&program(), "first", Mode::MasterWorker, None);
    bed.write_without_socket(2, "");
    bed.haproxy = Some(bed.start_program(&program(), "second", Mode::MasterWorker, None));
    assert_refused(&bed.reload(&[]), "choose one with --pid-file");
    let pid_file = bed.haproxy().pid_file().to_owned();
    assert_done(&bed.reload(&["--pid-file", pid_file.to_str().unwrap()]), "");
    drop(first);
}

#[test]
fn a_dry_run_prints_the_action_and_the_reason_and_does_nothing() {
    let bed = HaproxyFixture::running(Mode::MasterSocket);
    let worker = bed.worker();
    bed.write(&revision(2), "");
    let output = bed.command(&["--dry-run"]).stdout(Stdio::piped()).output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let expected = format!(
        "reload (master): the file is rollcall-{:016x}, worker {worker} runs rollcall-{:016x}\n",
        2, 1
    );
    assert_eq!((output.status.code(), stdout.as_str()), (Some(0), expected.as_str()));
    assert_eq!(bed.worker(), worker);
}

#[test]
fn the_reason_for_a_reload_is_what_changed() {
    let bed = HaproxyFixture::running(Mode::MasterSocket);
    assert_done(&bed.reload(&[]), "nothing to do");
    bed.write(&revision(1), "capture request header Host len 32");
    assert_done(&bed.reload(&[]), "reload (master): line 15 of frontend web changed\n");
    bed.write(&revision(1), "capture request header Host len 32\nbackend nodes\n  server s1 127.0.0.1:9");
    assert_done(&bed.reload(&[]), "reload (master): line 16: backend nodes is new\n");
    bed.write(&revision(1), "capture request header Host len 32\nbackend nodes\n  server s2 127.0.0.1:9");
    let by_reload = bed.reload(&["--method", "master"]);
    assert_done(&by_reload, "reload (master): +1 -1 ~0 servers in backend nodes\n");
}

#[test]
fn force_reloads_a_file_that_runs_already() {
    let bed = HaproxyFixture::running(Mode::MasterSocket);
    let worker = bed.worker();
    assert_done(&bed.reload(&["--force"]), "reload (master): --force");
    assert_ne!(bed.worker(), worker);
}

/// A program that runs HAProxy after `script`, in a new mount namespace; root only.
fn in_its_own_namespace(bed: &HaproxyFixture, script: &str) -> Option<PathBuf> {
    if !nix::unistd::geteuid().is_root() {
        assert!(env::var_os("CI").is_none(), "a mount namespace needs root");
        eprintln!("SKIPPED: a mount namespace needs root");
        return None;
    }
    let wrapper = bed.run.join("wrapper");
    let inner = format!("{script}; exec {} \\\"\\$@\\\"", program().display());
    let text = format!("#!/bin/sh\nexec unshare --mount sh -c \"{inner}\" sh \"$@\"\n");
    replace(&wrapper, text.as_bytes(), 0o755).unwrap();
    Some(wrapper)
}

/// Debian's unit starts HAProxy like this (BindReadOnlyPaths).
#[test]
fn a_haproxy_with_its_own_view_of_the_file_system_is_found_and_reloaded() {
    let mut bed = HaproxyFixture::empty();
    let Some(wrapper) = in_its_own_namespace(&bed, ":") else { return };
    bed.write_without_socket(1, "");
    bed.haproxy = Some(bed.start_program(&wrapper, "haproxy", Mode::MasterWorker, None));
    bed.write_without_socket(1, "capture request header Host len 32");
    assert_done(&bed.reload(&[]), "runs '");
}

#[test]
fn a_haproxy_with_the_same_path_in_another_root_is_not_used() {
    let mut bed = HaproxyFixture::empty();
    let elsewhere = tempfile::tempdir().unwrap();
    let mount = format!("mount --bind {} {}", elsewhere.path().display(), bed.run.path().display());
    let Some(wrapper) = in_its_own_namespace(&bed, &mount) else { return };
    bed.write(&revision(1), "");
    let other = fs::read_to_string(bed.config()).unwrap();
    replace(&elsewhere.path().join("haproxy.cfg"), other.as_bytes(), 0o644).unwrap();
    bed.haproxy = Some(bed.start_program(&wrapper, "haproxy", Mode::Foreground, None));
    poll::until(SOON, "its listener", || std::net::TcpStream::connect(bed.front()).ok()).unwrap();
    assert_refused(&bed.reload(&[]), "start one: haproxy -W -S");
}

#[test]
fn sockets_alone_are_enough() {
    let bed = HaproxyFixture::running(Mode::MasterSocket);
    bed.write(&revision(2), "");
    let (admin, master) = (bed.run.join("admin.sock"), bed.haproxy().master_socket().unwrap().to_owned());
    let arguments = ["--stats-socket", admin.to_str().unwrap(), "--master-socket", master.to_str().unwrap()];
    assert_done(&bed.reload(&arguments), "runs '");
    assert_eq!(bed.description(), revision(2));
}

#[test]
fn a_restarted_haproxy_is_checked_again() {
    let mut bed = HaproxyFixture::running(Mode::MasterSocket);
    bed.write(&revision(2), "");
    assert_done(&bed.reload(&[]), "runs '");
    drop(bed.haproxy.take());
    bed.start(Mode::MasterSocket);
    assert_done(&bed.reload(&[]), "nothing to do");
    poll::until(SOON, "the answer", || bed.haproxy().show_info().ok()).unwrap();
    assert!(fs::read_dir(bed.run.join("state")).unwrap().count() >= 2);
}
