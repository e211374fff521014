//! A file that HAProxy rejects although `haproxy -c` and the preflight check accept it: the last good file is put back,
//! and the rejected one is tried again, even if a process is killed in between.
//!
//! The preflight check skips lines within `.if`, so each of these reloads is really attempted.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use common::replace::replace;
use harness::cluster::single_haproxy::{
    HaproxyFixture, MODES, Outcome, assert_done, assert_refused, finish, is_since, program, revision,
};
use harness::daemons::haproxy::{Haproxy, Mode, is_haproxy};
use harness::run::poll;
use harness::run::process::is_running;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};

const MODE: u32 = 0o640;
const PUT_BACK: &str = "the last good file is restored to '";
/// Where only the absence of a new worker shows that a reload failed, a run lasts as long.
const BRIEFLY: [&str; 2] = ["--timeout", "3s"];

/// A fixture whose file is proven to run, with an unusual mode and owner.
fn proven(mode: Mode) -> HaproxyFixture {
    let bed = HaproxyFixture::running(mode);
    assert_done(&bed.reload(&[]), "nothing to do");
    own(&bed.config());
    bed
}

/// Gives a file a mode and, if allowed, an owner that no new file has.
fn own(path: &Path) {
    fs::set_permissions(path, fs::Permissions::from_mode(MODE)).unwrap();
    if geteuid().is_root() {
        chown(path, Some(12345), Some(54321)).unwrap();
    }
}

#[track_caller]
fn assert_owned(path: &Path) {
    let metadata = fs::metadata(path).unwrap();
    assert_eq!(metadata.mode() & 0o7777, MODE, "{}", path.display());
    if geteuid().is_root() {
        assert_eq!((metadata.uid(), metadata.gid()), (12345, 54321), "{}", path.display());
    }
}

/// Writes a file of that revision with lines for `global` that the preflight check skips; returns its bytes.
fn write_unseen(bed: &HaproxyFixture, number: u32, global: &str, frontend: &str) -> Vec<u8> {
    let unseen = |lines: &str| format!(".if 1\n  {lines}\n.endif");
    bed.write(&format!("{}\n{}", revision(number), unseen(global)), &unseen(frontend));
    own(&bed.config());
    read(&bed.config())
}

/// The same with a socket in a directory that is missing: every version refuses it at once and goes on.
fn write_with_missing_directory(bed: &HaproxyFixture, number: u32) -> Vec<u8> {
    let socket = missing(bed, number).join("x.sock");
    write_unseen(bed, number, &format!("stats socket {}", socket.display()), "")
}

/// The directory that is missing for that revision.
fn missing(bed: &HaproxyFixture, number: u32) -> PathBuf {
    bed.run.join(&format!("missing-{number}"))
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap()
}

fn refused(bed: &HaproxyFixture) -> PathBuf {
    bed.run.join("haproxy.cfg.refused")
}

/// `good` is in place and `bad` beside it, both with the mode and owner of the configuration.
#[track_caller]
fn assert_rolled_back(bed: &HaproxyFixture, good: &[u8], bad: &[u8]) {
    assert!(read(&bed.config()) == good, "it is not the last good file");
    assert!(read(&refused(bed)) == bad, "it is not the refused file");
    assert_owned(&bed.config());
    assert_owned(&refused(bed));
}

/// `now` is in place and runs, and nothing is left of a refusal.
#[track_caller]
fn assert_settled(bed: &HaproxyFixture, now: &[u8], number: u32) {
    assert!(read(&bed.config()) == now, "it is another file");
    assert_owned(&bed.config());
    assert!(!refused(bed).exists());
    let is_mark = |path: &Path| path.extension().is_some_and(|extension| extension == "refused");
    let state = fs::read_dir(bed.run.join("state")).unwrap();
    assert!(!state.flatten().any(|entry| is_mark(&entry.path())), "the mark is left");
    assert_eq!(bed.description(), revision(number));
}

#[test]
fn a_rejected_file_is_replaced_by_the_last_good_one_and_tried_again() {
    for mode in MODES {
        let bed = proven(mode);
        let good = read(&bed.config());
        let other = TcpListener::bind((bed.subnet.host(2), 0)).unwrap();
        let address = other.local_addr().unwrap();
        let bad = write_unseen(&bed, 2, "", &format!("bind {address}"));
        for _ in 0..2 {
            assert_refused(&bed.reload(&BRIEFLY), PUT_BACK);
            assert_rolled_back(&bed, &good, &bad);
        }
        drop(other);
        // A process that another test is forking may hold it a moment longer.
        poll::until(Duration::from_secs(20), "success", || (bed.reload(&[]).code == 0).then_some(()))
            .unwrap();
        assert_settled(&bed, &bad, 2);
        assert_done(&bed.reload(&[]), "nothing to do");
    }
}

