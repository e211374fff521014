//! Directories of certificates, as HAProxy reads them.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::{self, DirEntry};
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
    entries: Option<Vec<DirEntry>>,
    names_beside: Option<HashSet<OsString>>,
}

impl Directory {
    pub(super) fn new(path: &Path, is_same: bool) -> Directory {
        Directory { path: path.to_owned(), is_same, entries: None, names_beside: None }
    }

    /// The names in it of files that belong to another.
    pub(super) fn names_beside(&mut self) -> &HashSet<OsString> {
        let is_one = |name: &OsString| {
            Path::new(name).extension().is_some_and(|ending| BESIDE.iter().any(|e| ending == *e))
        };
        let entries = self.entries.get_or_insert_with(|| entries(&self.path).collect());
        self.names_beside
            .get_or_insert_with(|| entries.iter().map(DirEntry::file_name).filter(is_one).collect())
    }

    /// The names of the certificates in it, as HAProxy loads them (crtlist_load_cert_dir in src/ssl_crtlist.c).
    pub(super) fn certificates(&mut self) -> Vec<String> {
        let is_one = |entry: &&DirEntry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let ending = name.rsplit_once('.').map(|(_, ending)| ending);
            let is_file = || entry.file_type().is_ok_and(|kind| kind.is_file()) || entry.path().is_file();
            !name.starts_with('.') && !ending.is_some_and(|ending| BESIDE.contains(&ending)) && is_file()
        };
        let entries = self.entries.get_or_insert_with(|| entries(&self.path).collect());
        sorted(entries.iter().filter(is_one).map(DirEntry::file_name))
    }
}

/// The names in a directory, sorted; none if it cannot be read.
pub(super) fn names_in(path: &Path) -> Vec<String> {
    sorted(entries(path).map(|entry| entry.file_name()))
}

fn entries(path: &Path) -> impl Iterator<Item = DirEntry> {
    fs::read_dir(path).into_iter().flatten().flatten()
}

fn sorted(names: impl Iterator<Item = OsString>) -> Vec<String> {
    let mut names: Vec<OsString> = names.collect();
    names.sort_unstable();
    names.iter().map(|name| text(name.as_bytes()).into_owned()).collect()
}
