//! `--then-files`: the files on which the command depends besides the output, such as certificates. A change of one runs
//! the command without a render.
//!
//! The command itself keeps the list, because only it knows what the output names. So the list is read again after each
//! run; if it has changed, the command runs once more, since a file that is new in it may have changed before it was watched.

use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use common::failure::{Code, Failure};

use super::debounce::Debounce;
use super::events::Events;
use super::sources::Sources;
use crate::args::WatchArgs;

/// The list, and the changes of its files.
#[derive(Debug)]
pub(crate) struct ThenFiles {
    list: PathBuf,
    paths: Vec<PathBuf>,
    events: Events,
    changes: Debounce,
}

impl ThenFiles {
    /// Nothing is watched yet. `None` without a list.
    pub(crate) fn new(args: &WatchArgs) -> Option<ThenFiles> {
        let changes = Debounce::new(args.quiet_for, args.at_most);
        let list = args.then_files.clone()?;
        Some(ThenFiles { list, paths: Vec::new(), events: Events::default(), changes })
    }

    /// Forgets the changes, and watches the files that are listed now. Must be called before the command reads them. A list
    /// that cannot be read is not a reason to forget the files that were listed before.
    pub(crate) fn watch(&mut self) -> Result<(), Failure> {
        self.changes.clear();
        let is_read = read(&self.list).map(|paths| self.paths = paths);
        let watched = self.events.set(Sources::Files(&self.paths), true);
        is_read.and(watched.map_err(|sysctl| limit(sysctl, &self.list)))
    }

    /// After a run of the command: a list that has changed is a change.
    pub(crate) fn compare(&mut self, now: Instant) {
        // An error is reported before the next run.
        if read(&self.list).is_ok_and(|paths| paths != self.paths) {
            self.changes.note(now);
        }
    }

    /// Notes the changes that have been reported; `has_mounted` if the table of mounts has changed.
    pub(crate) fn note(&mut self, has_mounted: bool, now: Instant) {
        if self.events.take() || (has_mounted && self.events.is_route_replaced()) {
            self.changes.note(now);
        }
    }

    /// When to run the command because of them.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.changes.due()
    }

    /// Becomes readable when something has changed.
    pub(crate) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.events.fd()
    }
}

/// The paths in a list, one a line. A list that does not exist yet is empty.
fn read(list: &Path) -> Result<Vec<PathBuf>, Failure> {
    match fs::read(list) {
        Ok(bytes) => Ok(paths(&bytes)),
        Err(err) if err.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(err) => Err(Failure::new(Code::Files, format!("cannot read '{}': {err}", list.display()))),
    }
}

fn paths(bytes: &[u8]) -> Vec<PathBuf> {
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| PathBuf::from(OsStr::from_bytes(line))).collect()
}

fn limit(sysctl: &str, list: &Path) -> Failure {
    let list = list.display();
    Failure::new(
        Code::Files,
        format!(
            "cannot watch the files in '{list}': the limit {sysctl} is reached; raise it with sysctl; until then a change is \
             found by --then-every"
        ),
    )
}