/// Ends a HAProxy that is no longer in its pid file, because one that failed to take over has overwritten it.
fn end(pid: u32) {
    if is_haproxy(pid) {
        kill(Pid::from_raw(i32::try_from(pid).unwrap()), Signal::SIGTERM).unwrap();
        poll::until(Duration::from_secs(10), "its end", || (!is_haproxy(pid)).then_some(())).unwrap();
    }
}

/// Up to 3.0 HAProxy dies of it, and so do its workers.
#[test]
fn a_haproxy_killed_by_a_file_starts_again_on_the_last_good_one() {
    for mode in MODES {
        let mut bed = proven(mode);
        let good = read(&bed.config());
        let jail = bed.run.join("jail");
        let bad = write_unseen(&bed, 2, &format!("chroot {}", jail.display()), "");
        assert_refused(&bed.reload(&BRIEFLY), PUT_BACK);
        assert_rolled_back(&bed, &good, &bad);
        let worker = bed.haproxy().worker_pid();
        drop(bed.haproxy.take());
        worker.into_iter().for_each(end);
        // If no HAProxy runs, the working file stays in place.
        assert_refused(&bed.reload(&[]), "start one: haproxy -W -S");
        assert_rolled_back(&bed, &good, &bad);
        bed.start(mode);
        assert_eq!(bed.description(), revision(1), "{mode:?}");
        fs::create_dir(&jail).unwrap();
        assert_done(&bed.reload(&[]), "and tried again");
        assert_settled(&bed, &bad, 2);
    }
}

/// Up to 3.0; from 3.1 on it goes on, and only the master's socket tells that it did not take the file.
#[test]
fn a_dying_master_is_not_waited_for_and_no_idle_one_is_left() {
    for mode in [Mode::MasterSocket, Mode::MasterWorker] {
        let bed = proven(mode);
        write_unseen(&bed, 2, &format!("chroot {}", bed.run.join("jail").display()), "");
        let (start, limit) = (Instant::now(), Duration::from_secs(15));
        let outcome = bed.reload(&["--timeout", "15s"]);
        let took = start.elapsed();
        assert_refused(&outcome, PUT_BACK);
        if !is_since((3, 1)) {
            assert!(took < limit, "{}", outcome.stderr);
            let master = bed.haproxy().pid().unwrap();
            poll::until(limit, "the master's end", || (!is_running(master)).then_some(())).unwrap();
        }
    }
}

#[test]
fn without_a_file_that_was_proven_to_work_nothing_is_put_back() {
    let bed = HaproxyFixture::running(Mode::MasterSocket);
    let bad = write_with_missing_directory(&bed, 2);
    for _ in 0..2 {
        assert_refused(&bed.reload(&BRIEFLY), "stays in place: no earlier file was proven loaded");
        assert!(read(&bed.config()) == bad && !refused(&bed).exists());
    }
}

#[test]
fn a_file_that_is_refused_before_the_reload_stays() {
    let bed = proven(Mode::MasterSocket);
    for (global, frontend, says) in [
        ("", "bogus words", "haproxy -c rejects it"),
        ("chroot /nonexistent/jail", "", "is not a directory; the running configuration stays in service"),
    ] {
        bed.write(&format!("{}\n  {global}", revision(2)), frontend);
        let bad = read(&bed.config());
        let outcome = bed.reload(&[]);
        assert_refused(&outcome, says);
        assert!(read(&bed.config()) == bad && !outcome.stderr.contains(PUT_BACK), "{}", outcome.stderr);
    }
}

#[test]
fn a_file_that_is_written_during_the_reload_is_not_overwritten() {
    let bed = proven(Mode::Classic);
    bed.write(&revision(3), "");
    own(&bed.config());
    let newer = read(&bed.config());
    fs::rename(bed.config(), bed.run.join("newer.cfg")).unwrap();
    write_with_missing_directory(&bed, 2);
    // A HAProxy during whose start another file is written.
    let text = format!(
        "[ \"$1\" != -c ] || exit 0\n{} \"$@\" && exit\nmv {} {}\nexit 1",
        program().display(),
        bed.run.join("newer.cfg").display(),
        bed.config().display(),
    );
    let busy = bed.script("busy", &text);
    let outcome = finish(bed.command_with(&busy, &[]).spawn().unwrap());
    assert_refused(&outcome, "has changed meanwhile and stays in place");
    assert!(read(&bed.config()) == newer);
    assert_done(&bed.reload(&[]), "runs '");
    assert_settled(&bed, &newer, 3);
}

