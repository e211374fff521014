//! `--watch` does not read what it knows, and still gives what a run without it gives.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use std::fs::{self, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use common::replace::replace;
use nix::fcntl::AT_FDCWD;
use nix::sys::signal::Signal;
use nix::sys::stat::{UtimensatFlags, utimensat};
use nix::sys::time::TimeSpec;
use support::dice::Dice;
use support::watcher::{EVENTS_ONLY, Watcher};
use support::{Bed, SERVERS, record, skip, until};

/// Longer than a stamp needs to settle.
const SETTLED: Duration = Duration::from_millis(1100);

#[test]
fn a_record_that_has_not_changed_is_opened_once() {
    if !Command::new("strace").args(["-D", "-o", "/dev/null", "true"]).status().is_ok_and(|s| s.success()) {
        return skip("strace is missing, or not allowed here");
    }
    let bed = Bed::new(SERVERS);
    // A container's own file system may be of a kind whose stamps are not relied on. This one is not.
    let shared = tempfile::tempdir_in("/dev/shm").unwrap();
    fs::remove_dir(bed.path("nodes")).unwrap();
    symlink(shared.path(), bed.path("nodes")).unwrap();
    (0..50).for_each(|i| bed.node(&format!("s{i}"), "10.0.0.1", &[]));
    sleep(SETTLED);
    let program = bed.command(&["--output", "out", "--watch", "-v", "--look-every", "100ms"]);
    let mut command = Command::new("strace");
    command.args(["-D", "-f", "-e", "trace=openat", "-o", "trace"]).arg(program.get_program());
    command.args(program.get_args()).current_dir(bed.scratch.path()).env("NODES_DIR", bed.path("nodes"));
    let watcher = bed.watch_with(command);
    let opened = || bed.read("trace").lines().filter(|line| line.contains(".json\"")).count();
    let more_renders = || {
        let before = watcher.renders();
        until("more renders", || (watcher.renders() > before + 3).then_some(()));
    };
    more_renders();
    assert_eq!(opened(), 50, "{}", bed.read("trace"));
    bed.node("s7", "10.0.0.2", &[]);
    until("the new address", || bed.read("out").contains("10.0.0.2").then_some(()));
    sleep(SETTLED);
    more_renders();
    let before = opened();
    assert!(before > 50, "{before}");
    more_renders();
    assert_eq!(opened(), before, "it has settled, too");
}

/// A bed whose nodes directory changes at random.
struct Changing<'b> {
    bed: &'b Bed,
    dice: Dice,
}

