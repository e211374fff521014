//! Holds the direction of imports: each folder uses only those below it, and no two files import each other.
//!
//! It reads the sources line by line, without a parser. Tests may import what they like.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Each part of reload-haproxy, and the parts that it may use.
const MAY_USE: [(&str, &str); 14] = [
    ("config", ""),
    ("haproxy", "config"),
    ("state", "haproxy config"),
    ("reload", "haproxy config"),
    ("servers", "state haproxy config"),
    ("files", "servers state haproxy config"),
    ("decision", "files servers state haproxy config"),
    ("offline", "decision servers state haproxy config"),
    ("output", "decision files servers state haproxy config"),
    ("args", "reload haproxy"),
    ("reconcile", "args output decision files servers reload state haproxy config"),
    ("settled", "reconcile args output files state haproxy config"),
    ("measure", "settled args output files state haproxy config"),
    ("run", "measure settled reconcile args output decision files servers reload state haproxy config"),
];

/// Crates whose files may not import each other in a circle of two.
const WITHOUT_CIRCLES: [&str; 4] = ["common", "render-cfg", "reload-haproxy", "scripts/autoscale"];

/// An import: where it stands, and the module that it names, as `servers/change`.
struct Import {
    place: String,
    from: String,
    to: String,
}

/// The modules of a crate with their sources: `servers/change`, and `servers` for `servers/mod.rs`.
fn modules(root: &Path) -> BTreeMap<String, PathBuf> {
    let mut modules = BTreeMap::new();
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        for path in fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root).unwrap().with_extension("");
                let name = name.to_str().unwrap();
                modules.insert(name.strip_suffix("/mod").unwrap_or(name).to_owned(), path);
            }
        }
    }
    modules
}

/// All imports of a crate, without those of its tests.
fn imports(root: &Path) -> Vec<Import> {
    let modules = modules(root);
    let mut imports = Vec::new();
    for (from, path) in modules.iter().filter(|(name, _)| !name.ends_with("tests")) {
        let text = fs::read_to_string(path).unwrap();
        let code = text.split("\n#[cfg(test)]\nmod tests").next().unwrap();
        for (index, line) in code.lines().enumerate() {
            let place = format!("{}:{}", path.display(), index + 1);
            for named in named(line, from) {
                if let Some(to) = resolve(&named, &modules).filter(|to| to != from) {
                    imports.push(Import { place: place.clone(), from: from.clone(), to });
                }
            }
        }
    }
    imports
}

/// The modules that a line of `from` names: after `crate::`, or after `use` as a child of `from`.
fn named(line: &str, from: &str) -> Vec<String> {
    let line = line.trim_start();
    if line.starts_with("//") {
        return Vec::new();
    }
    let absolute = line.split("crate::").skip(1).map(|rest| rest.replace("::", "/"));
    let child = line.strip_prefix("use ").map(|rest| format!("{from}/{}", rest.replace("::", "/")));
    absolute.chain(child).collect()
}

/// The longest beginning of `named` that is a module.
fn resolve(named: &str, modules: &BTreeMap<String, PathBuf>) -> Option<String> {
    let path = named.split(|c: char| !(c.is_alphanumeric() || "_/-".contains(c))).next()?;
    let parts: Vec<&str> = path.split('/').collect();
    (1..=parts.len()).rev().map(|length| parts[..length].join("/")).find(|name| modules.contains_key(name))
}

fn root(crate_name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(crate_name).join("src")
}

#[test]
fn each_folder_uses_only_those_below_it() {
    let part = |module: &str| module.split('/').next().unwrap_or_default().to_owned();
    let imports = imports(&root("reload-haproxy"));
    assert!(imports.len() > 50, "{} imports were found", imports.len());
    for Import { place, from, to } in imports {
        let (from, to) = (part(&from), part(&to));
        if from == to || from == "lib" || from == "main" {
            continue;
        }
        let (_, may_use) = MAY_USE.iter().find(|(name, _)| *name == from).expect("each part is in MAY_USE");
        assert!(may_use.split(' ').any(|name| name == to), "{place}: {from} must not use {to}");
    }
}

#[test]
fn no_two_files_import_each_other() {
    for name in WITHOUT_CIRCLES {
        let imports = imports(&root(name));
        for import in &imports {
            let back = imports.iter().find(|other| other.from == import.to && other.to == import.from);
            assert!(back.is_none(), "{} and {} import each other", import.place, back.unwrap().place);
        }
    }
}
