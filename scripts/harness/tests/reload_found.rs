//! Which HAProxy reload-haproxy finds and reloads, and which it leaves alone.
//!
//! `$HAPROXY` names another HAProxy than the installed one, as in tests/reload_methods.rs.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use common::replace::replace;
use harness::cluster::single_haproxy::{
    HaproxyFixture, assert_done, assert_refused, every_mode, finish, program, revision,
};
use harness::daemons::haproxy::Mode;
use harness::run::{poll, programs};

const SOON: Duration = Duration::from_secs(10);

#[test]
fn a_pid_file_of_another_program_is_not_used() {
    let fixture = HaproxyFixture::empty();
    fixture.write(&revision(1), "");
    let mut other = Command::new("sleep").arg("60").spawn().unwrap();
    let pid_file = fixture.run.join("pid");
    replace(&pid_file, other.id().to_string().as_bytes(), 0o644).unwrap();
    let arguments = ["--pid-file", pid_file.to_str().unwrap()];
    for method in ["auto", "signal", "classic", "master"] {
        let outcome = fixture.reload(&[&arguments[..], &["--method", method]].concat());
        assert_refused(&outcome, "start one: haproxy -W -S");
    }
    assert!(other.try_wait().unwrap().is_none(), "the other program was ended");
    other.kill().unwrap();
    other.wait().unwrap();
}

#[test]
fn a_haproxy_without_any_socket_is_found_by_its_file_and_reloaded() {
    for mode in [Mode::MasterWorker, Mode::Classic] {
        let mut fixture = HaproxyFixture::empty();
        fixture.write_without_socket(1, "");
        fixture.haproxy = Some(fixture.start_program(&program(), "haproxy", mode, None));
        fixture.write_without_socket(1, "capture request header Host len 32");
        assert_done(&fixture.reload(&[]), "runs '");
        assert_done(&fixture.reload(&[]), "runs this file");
    }
}

#[test]
fn a_haproxy_that_was_started_on_another_file_is_not_reloaded_for_this_one() {
    for (mode, fixture, worker) in every_mode() {
        let copy = fixture.run.join("copy.cfg");
        replace(&copy, &fs::read(fixture.config()).unwrap(), 0o644).unwrap();
        let outcome = fixture.reload(&["--force"]);
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        let reloaded = fixture.worker();
        assert_ne!(reloaded, worker);
        let mut command = Command::new(programs::bin_dir().unwrap().join("reload-haproxy"));
        command.arg("--config").arg(&copy).arg("--state-dir").arg(fixture.run.join("state")).arg("--force");
        let outcome = finish(command.stderr(Stdio::piped()).spawn().unwrap());
        assert_refused(&outcome, "was started on '");
        assert_eq!(fixture.worker(), reloaded, "{mode:?}");
    }
}

#[test]
fn two_masters_on_one_file_are_an_error() {
    let mut fixture = HaproxyFixture::empty();
    fixture.write_without_socket(1, "");
    let first = fixture.start_program(&program(), "first", Mode::MasterWorker, None);
    fixture.write_without_socket(2, "");
    fixture.haproxy = Some(fixture.start_program(&program(), "second", Mode::MasterWorker, None));
    assert_refused(&fixture.reload(&[]), "choose one with --pid-file");
    let pid_file = fixture.haproxy().pid_file().to_owned();
    assert_done(&fixture.reload(&["--pid-file", pid_file.to_str().unwrap()]), "");
    drop(first);
}

/// A program that runs HAProxy after `script`, in a new mount namespace; needs root.
fn in_its_own_namespace(fixture: &HaproxyFixture, script: &str) -> Option<PathBuf> {
    if !nix::unistd::geteuid().is_root() {
        assert!(env::var_os("CI").is_none(), "a mount namespace needs root");
        eprintln!("SKIPPED: a mount namespace needs root");
        return None;
    }
    let inner = format!("{script}; exec {} \\\"\\$@\\\"", program().display());
    Some(fixture.script("wrapper", &format!("exec unshare --mount sh -c \"{inner}\" sh \"$@\"")))
}

/// Debian's unit starts HAProxy like this (BindReadOnlyPaths).
#[test]
fn a_haproxy_with_its_own_view_of_the_file_system_is_found_and_reloaded() {
    let mut fixture = HaproxyFixture::empty();
    let Some(wrapper) = in_its_own_namespace(&fixture, ":") else { return };
    fixture.write_without_socket(1, "");
    fixture.haproxy = Some(fixture.start_program(&wrapper, "haproxy", Mode::MasterWorker, None));
    fixture.write_without_socket(1, "capture request header Host len 32");
    assert_done(&fixture.reload(&[]), "runs '");
}

#[test]
fn a_haproxy_with_the_same_path_in_another_root_is_not_used() {
    let mut fixture = HaproxyFixture::empty();
    let elsewhere = tempfile::tempdir().unwrap();
    let mount = format!("mount --bind {} {}", elsewhere.path().display(), fixture.run.path().display());
    let Some(wrapper) = in_its_own_namespace(&fixture, &mount) else { return };
    fixture.write(&revision(1), "");
    let other = fs::read_to_string(fixture.config()).unwrap();
    replace(&elsewhere.path().join("haproxy.cfg"), other.as_bytes(), 0o644).unwrap();
    fixture.haproxy = Some(fixture.start_program(&wrapper, "haproxy", Mode::Foreground, None));
    poll::until(SOON, "its listener", || std::net::TcpStream::connect(fixture.front()).ok()).unwrap();
    assert_refused(&fixture.reload(&[]), "start one: haproxy -W -S");
}

#[test]
fn sockets_alone_are_enough() {
    let fixture = HaproxyFixture::running(Mode::MasterSocket);
    fixture.write(&revision(2), "");
    let (admin, master) =
        (fixture.run.join("admin.sock"), fixture.haproxy().master_socket().unwrap().to_owned());
    let arguments = ["--stats-socket", admin.to_str().unwrap(), "--master-socket", master.to_str().unwrap()];
    assert_done(&fixture.reload(&arguments), "runs '");
    assert_eq!(fixture.description(), revision(2));
}

#[test]
fn a_restarted_haproxy_is_checked_again() {
    let mut fixture = HaproxyFixture::running(Mode::MasterSocket);
    fixture.write(&revision(2), "");
    assert_done(&fixture.reload(&[]), "runs '");
    drop(fixture.haproxy.take());
    fixture.start(Mode::MasterSocket);
    assert_done(&fixture.reload(&[]), "nothing to do");
    poll::until(SOON, "the answer", || fixture.haproxy().show_info().ok()).unwrap();
    assert!(fs::read_dir(fixture.run.join("state")).unwrap().count() >= 2);
}
