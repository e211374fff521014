//! Looks at a directory that changes in every way that could be missed. What is read is counted by `make`.

use super::*;
use std::fs::{self, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use nix::sys::stat::{UtimensatFlags, utimensat};
use nix::sys::time::TimeSpec;
use tempfile::TempDir;

use crate::halves::SPLIT_FROM;
use crate::node::Tags;
use crate::records::read_all;
use crate::replace::replace;

/// A nodes directory, and what is known of it.
struct Bed {
    scratch: TempDir,
    known: KnownRecords<Node>,
    start: Moment,
    /// How long after the start the next look is said to be, in seconds.
    at: u64,
}

fn node(name: &str, address: &str) -> Node {
    Node::new(name, address, Tags::new()).unwrap()
}

impl Bed {
    /// With these nodes, and looks that begin a minute after they were written.
    fn new(names: &[&str]) -> Bed {
        // A container's own file system may be of a kind whose stamps are not relied on. This one is not.
        let scratch = tempfile::tempdir_in("/dev/shm").unwrap();
        let bed = Bed { scratch, known: KnownRecords::default(), start: Moment::now(), at: 60 };
        fs::create_dir(bed.nodes()).unwrap();
        names.iter().for_each(|name| bed.put(name, "10.0.0.1"));
        bed
    }

    fn nodes(&self) -> PathBuf {
        self.scratch.path().join("nodes")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.nodes().join(format!("{name}.json"))
    }

    fn put(&self, name: &str, address: &str) {
        replace(&self.path(name), &node(name, address).pack(), 0o640).unwrap();
    }

    /// Writes into the file that is there.
    fn put_in_place(&self, name: &str, address: &str) {
        let mut file = OpenOptions::new().write(true).truncate(true).open(self.path(name)).unwrap();
        file.write_all(&node(name, address).pack()).unwrap();
    }

    /// Looks at `now`, and asserts that what is known is what a program sees that has never looked. Returns how many
    /// records were read.
    #[track_caller]
    fn look_at(&mut self, now: Moment) -> usize {
        let read = AtomicUsize::new(0);
        let make = |nodes: Vec<Node>| {
            read.fetch_add(nodes.len(), Ordering::SeqCst);
            nodes
        };
        let faults = self.known.look_at(&self.nodes(), now, make).unwrap();
        let (nodes, expected) = read_all(&self.nodes()).unwrap();
        let mut known: Vec<Node> = self.known.all().cloned().collect();
        known.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        assert_eq!(known, nodes);
        let lines = |faults: Vec<NodesError>| faults.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(lines(faults), lines(expected));
        read.into_inner()
    }

    /// Looks a minute after the last look. What has been written by then has settled.
    #[track_caller]
    fn look(&mut self) -> usize {
        let now = self.moment(self.at, self.at);
        self.at += 60;
        let read = self.look_at(now);
        self.wait_for_another_time();
        read
    }

    /// Waits until files get other times than those that there are: in truth no minute has passed.
    fn wait_for_another_time(&self) {
        let time = || {
            let path = self.scratch.path().join("time");
            replace(&path, b"", 0o600).unwrap();
            fs::metadata(path).unwrap().modified().unwrap()
        };
        let first = time();
        while time() == first {}
    }

    /// These seconds after the start, by each clock.
    fn moment(&self, clock: u64, steady: u64) -> Moment {
        let [clock, steady] = [clock, steady].map(Duration::from_secs);
        Moment { clock: self.start.clock + clock, steady: self.start.steady + steady }
    }

    fn stat(&self, name: &str) -> fs::Metadata {
        fs::metadata(self.path(name)).unwrap()
    }
}

#[test]
fn an_unchanged_record_is_read_once() {
    let mut bed = Bed::new(&["s1", "s2", "s3"]);
    assert_eq!([bed.look(), bed.look(), bed.look()], [3, 0, 0]);
    bed.put("s2", "10.0.0.2");
    assert_eq!([bed.look(), bed.look()], [1, 0]);
}

#[test]
fn records_that_come_go_or_are_renamed_are_noticed() {
    let mut bed = Bed::new(&["s1", "s2", "s3"]);
    bed.look();
    bed.put("s0", "10.0.0.1");
    bed.put("s25", "10.0.0.1");
    assert_eq!(bed.look(), 2);
    fs::remove_file(bed.path("s1")).unwrap();
    assert_eq!(bed.look(), 0);
    assert_eq!(bed.known.records.len(), 4, "it is forgotten");
    fs::rename(bed.path("s2"), bed.path("s4")).unwrap();
    assert_eq!(bed.look(), 0, "its content does not fit its name");
    fs::rename(bed.path("s4"), bed.path("s2")).unwrap();
    assert_eq!(bed.look(), 1);
    fs::rename(bed.path("s2"), bed.nodes().join(".s2.json")).unwrap();
    assert_eq!(bed.look(), 0);
}

#[test]
fn a_change_within_the_grain_of_the_last_one_is_noticed() {
    for put in [Bed::put, Bed::put_in_place] {
        let mut bed = Bed::new(&["s1"]);
        for round in 0..200 {
            put(&bed, "s1", &format!("10.0.0.{}", 1 + round % 9));
            assert_eq!(bed.look_at(Moment::now()), 1, "as large, and at nearly the same time");
        }
        assert_eq!(bed.look_at(Moment::now()), 1, "its stamp has not settled");
    }
}

#[test]
fn a_change_after_which_the_times_are_set_back_is_noticed() {
    let mut bed = Bed::new(&["s1"]);
    bed.look();
    let old = bed.stat("s1");
    bed.put_in_place("s1", "10.0.0.2");
    let times = [(old.atime(), old.atime_nsec()), (old.mtime(), old.mtime_nsec())];
    let [atime, mtime] = times.map(|(seconds, nanoseconds)| TimeSpec::new(seconds, nanoseconds));
    utimensat(nix::fcntl::AT_FDCWD, &bed.path("s1"), &atime, &mtime, UtimensatFlags::FollowSymlink).unwrap();
    let new = bed.stat("s1");
    assert_eq!(
        (old.ino(), old.size(), old.modified().unwrap()),
        (new.ino(), new.size(), new.modified().unwrap())
    );
    assert_eq!(bed.look(), 1);
}

#[test]
fn times_in_whole_seconds_settle_later() {
    let mut bed = Bed::new(&["s1"]);
    let second = TimeSpec::new(bed.stat("s1").mtime() - 100, 0);
    utimensat(nix::fcntl::AT_FDCWD, &bed.path("s1"), &second, &second, UtimensatFlags::FollowSymlink)
        .unwrap();
    let looks: Vec<usize> = [2, 2, 5, 5].map(|at| bed.look_at(bed.moment(at, at))).into();
    assert_eq!(looks, [1, 1, 1, 0]);
}

#[test]
fn a_link_to_another_file_is_noticed() {
    let mut bed = Bed::new(&["s1"]);
    let other = bed.scratch.path().join("other");
    let new = bed.scratch.path().join("new");
    for (name, address) in [("other", "10.0.0.2"), ("third", "10.0.0.3")] {
        replace(&bed.scratch.path().join(name), &node("s1", address).pack(), 0o640).unwrap();
    }
    // Both inodes are older than this look.
    bed.look();
    fs::hard_link(&other, &new).unwrap();
    fs::rename(&new, bed.path("s1")).unwrap();
    assert_eq!([bed.look(), bed.look()], [1, 0]);
    for (target, looks) in [("../third", [1, 0]), ("../none", [0, 0]), ("../other", [1, 0])] {
        symlink(target, &new).unwrap();
        fs::rename(&new, bed.path("s1")).unwrap();
        assert_eq!([bed.look(), bed.look()], looks, "{target}");
    }
    replace(&other, &node("s1", "10.0.0.4").pack(), 0o640).unwrap();
    assert_eq!(bed.look(), 1, "behind the link");
}

#[test]
fn a_record_that_cannot_be_read_is_read_again_each_time() {
    let mut bed = Bed::new(&["s1", "s2"]);
    bed.look();
    replace(&bed.path("s1"), b"{", 0o640).unwrap();
    assert_eq!([bed.look(), bed.look()], [0, 0]);
    assert_eq!(bed.known.records.len(), 1);
    fs::remove_file(bed.path("s1")).unwrap();
    fs::create_dir(bed.path("s1")).unwrap();
    assert_eq!(bed.look(), 0);
    fs::remove_dir(bed.path("s1")).unwrap();
    bed.put("s1", "10.0.0.1");
    fs::set_permissions(bed.path("s2"), Permissions::from_mode(0o000)).unwrap();
    // Root can read it.
    let is_readable = fs::File::open(bed.path("s2")).is_ok();
    assert_eq!(bed.look(), if is_readable { 2 } else { 1 });
    fs::set_permissions(bed.path("s2"), Permissions::from_mode(0o640)).unwrap();
    assert_eq!([bed.look(), bed.look()], [1, 0]);
}

#[test]
fn another_directory_in_the_place_is_noticed() {
    let mut bed = Bed::new(&["s1", "s2"]);
    bed.look();
    fs::rename(bed.nodes(), bed.scratch.path().join("old")).unwrap();
    assert!(bed.known.look(&bed.nodes(), |nodes| nodes).is_err());
    assert_eq!(bed.known.all().count(), 2, "a failure forgets nothing");
    fs::create_dir(bed.nodes()).unwrap();
    bed.put("s1", "10.0.0.9");
    assert_eq!([bed.look(), bed.look()], [1, 0]);
    fs::remove_dir_all(bed.nodes()).unwrap();
    fs::rename(bed.scratch.path().join("old"), bed.nodes()).unwrap();
    assert_eq!([bed.look(), bed.look()], [2, 0]);
}

#[test]
fn after_the_clock_was_set_back_all_records_are_read_again() {
    let mut bed = Bed::new(&["s1", "s2"]);
    let looks: Vec<usize> = [(60, 60), (120, 120), (119, 180), (3600, 240), (3650, 300), (3710, 360)]
        .map(|(clock, steady)| bed.look_at(bed.moment(clock, steady)))
        .into();
    assert_eq!(looks, [2, 0, 2, 0, 2, 0]);
}

#[test]
fn a_clock_that_is_behind_the_times_of_the_records_trusts_none() {
    let mut bed = Bed::new(&["s1"]);
    bed.start.clock -= Duration::from_secs(3600);
    assert_eq!([bed.look(), bed.look()], [1, 1]);
}

#[test]
fn a_large_directory_is_looked_at_in_two_parts_that_change_their_sizes() {
    let names: Vec<String> = (0..2 * SPLIT_FROM).map(|number| format!("n{number:04}")).collect();
    let mut bed = Bed::new(&[]);
    let write = |bed: &Bed, name: &str, address: &str| {
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).open(bed.path(name)).unwrap();
        file.write_all(&node(name, address).pack()).unwrap();
    };
    names.iter().for_each(|name| write(&bed, name, "10.0.0.1"));
    assert_eq!([bed.look(), bed.look()], [names.len(), 0]);
    names[..SPLIT_FROM].iter().for_each(|name| fs::remove_file(bed.path(name)).unwrap());
    assert_eq!(bed.look(), 0);
    (0..SPLIT_FROM).for_each(|number| write(&bed, &format!("z{number:04}"), "10.0.0.1"));
    write(&bed, &names[SPLIT_FROM], "10.0.0.2");
    write(&bed, &names[2 * SPLIT_FROM - 1], "10.0.0.2");
    assert_eq!([bed.look(), bed.look()], [SPLIT_FROM + 2, 0]);
}
