//! Reports changes of the files that are watched, by the notify crate.
//!
//! notify watches paths, and keeps watching a directory that was moved away. So the route (the directories that matter,
//! see `route.rs`) is found again before each render, and before each run of the command. If it differs, a new watcher replaces the old one.
//! Reads are not watched: a render of ten thousand records would cause as many events, and those another render.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use notify::{Config, ErrorKind, Event, EventKindMask, INotifyWatcher, RecursiveMode, Watcher};

use super::route::{Change, Part, Route};
use super::sources::Sources;

/// The events that change a directory or a file. A file that is written in place has changed when it is closed.
const KINDS: EventKindMask = EventKindMask::CREATE
    .union(EventKindMask::REMOVE)
    .union(EventKindMask::MODIFY_META)
    .union(EventKindMask::MODIFY_NAME)
    .union(EventKindMask::ACCESS_CLOSE);

/// The changes of the current route.
#[derive(Debug, Default)]
pub(crate) struct Events {
    watching: Option<Watching>,
}

impl Events {
    /// Watches the route to `sources` as it is now. A path that cannot be watched, for example because of its permissions,
    /// is left to `--look-every` or `--then-every`. If a limit of the kernel is reached, the error is the sysctl that sets it.
    /// Unless `is_thorough`, does not look for records that have become symlinks without an event.
    pub(crate) fn set(&mut self, sources: Sources, is_thorough: bool) -> Result<(), &'static str> {
        if self.watching.as_ref().is_some_and(|watching| watching.is_current(sources, is_thorough)) {
            return Ok(());
        }
        let mut watching = Watching::start().map_err(|_| "fs.inotify.max_user_instances")?;
        let mut limit = Ok(());
        sources.visit(|path, part| limit = limit.and(watching.watch(path, part)));
        // The old one ends only now, when the new one is complete.
        self.watching = Some(watching);
        limit
    }

    /// Whether something that matters has changed since the last call.
    pub(crate) fn take(&mut self) -> bool {
        self.watching.as_mut().is_some_and(Watching::take)
    }

    /// Whether another directory or file is now at a path of the route. A mount causes no event. Most mounts do not concern
    /// this program: containers that come and go cause ten a second.
    pub(crate) fn is_route_replaced(&self) -> bool {
        self.watching.as_ref().is_some_and(|watching| watching.shared.route().is_replaced())
    }

    /// Becomes readable when something has changed.
    pub(crate) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.watching.as_ref().map(|watching| watching.woken.as_fd())
    }
}

/// One watcher, for one route.
#[derive(Debug)]
struct Watching {
    watcher: INotifyWatcher,
    shared: Arc<Shared>,
    woken: UnixStream,
}

impl Watching {
    fn start() -> notify::Result<Watching> {
        let (woken, waker) = UnixStream::pair().map_err(notify::Error::io)?;
        woken.set_nonblocking(true).map_err(notify::Error::io)?;
        let shared = Arc::new(Shared {
            route: Mutex::default(),
            has_changed: AtomicBool::new(false),
            is_stale: AtomicBool::new(false),
            waker,
        });
        let heard = Arc::clone(&shared);
        let config = Config::default().with_follow_symlinks(false).with_event_kinds(KINDS);
        let watcher = INotifyWatcher::new(move |event| heard.note(event), config)?;
        Ok(Watching { watcher, shared, woken })
    }

    /// Whether this still watches the right directories.
    fn is_current(&self, sources: Sources, is_thorough: bool) -> bool {
        let is = |route| *self.shared.route() == route;
        !self.shared.is_stale.load(Ordering::SeqCst)
            && ((!is_thorough && is(sources.route_without_links())) || is(sources.route()))
    }

    /// Adds `part` to the route and watches `path`, if it is new.
    fn watch(&mut self, path: &Path, part: Part) -> Result<(), &'static str> {
        // The route is extended first, because an event may come at once.
        if !self.shared.route().add(path, part) {
            return Ok(());
        }
        let Err(err) = self.watcher.watch(path, RecursiveMode::NonRecursive) else { return Ok(()) };
        // It is tried again the next time.
        self.shared.is_stale.store(true, Ordering::SeqCst);
        if matches!(err.kind, ErrorKind::MaxFilesWatch) { Err("fs.inotify.max_user_watches") } else { Ok(()) }
    }

    fn take(&mut self) -> bool {
        while self.woken.read(&mut [0; 64]).is_ok_and(|count| count > 0) {}
        self.shared.has_changed.swap(false, Ordering::SeqCst)
    }
}

