//! The layout of `src`: folders use each other in one direction only, no two files import each other, and no two
//! files have the same name.
//!
//! The test reads the sources as text. A path counts if it begins with `crate::`, as every import here does.
//! Everything after `#[cfg(test)]` is ignored.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The root directory of each crate, and its folders. A folder uses only those after it.
const CRATES: [(&str, &[&str]); 4] = [
    ("src", &["cluster", "daemons", "network", "traffic", "run", "chart"]),
    ("src/bin/bench", &["measures", "bench", "setups", "results"]),
    ("src/bin/prove", &["proofs", "proof", "judging", "setups"]),
    ("src/bin/demo", &[]),
];
/// Files that every crate or folder may have.
const INDEXES: [&str; 3] = ["lib", "main", "mod"];
/// A file with more lines needs a reason.
const LINES_MAX: usize = 300;

/// A crate's files by module path (`["daemons", "serf"]`), with their code but without their tests.
type Modules = BTreeMap<Vec<String>, String>;

fn sources(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let is_rust = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "rs");
    let deeper = folders.iter().filter(|path| !path.ends_with("src/bin")).flat_map(|path| sources(path));
    files.into_iter().filter(is_rust).chain(deeper).collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn stem(path: &Path) -> &str {
    path.file_stem().unwrap().to_str().unwrap()
}

fn modules(of: &str) -> Modules {
    let start = root().join(of);
    let module = |path: &PathBuf| {
        let within = path.strip_prefix(&start).unwrap().with_extension("");
        let names = within.iter().map(|name| name.to_str().unwrap().to_owned());
        names.filter(|name| !INDEXES.contains(&name.as_str())).collect::<Vec<_>>()
    };
    let code = |path: &PathBuf| {
        let text = fs::read_to_string(path).unwrap();
        text.split("#[cfg(test)]").next().unwrap().to_owned()
    };
    sources(&start).iter().map(|path| (module(path), code(path))).collect()
}

/// The paths after `crate::` in a text: `a::b` for `crate::a::b`, and one for each name of `crate::a::{b, c}`.
fn paths(code: &str) -> Vec<Vec<String>> {
    let is_in_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let mut paths = Vec::new();
    for part in code.split("crate::").skip(1) {
        let end = part.find(|c| !is_in_path(c)).unwrap_or(part.len());
        let names =
            |path: &str| path.split("::").filter(|name| !name.is_empty()).map(str::to_owned).collect();
        let path: Vec<String> = names(&part[..end]);
        let inside = part[end..].strip_prefix('{').and_then(|rest| rest.split('}').next()).unwrap_or("");
        paths.extend(inside.split(',').map(|name| [path.clone(), names(name.trim())].concat()));
    }
    paths
}

/// The files that a file imports from.
fn imports(modules: &Modules, of: &[String]) -> BTreeSet<Vec<String>> {
    let file = |path: Vec<String>| {
        let prefixes = (1..=path.len()).rev().map(|length| path[..length].to_vec());
        prefixes.into_iter().find(|prefix| modules.contains_key(prefix))
    };
    paths(&modules[of]).into_iter().filter_map(file).filter(|path| path != of).collect()
}

/// True if `of` is the index of the folder that contains `path`. The index declares `path`, so `path` must not import
/// from it.
fn is_child(path: &[String], of: &[String]) -> bool {
    path.len() == of.len() + 1 && path.starts_with(of)
}

#[test]
fn no_two_files_import_each_other() {
    for (name, _) in CRATES {
        let modules = modules(name);
        for path in modules.keys() {
            for other in imports(&modules, path) {
                let is_circle = imports(&modules, &other).contains(path) || is_child(path, &other);
                assert!(!is_circle, "{name}: {} and {} import each other", path.join("::"), other.join("::"));
            }
        }
    }
}

#[test]
fn a_folder_uses_only_the_folders_below_it() {
    for (name, order) in CRATES {
        let modules = modules(name);
        let rank =
            |path: &[String]| order.iter().position(|folder| path.first().is_some_and(|p| p == folder));
        for path in modules.keys() {
            for other in imports(&modules, path) {
                let is_upward = rank(path).is_some_and(|own| rank(&other).is_none_or(|used| used < own));
                assert!(!is_upward, "{name}: {} uses {}", path.join("::"), other.join("::"));
            }
        }
    }
}

#[test]
fn no_two_files_have_one_name() {
    let mut known = BTreeMap::new();
    for path in CRATES.iter().flat_map(|(name, _)| sources(&root().join(name))) {
        if !INDEXES.contains(&stem(&path)) {
            let other = known.insert(stem(&path).to_owned(), path.clone());
            assert_eq!(other, None, "'{}' has the same name", path.display());
        }
    }
}

#[test]
fn no_file_is_longer_than_300_lines() {
    let folders = CRATES.iter().map(|(name, _)| *name).chain(["tests"]);
    for path in folders.flat_map(|name| sources(&root().join(name))) {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= LINES_MAX, "'{}' has {lines} lines", path.display());
    }
}
