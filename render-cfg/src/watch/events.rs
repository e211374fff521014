//! What the kernel tells of the nodes directory and the template, by inotify.
//!
//! The watches are set anew before every look: every directory on the way to each of the two, so that what is
//! replaced, renamed or made at last is seen. To set one that is there already costs nothing and keeps it, for
//! the kernel knows it by its inode. Reading causes no event: a look at ten thousand records would be as many, and
//! could fill the queue, which is a reason to look.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use common::records::is_record_name;
use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent, WatchDescriptor};

use crate::path_walk;

/// What changes a directory or a file, and what ends a watch. Not what reads.
const DEEDS: AddWatchFlags = AddWatchFlags::IN_CREATE
    .union(AddWatchFlags::IN_CLOSE_WRITE)
    .union(AddWatchFlags::IN_ATTRIB)
    .union(AddWatchFlags::IN_MOVE)
    .union(AddWatchFlags::IN_DELETE)
    .union(AddWatchFlags::IN_DELETE_SELF)
    .union(AddWatchFlags::IN_MOVE_SELF);

/// What of a directory matters.
#[derive(Debug, Default)]
struct Interest {
    names: HashSet<OsString>,
    has_records: bool,
}

impl Interest {
    fn is_in(&self, name: &OsStr) -> bool {
        self.names.contains(name) || (self.has_records && is_record_name(name))
    }
}

/// The watches that are set.
#[derive(Debug, Default)]
pub(crate) struct Watches {
    inotify: Option<Inotify>,
    interests: HashMap<WatchDescriptor, Interest>,
    /// What stood at the end of each way.
    ends: Ends,
}

/// Device and inode of the directory and of the template; none if there is none.
type Ends = [Option<(u64, u64)>; 2];

impl Watches {
    /// Sets the watches as the way to `nodes` and to `template` is now. What cannot be watched (it may not be
    /// read, say) is left to the slow look; a limit of the kernel's is an error: the sysctl that sets it.
    pub(crate) fn set(&mut self, nodes: &Path, template: &Path) -> Result<(), &'static str> {
        let inotify = self.inotify.take().map_or_else(open, Ok)?;
        // First: what is mounted from here on is another end than this.
        self.ends = ends(nodes, template);
        let mut setting = Setting { inotify: &inotify, interests: HashMap::new(), limit: None };
        if let Some(directory) = setting.go(nodes) {
            setting.add(&directory, |interest| interest.has_records = true);
        }
        if let Some(file) = setting.go(template) {
            // Itself too: one that is bind-mounted is changed in a directory that cannot be seen from here.
            setting.add(&file, |_| {});
        }
        let Setting { interests, limit, .. } = setting;
        for gone in self.interests.keys().filter(|watch| !interests.contains_key(watch)) {
            // It may have gone with its directory.
            let _ = inotify.rm_watch(*gone);
        }
        self.interests = interests;
        self.inotify = Some(inotify);
        limit.map_or(Ok(()), Err)
    }

    /// Takes the events that there are; says whether one of them matters.
    pub(crate) fn take(&mut self) -> bool {
        let mut matters = false;
        while let Some(Ok(events)) = self.inotify.as_ref().map(Inotify::read_events) {
            matters |= events.iter().any(|event| self.matters(event));
        }
        matters
    }

    /// Whether the ways lead elsewhere than when the watches were set. That something is mounted is no event, and
    /// where containers come and go, ten mounts a second have nothing to do with us.
    pub(crate) fn lead_elsewhere(&self, nodes: &Path, template: &Path) -> bool {
        self.ends != ends(nodes, template)
    }

    /// What becomes readable when there are events.
    pub(crate) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.inotify.as_ref().map(AsFd::as_fd)
    }

    fn matters(&self, event: &InotifyEvent) -> bool {
        if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
            return true;
        }
        // Of a watch that has been removed, events may still come.
        let Some(interest) = self.interests.get(&event.wd) else { return false };
        event.name.as_ref().is_none_or(|name| interest.is_in(name))
    }
}

fn open() -> Result<Inotify, &'static str> {
    let opened = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK);
    opened.map_err(|_| "fs.inotify.max_user_instances")
}

fn ends(nodes: &Path, template: &Path) -> Ends {
    [nodes, template].map(|path| fs::metadata(path).ok().map(|file| (file.dev(), file.ino())))
}

struct Setting<'a> {
    inotify: &'a Inotify,
    interests: HashMap<WatchDescriptor, Interest>,
    limit: Option<&'static str>,
}

impl Setting<'_> {
    fn go(&mut self, path: &Path) -> Option<PathBuf> {
        let visit = |directory: &Path, name: &OsStr| {
            self.add(directory, |interest| interest.names.extend([name.to_owned()]));
        };
        path_walk::walk(path, visit).ok()
    }

    fn add(&mut self, path: &Path, note: impl FnOnce(&mut Interest)) {
        match self.inotify.add_watch(path, DEEDS) {
            Ok(watch) => note(self.interests.entry(watch).or_default()),
            Err(Errno::ENOSPC) => self.limit = Some("fs.inotify.max_user_watches"),
            // It is not there, or may not be read.
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::replace::replace;

    #[test]
    fn only_what_matters_matters() {
        let scratch = tempfile::tempdir().unwrap();
        let path = |name: &str| scratch.path().join(name);
        fs::create_dir(path("nodes")).unwrap();
        let mut watches = Watches::default();
        watches.set(&path("nodes"), &path("t.tera")).unwrap();
        let mut matters = |name: &str, deed: &dyn Fn(&Path)| {
            deed(&path(name));
            let matters = watches.take();
            watches.set(&path("nodes"), &path("t.tera")).unwrap();
            matters
        };
        let put: &dyn Fn(&Path) = &|path| replace(path, b"x", 0o600).unwrap();
        let remove: &dyn Fn(&Path) = &|path| fs::remove_file(path).unwrap();
        let read: &dyn Fn(&Path) = &|path| drop(fs::read(path).unwrap());
        for (name, deed, expected) in [
            ("nodes/s1.json", put, true),
            ("nodes/s1.json", read, false),
            ("nodes/.s1.json", put, false),
            ("nodes/note.txt", put, false),
            ("nodes/s1.json", remove, true),
            ("other", put, false),
            ("t.tera", put, true),
            ("t.tera", read, false),
            ("t.tera", remove, true),
        ] {
            assert_eq!(matters(name, deed), expected, "{name}");
        }
        let moved = path("moved");
        assert!(matters("nodes", &|nodes| fs::rename(nodes, &moved).unwrap()));
        assert!(!matters("moved/s1.json", put), "the old directory is none any more");
        assert!(matters("nodes", &|nodes| fs::create_dir(nodes).unwrap()));
        assert!(matters("nodes/s1.json", put));
    }

    #[test]
    fn watches_do_not_gather() {
        let scratch = tempfile::tempdir().unwrap();
        let nodes = scratch.path().join("nodes");
        let mut watches = Watches::default();
        for _ in 0..50 {
            fs::create_dir(&nodes).unwrap();
            watches.set(&nodes, &scratch.path().join("t")).unwrap();
            fs::remove_dir(&nodes).unwrap();
            assert!(watches.take());
        }
        watches.set(&nodes, &scratch.path().join("t")).unwrap();
        assert!(watches.interests.len() <= scratch.path().components().count());
    }
}
