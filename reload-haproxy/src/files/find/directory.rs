//! Directories of certificates, as HAProxy reads them.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, FileType};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::config::content::text;

/// Files with these endings in a directory of certificates belong to another file there.
const BESIDE: [&str; 4] = ["key", "ocsp", "issuer", "sctl"];

/// A directory with certificates.
pub(super) struct Directory {
    pub(super) path: PathBuf,
    /// Whether it has the stamp of an earlier run: then it has the same names.
    pub(super) is_same: bool,
    entries: Option<Vec<Entry>>,
    names_beside: Option<HashSet<OsString>>,
}

impl Directory {
    pub(super) fn new(path: &Path, is_same: bool) -> Directory {
        Directory { path: path.to_owned(), is_same, entries: None, names_beside: None }
    }

    /// The names in it of files that belong to another.
    pub(super) fn names_beside(&mut self) -> &HashSet<OsString> {
        let entries = self.entries.get_or_insert_with(|| entries(&self.path).collect());
        let names = entries.iter().map(|entry| &entry.name).filter(|name| is_beside(name));
        self.names_beside.get_or_insert_with(|| names.cloned().collect())
    }

    /// The names of the certificates in it, as HAProxy loads them (crtlist_load_cert_dir in src/ssl_crtlist.c).
    pub(super) fn certificates(&mut self) -> Vec<String> {
        let is_file = |entry: &Entry| {
            entry.kind.is_some_and(|kind| kind.is_file()) || self.path.join(&entry.name).is_file()
        };
        let is_one = |entry: &&Entry| {
            !entry.name.as_bytes().starts_with(b".") && !is_beside(&entry.name) && is_file(entry)
        };
        let entries = self.entries.get_or_insert_with(|| entries(&self.path).collect());
        sorted(entries.iter().filter(is_one))
    }
}

/// The names in a directory, sorted; none if it cannot be read.
pub(super) fn names_in(path: &Path) -> Vec<String> {
    sorted(entries(path).collect::<Vec<_>>().iter())
}

/// A name in a directory. Most file systems report its kind with the name, without a `stat`.
struct Entry {
    name: OsString,
    kind: Option<FileType>,
}

fn entries(path: &Path) -> impl Iterator<Item = Entry> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries.map(|entry| Entry { name: entry.file_name(), kind: entry.file_type().ok() })
}

/// Whether a file of this name belongs to another.
fn is_beside(name: &OsStr) -> bool {
    Path::new(name).extension().is_some_and(|ending| BESIDE.iter().any(|its| ending == *its))
}

fn sorted<'e>(entries: impl Iterator<Item = &'e Entry>) -> Vec<String> {
    let mut names: Vec<&OsStr> = entries.map(|entry| &*entry.name).collect();
    names.sort_unstable();
    names.into_iter().map(|name| text(name.as_bytes()).into_owned()).collect()
}