impl Changing<'_> {
    /// The name of one of a few nodes.
    fn name(&mut self) -> String {
        format!("s{}", self.dice.roll(8))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.bed.path("nodes").join(format!("{name}.json"))
    }

    /// A record of a node. All are equally long.
    fn record(&mut self, name: &str) -> String {
        record(name, &format!("10.0.0.{}", 100 + self.dice.roll(100)))
    }

    /// Makes one change, in one of the ways in which files change.
    fn change(&mut self) {
        let (name, other) = (self.name(), self.name());
        let (path, from) = (self.path(&name), self.path(&other));
        let new = self.bed.path("new");
        // Many of these fail, for example because there is no such record. Then they are no change.
        let _ = match self.dice.roll(16) {
            0..=3 => replace(&path, self.record(&name).as_bytes(), 0o640),
            4..=6 => write_in_place(&path, &self.record(&name)),
            7 => set_back(&path, &self.record(&name)),
            8 => fs::remove_file(&path).or_else(|_| fs::remove_dir(&path)),
            9 => fs::rename(&from, &path),
            10 => fs::hard_link(&from, &new).and_then(|()| fs::rename(&new, &path)),
            11 => self.link(&name),
            12 => fs::set_permissions(
                &path,
                Permissions::from_mode(if self.dice.roll(2) == 0 { 0o000 } else { 0o640 }),
            ),
            13 => replace(&path, b"{", 0o640).or_else(|_| fs::create_dir(&path)),
            14 => self.replace_directory(),
            _ => replace(&self.bed.path("t.tera"), self.template().as_bytes(), 0o644),
        };
        // Left by a rename of a file to itself.
        let _ = fs::remove_file(&new);
    }

    /// Makes a record a symlink, or changes the file that it leads to.
    fn link(&mut self, name: &str) -> std::io::Result<()> {
        let target = self.bed.path(&format!("target-{name}"));
        replace(&target, self.record(name).as_bytes(), 0o640)?;
        let new = self.bed.path("new");
        symlink(&target, &new).and_then(|()| fs::rename(&new, self.path(name)))
    }

    /// Puts a directory with copies of some of the records in the place of the nodes directory.
    fn replace_directory(&mut self) -> std::io::Result<()> {
        let (nodes, next, old) = (self.bed.path("nodes"), self.bed.path("next"), self.bed.path("old"));
        fs::create_dir(&next)?;
        for entry in fs::read_dir(&nodes)? {
            let entry = entry?;
            if entry.file_type()?.is_file() && self.dice.roll(4) > 0 {
                fs::hard_link(entry.path(), next.join(entry.file_name()))?;
            }
        }
        fs::rename(&nodes, &old)?;
        fs::rename(&next, &nodes)?;
        fs::remove_dir_all(&old)
    }

    fn template(&mut self) -> String {
        format!("# {}\n{SERVERS}", self.dice.roll(3))
    }

    /// Waits until the watching program has written what a run that begins now writes.
    #[track_caller]
    fn compare(&self, watcher: &Watcher, about: &str) {
        self.bed.run(&["--output", "once"]);
        let once = self.bed.read("once");
        let begin = Instant::now();
        while fs::read_to_string(self.bed.path("out")).ok().as_deref() != Some(&once) {
            let said = || format!("{about}\n{}\n{once}\n{}", self.bed.read("out"), watcher.said());
            assert!(begin.elapsed() < Duration::from_secs(20), "{}", said());
            sleep(Duration::from_millis(2));
        }
    }
}

/// Rewrites the file that is there.
fn write_in_place(path: &Path, text: &str) -> std::io::Result<()> {
    OpenOptions::new().write(true).truncate(true).open(path)?.write_all(text.as_bytes())
}

/// The same, after which the file has the times that it had before.
fn set_back(path: &Path, text: &str) -> std::io::Result<()> {
    let old = fs::metadata(path)?;
    write_in_place(path, text)?;
    let atime = TimeSpec::new(old.atime(), old.atime_nsec());
    let mtime = TimeSpec::new(old.mtime(), old.mtime_nsec());
    Ok(utimensat(AT_FDCWD, path, &atime, &mtime, UtimensatFlags::FollowSymlink)?)
}

#[test]
fn after_any_changes_it_gives_what_a_run_without_it_gives() {
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as u64;
    let bed = Bed::new(SERVERS);
    let watcher = bed.watch(&[&EVENTS_ONLY[..], &["--quiet-for", "0ms"]].concat());
    // Until then a SIGHUP ends it.
    until("the output", || bed.path("out").exists().then_some(()));
    let mut changing = Changing { bed: &bed, dice: Dice(seed) };
    for round in 0..80 {
        for _ in 0..=changing.dice.roll(6) {
            changing.change();
            if changing.dice.roll(3) == 0 {
                // A look may come between any two changes.
                watcher.signal(Signal::SIGHUP);
                sleep(Duration::from_millis(changing.dice.roll(8) as u64));
            }
        }
        changing.compare(&watcher, &format!("seed {seed}, round {round}"));
        if round % 8 == 0 {
            sleep(SETTLED);
            // The stamps are settled at this look.
            watcher.signal(Signal::SIGHUP);
        }
    }
    watcher.end();
}