#[test]
fn a_file_written_after_a_refusal_is_used() {
    let bed = proven(Mode::MasterSocket);
    let good = read(&bed.config());
    write_with_missing_directory(&bed, 2);
    assert_refused(&bed.reload(&[]), PUT_BACK);
    let bad = write_with_missing_directory(&bed, 3);
    assert_refused(&bed.reload(&[]), PUT_BACK);
    assert_rolled_back(&bed, &good, &bad);
    // As render-cfg does, for which the nodes still make the same file.
    replace(&bed.config(), &bad, MODE).unwrap();
    own(&bed.config());
    assert_refused(&bed.reload(&[]), PUT_BACK);
    assert_rolled_back(&bed, &good, &bad);
    bed.write(&revision(4), "");
    own(&bed.config());
    let newer = read(&bed.config());
    let outcome = bed.reload(&[]);
    assert_done(&outcome, "runs '");
    assert!(!outcome.stderr.contains("tried again"), "{}", outcome.stderr);
    assert_settled(&bed, &newer, 4);
}

/// As render-cfg does, if the nodes make the good file again.
#[test]
fn after_the_good_file_is_written_again_the_refused_one_is_not_tried() {
    let bed = proven(Mode::MasterSocket);
    let good = read(&bed.config());
    write_with_missing_directory(&bed, 2);
    assert_refused(&bed.reload(&[]), PUT_BACK);
    fs::create_dir(missing(&bed, 2)).unwrap();
    replace(&bed.config(), &good, MODE).unwrap();
    own(&bed.config());
    assert_done(&bed.reload(&[]), "nothing to do");
    assert_settled(&bed, &good, 1);
}

#[test]
fn a_refused_file_that_was_changed_or_removed_is_neither_tried_nor_removed() {
    let bed = proven(Mode::MasterSocket);
    write_with_missing_directory(&bed, 2);
    assert_refused(&bed.reload(&[]), PUT_BACK);
    replace(&refused(&bed), b"# a note of mine\n", MODE).unwrap();
    assert_done(&bed.reload(&[]), "nothing to do");
    assert_eq!(read(&refused(&bed)), b"# a note of mine\n");
    write_with_missing_directory(&bed, 3);
    assert_refused(&bed.reload(&[]), PUT_BACK);
    fs::remove_file(refused(&bed)).unwrap();
    assert_done(&bed.reload(&[]), "nothing to do");
}

#[test]
fn a_dry_run_reports_the_retry_of_a_refused_file_and_changes_nothing() {
    let bed = proven(Mode::MasterSocket);
    let good = read(&bed.config());
    let bad = write_with_missing_directory(&bed, 2);
    assert_refused(&bed.reload(&[]), PUT_BACK);
    let output = bed.command(&["--dry-run"]).stdout(Stdio::piped()).output().unwrap();
    let expected = format!(
        "reload (master): '{}', which HAProxy rejected, is tried again\n",
        refused(&bed).canonicalize().unwrap().display()
    );
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
    assert_rolled_back(&bed, &good, &bad);
}

/// A run on the file under another name.
fn command_on(bed: &HaproxyFixture, config: &Path) -> Command {
    let command = bed.command(&[]);
    let mut other = Command::new(command.get_program());
    other.arg("--config").arg(config).args(command.get_args().skip(2));
    other.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    other
}

#[test]
fn the_target_of_a_symlink_is_put_back_and_the_symlink_stays() {
    let bed = proven(Mode::MasterSocket);
    let good = read(&bed.config());
    let link = bed.run.join("link.cfg");
    std::os::unix::fs::symlink("haproxy.cfg", &link).unwrap();
    let bad = write_with_missing_directory(&bed, 2);
    assert_refused(&finish(command_on(&bed, &link).spawn().unwrap()), PUT_BACK);
    assert_rolled_back(&bed, &good, &bad);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
}