/// What the thread of notify shares with this program.
#[derive(Debug)]
struct Shared {
    route: Mutex<Route>,
    has_changed: AtomicBool,
    /// Whether the route may have changed.
    is_stale: AtomicBool,
    waker: UnixStream,
}

impl Shared {
    fn route(&self) -> MutexGuard<'_, Route> {
        self.route.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes an event. An event without a path means that the kernel has dropped some.
    fn note(&self, event: notify::Result<Event>) {
        let paths = event.map(|event| event.paths).unwrap_or_default();
        let change = {
            let route = self.route();
            paths.iter().map(|path| followed(path, route.change(path))).max().unwrap_or(Change::Route)
        };
        if change == Change::Route {
            self.is_stale.store(true, Ordering::SeqCst);
        }
        if change != Change::Unrelated && !self.has_changed.swap(true, Ordering::SeqCst) {
            // It fails only if this watcher is being replaced.
            let _: io::Result<usize> = (&self.waker).write(&[0]);
        }
    }
}

/// What a change of `path` means, given what it means for a file: a symlink leads elsewhere. If the path changes again
/// before it is looked at, that is another event.
fn followed(path: &Path, change: Change) -> Change {
    if change == Change::File && path.is_symlink() { Change::Route } else { change }
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::replace::replace;
    use std::fs;
    use std::time::{Duration, Instant};

    /// Asserts whether `action` is noticed: one that must be may take ten seconds, on a busy machine.
    #[track_caller]
    fn assert_noticed(events: &mut Events, paths: [&Path; 2], expected: bool, action: impl FnOnce()) {
        let [nodes, template] = paths;
        events.set(Sources::Input { nodes, template, vars: &[] }, false).unwrap();
        events.take();
        action();
        let limit = if expected { Duration::from_secs(10) } else { Duration::from_millis(300) };
        let deadline = Instant::now() + limit;
        let mut is_noticed = false;
        while !is_noticed && Instant::now() < deadline {
            is_noticed = events.take();
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(is_noticed, expected);
    }

    #[test]
    fn only_changes_of_records_and_of_the_template_are_noticed() {
        let scratch = tempfile::tempdir().unwrap();
        let path = |name: &str| scratch.path().join(name);
        fs::create_dir(path("nodes")).unwrap();
        let mut events = Events::default();
        let mut assert = |name: &str, action: &dyn Fn(&Path), expected: bool| {
            println!("{name}");
            assert_noticed(&mut events, [&path("nodes"), &path("t.tera")], expected, || action(&path(name)));
        };
        let put: &dyn Fn(&Path) = &|path| replace(path, b"x", 0o600).unwrap();
        let remove: &dyn Fn(&Path) = &|path| fs::remove_file(path).unwrap();
        let read: &dyn Fn(&Path) = &|path| drop(fs::read(path).unwrap());
        for (name, action, expected) in [
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
            assert(name, action, expected);
        }
        let moved = path("moved");
        assert("nodes", &|nodes| fs::rename(nodes, &moved).unwrap(), true);
        // The directory that was moved away is not watched any more.
        assert("moved/s1.json", put, false);
        assert("nodes", &|nodes| fs::create_dir(nodes).unwrap(), true);
        assert("nodes/s1.json", put, true);
    }

    #[test]
    fn a_directory_that_comes_back_with_the_same_inode_is_watched_again() {
        let scratch = tempfile::tempdir().unwrap();
        let (nodes, template) = (scratch.path().join("nodes"), scratch.path().join("t"));
        let mut events = Events::default();
        for _ in 0..20 {
            fs::create_dir(&nodes).unwrap();
            assert_noticed(&mut events, [&nodes, &template], true, || fs::remove_dir(&nodes).unwrap());
        }
    }
}
