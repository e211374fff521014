//! The route: the directories and names on which the rendered text, or the command, depends. These are all directories
//! on the path to each file that is watched, and on the path behind each symlink (see `sources.rs`).

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use common::records::is_record_name;

/// Whether a name counts in a directory of which all files are watched. A temporary file is hidden until it is complete.
pub(crate) fn is_visible(name: &OsStr) -> bool {
    !name.as_bytes().starts_with(b".")
}

/// The part of a watched path that matters.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part<'a> {
    /// This name in the directory.
    Name(&'a OsStr),
    /// All records in the directory.
    Records,
    /// All visible files in the directory.
    Files,
    /// The file or directory itself.
    Itself,
}

/// What a change of a path means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Change {
    /// Nothing depends on it.
    Unrelated,
    /// A record, or a file of a directory, has changed.
    File,
    /// The route itself has changed: other directories may have to be watched.
    Route,
}

/// Device and inode; `None` if there is no such file.
type Id = Option<(u64, u64)>;

#[derive(Debug, Default, PartialEq, Eq)]
struct Place {
    id: Id,
    names: BTreeSet<OsString>,
    has_records: bool,
    has_files: bool,
}

/// The directories (and the template) to watch, with what matters in each.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Route {
    places: BTreeMap<PathBuf, Place>,
    /// One path for each inode: a bind mount shows one directory at two paths, and the kernel watches inodes.
    paths: BTreeMap<(u64, u64), PathBuf>,
}

impl Route {
    /// Adds a part. Returns whether `path` was not in the route, so that it must be watched now.
    pub(crate) fn add(&mut self, path: &Path, part: Part) -> bool {
        let is_new = !self.places.contains_key(path) && self.add_place(path);
        let known = || id(path).and_then(|id| self.paths.get(&id));
        let path = if self.places.contains_key(path) { Some(path) } else { known().map(PathBuf::as_path) };
        let place = path.and_then(|path| self.places.get_mut(path));
        match (part, place) {
            (Part::Name(name), Some(place)) if !place.names.contains(name) => {
                place.names.insert(name.to_owned());
            }
            (Part::Records, Some(place)) => place.has_records = true,
            (Part::Files, Some(place)) => place.has_files = true,
            _ => {}
        }
        is_new
    }

    fn add_place(&mut self, path: &Path) -> bool {
        let id = id(path);
        if let Some(id) = id {
            if self.paths.contains_key(&id) {
                return false;
            }
            self.paths.insert(id, path.to_owned());
        }
        self.places.insert(path.to_owned(), Place { id, ..Place::default() });
        true
    }

    /// What a change of `path` means.
    pub(crate) fn change(&self, path: &Path) -> Change {
        if self.places.contains_key(path) {
            return Change::Route;
        }
        let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else { return Change::Route };
        match self.places.get(directory) {
            Some(place) if place.names.contains(name) => Change::Route,
            Some(place) if place.has_records && is_record_name(name) => Change::File,
            Some(place) if place.has_files && is_visible(name) => Change::File,
            _ => Change::Unrelated,
        }
    }

    /// Whether another file or directory is now at one of the paths, because something was mounted there, for example.
    pub(crate) fn is_replaced(&self) -> bool {
        self.places.iter().any(|(path, place)| id(path) != place.id)
    }
}

fn id(path: &Path) -> Id {
    fs::metadata(path).ok().map(|file| (file.dev(), file.ino()))
}