/// A single file that is mounted, as containers do with a configuration, cannot be renamed over.
#[test]
fn a_file_that_is_a_mount_point_is_put_back_in_place() {
    if !geteuid().is_root() {
        assert!(std::env::var_os("CI").is_none(), "a mount namespace needs root");
        eprintln!("SKIPPED: a mount namespace needs root");
        return;
    }
    let mut bed = HaproxyFixture::empty();
    bed.write(&revision(1), "");
    let (mounted, config) = (bed.run.join("mounted.cfg"), bed.run.join("in/haproxy.cfg"));
    fs::create_dir(bed.run.join("in")).unwrap();
    fs::copy(bed.config(), &mounted).unwrap();
    replace(&config, b"", 0o644).unwrap();
    let mount = format!("mount --bind {} {}", mounted.display(), config.display());
    let inner = format!("{mount}; exec {} \\\"\\$@\\\"", program().display());
    let text = format!("exec unshare --mount sh -c \"{inner}\" sh \"$@\"");
    let wrapper = bed.script("wrapper", &text);
    let admin = bed.run.join("admin.sock");
    let haproxy =
        Haproxy::start_program(&wrapper, &bed.run, "haproxy", &config, Mode::MasterSocket, Some(&admin));
    bed.haproxy = Some(haproxy.unwrap());
    let reload = || inside(&bed, &command_on(&bed, &config));
    let good = read(&mounted);
    assert_done(&reload(), "nothing to do");
    let bad = write_with_missing_directory(&bed, 2);
    // Into the mounted file, as its owner would write it.
    fs::copy(bed.config(), &mounted).unwrap();
    let outcome = reload();
    assert_refused(&outcome, "in place, because it is a mount point");
    let refused = bed.run.join("in/haproxy.cfg.refused");
    assert!(read(&mounted) == good && read(&refused) == bad, "{}", outcome.stderr);
    fs::create_dir(missing(&bed, 2)).unwrap();
    assert_done(&reload(), "and tried again");
    assert!(read(&mounted) == bad && !refused.exists());
}

/// Runs a command in the mount namespace of the fixture's HAProxy.
fn inside(bed: &HaproxyFixture, command: &Command) -> Outcome {
    let mut within = Command::new("nsenter");
    within.args(["--mount", "--target", &bed.haproxy().pid().unwrap().to_string(), "--"]);
    within.arg(command.get_program()).args(command.get_args());
    finish(within.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap())
}

const MOMENTS: u32 = 30;

/// Kills a run after this part of its usual time.
fn kill_at(bed: &HaproxyFixture, moment: u32, whole: Duration) {
    let mut child = bed.start_reload(&[]);
    thread::sleep(whole * moment / MOMENTS);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_run_killed_at_any_moment_of_a_failing_reload_leaves_a_whole_file_and_the_next_one_ends_right() {
    let bed = proven(Mode::MasterSocket);
    let good = read(&bed.config());
    write_with_missing_directory(&bed, 2);
    let start = Instant::now();
    assert_refused(&bed.reload(&[]), PUT_BACK);
    let whole = start.elapsed();
    for moment in 0..MOMENTS {
        let bad = write_with_missing_directory(&bed, 10 + moment);
        kill_at(&bed, moment, whole);
        let left = read(&bed.config());
        assert!(left == good || left == bad, "moment {moment}: it is half a file");
        assert_owned(&bed.config());
        assert_refused(&bed.reload(&[]), PUT_BACK);
        assert_rolled_back(&bed, &good, &bad);
    }
    fs::create_dir(missing(&bed, 9 + MOMENTS)).unwrap();
    assert_done(&bed.reload(&[]), "and tried again");
    assert_eq!(bed.description(), revision(9 + MOMENTS));
}

#[test]
fn a_run_killed_while_it_tries_again_leaves_a_whole_file_and_the_next_one_ends_right() {
    let bed = proven(Mode::MasterSocket);
    let mut whole = Duration::from_millis(500);
    for moment in 0..MOMENTS {
        let good = read(&bed.config());
        let bad = write_with_missing_directory(&bed, 10 + moment);
        assert_refused(&bed.reload(&[]), PUT_BACK);
        // Half of them succeed, half fail.
        let ends_well = moment % 2 == 0;
        if ends_well {
            fs::create_dir(missing(&bed, 10 + moment)).unwrap();
        }
        kill_at(&bed, moment, whole);
        let left = read(&bed.config());
        assert!(left == good || left == bad, "moment {moment}: it is half a file");
        let start = Instant::now();
        let outcome = bed.reload(&[]);
        if ends_well {
            assert_done(&outcome, "");
            whole = start.elapsed().max(whole / 2);
            assert_settled(&bed, &bad, 10 + moment);
        } else {
            assert_refused(&outcome, PUT_BACK);
            assert_rolled_back(&bed, &good, &bad);
        }
    }
}
