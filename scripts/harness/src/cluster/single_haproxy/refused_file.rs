//! A file that HAProxy rejects although `haproxy -c` and the preflight check accept it, and what must be on disk then.
//!
//! The preflight check skips lines within `.if`, so each of these reloads is really attempted.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;

use crate::cluster::single_haproxy::fixture::{HaproxyFixture, revision};
use crate::cluster::single_haproxy::outcome::assert_done;
use crate::daemons::haproxy::Mode;

/// An unusual mode for the file.
pub const MODE: u32 = 0o640;

/// The message of a run that has put the last good file back.
pub const PUT_BACK: &str = "the last good file is restored to '";

/// Arguments for a reload whose failure shows only by the absence of a new worker. Such a run always lasts until its
/// timeout.
pub const BRIEFLY: [&str; 2] = ["--timeout", "3s"];

/// A fixture whose file is proven to run, with an unusual mode and owner.
pub fn proven(mode: Mode) -> HaproxyFixture {
    let fixture = HaproxyFixture::running(mode);
    assert_done(&fixture.reload(&[]), "nothing to do");
    own(&fixture.config());
    fixture
}

/// Sets an unusual mode and, if allowed, an unusual owner, which no newly created file has.
pub fn own(path: &Path) {
    fs::set_permissions(path, fs::Permissions::from_mode(MODE)).unwrap();
    if geteuid().is_root() {
        chown(path, Some(12345), Some(54321)).unwrap();
    }
}

/// Asserts that the file has that mode and owner.
#[track_caller]
pub fn assert_owned(path: &Path) {
    let metadata = fs::metadata(path).unwrap();
    assert_eq!(metadata.mode() & 0o7777, MODE, "{}", path.display());
    if geteuid().is_root() {
        assert_eq!((metadata.uid(), metadata.gid()), (12345, 54321), "{}", path.display());
    }
}

/// Writes a file of this revision with lines that the preflight check skips; returns its bytes.
pub fn write_unseen(fixture: &HaproxyFixture, number: u32, global: &str, frontend: &str) -> Vec<u8> {
    let unseen = |lines: &str| format!(".if 1\n  {lines}\n.endif");
    fixture.write(&format!("{}\n{}", revision(number), unseen(global)), &unseen(frontend));
    own(&fixture.config());
    read(&fixture.config())
}

/// Like `write_unseen`, with a socket in a missing directory: every version of HAProxy rejects that at once and keeps
/// running.
pub fn write_with_missing_directory(fixture: &HaproxyFixture, number: u32) -> Vec<u8> {
    let socket = missing(fixture, number).join("x.sock");
    write_unseen(fixture, number, &format!("stats socket {}", socket.display()), "")
}

/// The directory that is missing for this revision.
pub fn missing(fixture: &HaproxyFixture, number: u32) -> PathBuf {
    fixture.run.join(&format!("missing-{number}"))
}

/// The bytes of a file.
pub fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap()
}

/// Where the rejected file is kept.
pub fn refused(fixture: &HaproxyFixture) -> PathBuf {
    fixture.run.join("haproxy.cfg.refused")
}

/// Asserts that `good` is in place and `bad` beside it, both with the mode and owner of the configuration.
#[track_caller]
pub fn assert_rolled_back(fixture: &HaproxyFixture, good: &[u8], bad: &[u8]) {
    assert!(read(&fixture.config()) == good, "it is not the last good file");
    assert!(read(&refused(fixture)) == bad, "it is not the refused file");
    assert_owned(&fixture.config());
    assert_owned(&refused(fixture));
}

/// Asserts that `now` is in place and runs, and that nothing is left of a refusal.
#[track_caller]
pub fn assert_settled(fixture: &HaproxyFixture, now: &[u8], number: u32) {
    assert!(read(&fixture.config()) == now, "it is another file");
    assert_owned(&fixture.config());
    assert!(!refused(fixture).exists());
    let is_mark = |path: &Path| path.extension().is_some_and(|extension| extension == "refused");
    let state = fs::read_dir(fixture.run.join("state")).unwrap();
    assert!(!state.flatten().any(|entry| is_mark(&entry.path())), "the mark is left");
    assert_eq!(fixture.description(), revision(number));
}
