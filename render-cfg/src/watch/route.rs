//! The route: the directories and names on which the rendered text depends. These are all directories on the path to
//! the nodes directory, to the template, and to each record that is a symlink.
//!
//! A Kubernetes volume has such records: `s1.json` leads through `..data`, and an update replaces only that link.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use common::records::is_record_name;

use crate::path_walk::walk;

/// The part of a watched path on which the text depends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part<'a> {
    /// This name in the directory.
    Name(&'a OsStr),
    /// All records in the directory.
    Records,
    /// The file or directory itself.
    Itself,
}

/// What a change of a path means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Change {
    /// Nothing: the rendered text does not depend on it.
    Unrelated,
    /// A record has changed.
    Record,
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
}

/// The directories (and the template) to watch, with what matters in each.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Route {
    places: BTreeMap<PathBuf, Place>,
    /// One path for each inode: a bind mount shows one directory at two paths, and the kernel watches inodes.
    paths: BTreeMap<(u64, u64), PathBuf>,
}

impl Route {
    /// The route as it is now.
    pub(crate) fn find(nodes: &Path, template: &Path) -> Route {
        let mut route = Route::default();
        visit_all(nodes, template, |path, part| {
            route.add(path, part);
        });
        route
    }

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
            Some(place) if place.has_records && is_record_name(name) => Change::Record,
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

/// Calls `visit` with every part of the route, before the part is looked up. So a visitor that watches the path misses
/// no change.
pub(crate) fn visit_all(nodes: &Path, template: &Path, mut visit: impl FnMut(&Path, Part)) {
    // An error means that the working directory is gone, and reading the records reports it.
    let (Ok(nodes), Ok(template)) = (std::path::absolute(nodes), std::path::absolute(template)) else {
        return;
    };
    if let Ok(directory) = walk(&nodes, |directory, name| visit(directory, Part::Name(name))) {
        visit(&directory, Part::Records);
        visit_records(&directory, &mut visit);
    }
    if let Ok(file) = walk(&template, |directory, name| visit(directory, Part::Name(name))) {
        // A template that is bind-mounted is changed in a directory that is not visible here.
        visit(&file, Part::Itself);
    }
}

/// Visits the paths of the records in `directory` that are symlinks. Most of them lead through the same directory,
/// which is walked once.
fn visit_records(directory: &Path, visit: &mut impl FnMut(&Path, Part)) {
    let mut walked: HashMap<PathBuf, Option<PathBuf>> = HashMap::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
        if !is_link || !is_record_name(&entry.file_name()) {
            continue;
        }
        let Ok(target) = fs::read_link(entry.path()) else { continue };
        let (Some(parent), Some(name)) = (target.parent(), target.file_name()) else { continue };
        let end = walked
            .entry(directory.join(parent))
            .or_insert_with_key(|path| walk(path, |directory, name| visit(directory, Part::Name(name))).ok());
        let Some(end) = end else { continue };
        visit(end, Part::Name(name));
        let file = end.join(name);
        if file.is_symlink() {
            // An error is a loop or a missing permission, and reading the record reports it.
            let _ = walk(&file, |directory, name| visit(directory, Part::Name(name)));
        }
    }
}
