//! The last good file is put back where the rejected one is: at the end of a symlink, or in a mount point.
//!
//! `$HAPROXY` names another HAProxy than the installed one, as in tests/reload_methods.rs.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use common::replace::replace;
use harness::cluster::single_haproxy::refused_file::{
    PUT_BACK, assert_rolled_back, missing, proven, read, write_with_missing_directory,
};
use harness::cluster::single_haproxy::{
    HaproxyFixture, Outcome, assert_done, assert_refused, finish, program, revision,
};
use harness::daemons::haproxy::{Haproxy, Mode};
use nix::unistd::geteuid;

/// A run of reload-haproxy on the file under another path.
fn command_on(fixture: &HaproxyFixture, config: &Path) -> Command {
    let command = fixture.command(&[]);
    let mut other = Command::new(command.get_program());
    other.arg("--config").arg(config).args(command.get_args().skip(2));
    other.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    other
}

#[test]
fn the_target_of_a_symlink_is_put_back_and_the_symlink_stays() {
    let fixture = proven(Mode::MasterSocket);
    let good = read(&fixture.config());
    let link = fixture.run.join("link.cfg");
    std::os::unix::fs::symlink("haproxy.cfg", &link).unwrap();
    let bad = write_with_missing_directory(&fixture, 2);
    assert_refused(&finish(command_on(&fixture, &link).spawn().unwrap()), PUT_BACK);
    assert_rolled_back(&fixture, &good, &bad);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
}

/// A single file that is mounted, as containers do with a configuration, cannot be replaced by a rename.
#[test]
fn a_file_that_is_a_mount_point_is_put_back_in_place() {
    if !geteuid().is_root() {
        assert!(std::env::var_os("CI").is_none(), "a mount namespace needs root");
        eprintln!("SKIPPED: a mount namespace needs root");
        return;
    }
    let mut fixture = HaproxyFixture::empty();
    fixture.write(&revision(1), "");
    let (mounted, config) = (fixture.run.join("mounted.cfg"), fixture.run.join("in/haproxy.cfg"));
    fs::create_dir(fixture.run.join("in")).unwrap();
    fs::copy(fixture.config(), &mounted).unwrap();
    replace(&config, b"", 0o644).unwrap();
    let mount = format!("mount --bind {} {}", mounted.display(), config.display());
    let inner = format!("{mount}; exec {} \\\"\\$@\\\"", program().display());
    let text = format!("exec unshare --mount sh -c \"{inner}\" sh \"$@\"");
    let wrapper = fixture.script("wrapper", &text);
    let admin = fixture.run.join("admin.sock");
    let haproxy =
        Haproxy::start_program(&wrapper, &fixture.run, "haproxy", &config, Mode::MasterSocket, Some(&admin));
    fixture.haproxy = Some(haproxy.unwrap());
    let reload = || inside(&fixture, &command_on(&fixture, &config));
    let good = read(&mounted);
    assert_done(&reload(), "nothing to do");
    let bad = write_with_missing_directory(&fixture, 2);
    // This writes into the mounted file, as its owner would.
    fs::copy(fixture.config(), &mounted).unwrap();
    let outcome = reload();
    assert_refused(&outcome, "in place, because it is a mount point");
    let refused = fixture.run.join("in/haproxy.cfg.refused");
    assert!(read(&mounted) == good && read(&refused) == bad, "{}", outcome.stderr);
    fs::create_dir(missing(&fixture, 2)).unwrap();
    assert_done(&reload(), "and tried again");
    assert!(read(&mounted) == bad && !refused.exists());
}

/// Runs a command in the mount namespace of the fixture's HAProxy.
fn inside(fixture: &HaproxyFixture, command: &Command) -> Outcome {
    let mut within = Command::new("nsenter");
    within.args(["--mount", "--target", &fixture.haproxy().pid().unwrap().to_string(), "--"]);
    within.arg(command.get_program()).args(command.get_args());
    finish(within.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap())
}
