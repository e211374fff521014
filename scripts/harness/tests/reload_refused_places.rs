//! The last good file is put back in the place where the rejected one is: at the end of a symlink, or in a mount point.
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
