//! What is watched: the nodes directory, the template and the files of `--vars`, or the files that `--then-files` lists.
//!
//! Each path is followed through its symlinks. A Kubernetes volume has such files: `s1.json` leads through `..data`, and
//! an update replaces only that link. Certbot's `live/` leads to `archive/` in the same way.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::iter::once;
use std::path::{Path, PathBuf};

use common::records::is_record_name;

use super::route::{Part, Route, is_visible};
use crate::path_walk::walk;
use crate::vars_files::VarsFile;

/// The directories that have been walked, with where each path leads. Many files lie in one directory.
type Walked = HashMap<PathBuf, Option<PathBuf>>;

/// What to watch.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sources<'a> {
    /// The input of a render.
    Input {
        /// The nodes directory.
        nodes: &'a Path,
        /// The template.
        template: &'a Path,
        /// The files of settings.
        vars: &'a [VarsFile],
    },
    /// Files, and directories with all their visible files.
    Files(&'a [PathBuf]),
}

impl Sources<'_> {
    /// The route to all of them as it is now.
    pub(crate) fn route(&self) -> Route {
        let mut route = Route::default();
        self.visit(|path, part| {
            route.add(path, part);
        });
        route
    }

    /// The same, but as if no record were a symlink. That costs nothing with ten thousand records.
    pub(crate) fn route_without_links(&self) -> Route {
        let Sources::Input { nodes, template, vars } = self else { return self.route() };
        let mut route = Route::default();
        visit_input(nodes, files(template, vars), &mut |path, part| {
            route.add(path, part);
        });
        route
    }

    /// Calls `visit` with every part of the route, before the part is looked up. So a visitor that watches the path misses
    /// no change.
    pub(crate) fn visit(&self, mut visit: impl FnMut(&Path, Part)) {
        match self {
            Sources::Input { nodes, template, vars } => {
                if let Some(directory) = visit_input(nodes, files(template, vars), &mut visit) {
                    visit_links(&directory, is_record_name, &mut Walked::new(), &mut visit);
                }
            }
            Sources::Files(paths) => {
                let mut walked = Walked::new();
                // An error means that the working directory is gone.
                let paths = paths.iter().flat_map(std::path::absolute);
                paths.for_each(|path| visit_file(&path, &mut walked, &mut visit));
            }
        }
    }
}

/// The files of a render that are not records.
fn files<'p>(template: &'p Path, vars: &'p [VarsFile]) -> impl Iterator<Item = &'p Path> {
    once(template).chain(vars.iter().map(|file| file.path.as_path()))
}

/// Visits the paths of the nodes directory and of the files. Returns the directory, without symlinks.
fn visit_input<'p>(
    nodes: &Path,
    files: impl Iterator<Item = &'p Path>,
    visit: &mut impl FnMut(&Path, Part),
) -> Option<PathBuf> {
    // An error means that the working directory is gone, and reading the records reports it.
    let nodes = std::path::absolute(nodes).ok()?;
    let directory = walk(&nodes, |directory, name| visit(directory, Part::Name(name))).ok();
    directory.iter().for_each(|directory| visit(directory, Part::Records));
    for file in files.flat_map(std::path::absolute) {
        let Ok(file) = walk(&file, |directory, name| visit(directory, Part::Name(name))) else { continue };
        // A file that is bind-mounted is changed in a directory that is not visible here.
        visit(&file, Part::Itself);
    }
    directory
}

/// Visits the path of a file, which may be missing, or of a directory and of what it contains.
fn visit_file(path: &Path, walked: &mut Walked, visit: &mut impl FnMut(&Path, Part)) {
    let Some(end) = follow(path, walked, visit).filter(|end| end.is_dir()) else { return };
    visit(&end, Part::Files);
    visit_links(&end, is_visible, walked, visit);
}

/// Visits the paths of the files in `directory` that are symlinks and whose names are `wanted`.
fn visit_links(
    directory: &Path,
    wanted: impl Fn(&OsStr) -> bool,
    walked: &mut Walked,
    visit: &mut impl FnMut(&Path, Part),
) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
        if !is_link || !wanted(&entry.file_name()) {
            continue;
        }
        let Ok(target) = fs::read_link(entry.path()) else { continue };
        follow(&directory.join(target), walked, visit);
    }
}

/// Follows `path` and returns where it leads. Its directory is walked only if it is not in `walked`.
fn follow(path: &Path, walked: &mut Walked, visit: &mut impl FnMut(&Path, Part)) -> Option<PathBuf> {
    let mut look_up = |path: &Path| walk(path, |directory, name| visit(directory, Part::Name(name))).ok();
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return look_up(path) };
    if !walked.contains_key(parent) {
        let end = look_up(parent);
        walked.insert(parent.to_owned(), end);
    }
    let end = walked.get(parent)?.as_ref()?;
    visit(end, Part::Name(name));
    let file = end.join(name);
    // An error is a loop or a missing permission, and reading the file reports it.
    if file.is_symlink() {
        walk(&file, |directory, name| visit(directory, Part::Name(name))).ok()
    } else {
        Some(file)
    }
}
