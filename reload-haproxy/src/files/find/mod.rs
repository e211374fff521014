//! Finds the files that the configuration names, with those that HAProxy loads together with them.
//!
//! What an earlier run read is not read again. Whether a certificate has files beside it is looked up only if their
//! directory has changed.

mod directory;
mod lists;

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::config::content;
use crate::config::files::named::{FileKind, NamedFile, NamedFiles};
use crate::files::read::part;
use crate::haproxy::places::Places;
use crate::state::by_name::ByName;
use crate::state::loaded_files::{Item, LoadedFiles, Part, Stamp};
use directory::{Directory, names_in};

/// The endings of the names of a bundle.
const BUNDLE: [&str; 3] = ["rsa", "ecdsa", "dsa"];
/// The files that `named` names, as they are at `now`. `old` is what an earlier run found.
pub(crate) fn find(
    named: &NamedFiles,
    places: &Places,
    old: Option<&LoadedFiles>,
    now: SystemTime,
) -> LoadedFiles {
    let items = old.map_or(&[][..], |old| &old.items);
    let (known, directories) = (ByName::new(items), old.map(|old| &old.directories));
    let (found, seen) =
        (LoadedFiles::default(), Seen { known: vec![None; items.len()], new: HashMap::new() });
    let mut search = Search { named, places, known, directories, now, found, seen, directory: None };
    named.files.iter().for_each(|file| search.add(file));
    search.found
}

struct Search<'s> {
    named: &'s NamedFiles,
    places: &'s Places<'s>,
    /// What an earlier run found.
    known: ByName<'s>,
    directories: Option<&'s BTreeMap<PathBuf, Stamp>>,
    now: SystemTime,
    found: LoadedFiles,
    seen: Seen,
    /// The one that was looked into last: certificates mostly lie together.
    directory: Option<Directory>,
}

/// The place of each file in what was found.
struct Seen {
    /// By the place in what an earlier run found.
    known: Vec<Option<usize>>,
    /// Of those that it did not find.
    new: HashMap<(FileKind, String), usize>,
}

impl Search<'_> {
    fn add(&mut self, file: &NamedFile) {
        match file.kind {
            FileKind::Certificate if file.name.starts_with('@') => self.add_certificate(file),
            FileKind::Certificate => self.add_certificates(file),
            FileKind::CertificateList => self.add_list(file),
            _ => {
                let path = self.places.of(&file.path);
                let parts = self.parts(file, &path);
                self.push(file, parts, Vec::new());
            }
        }
    }

    /// What `crt` names: a certificate, a directory of certificates, or a bundle.
    fn add_certificates(&mut self, file: &NamedFile) {
        let path = self.places.of(&file.path);
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_dir() => self.add_directory(file, &path),
            Err(_) if self.named.extra.has_bundles => {
                let names = BUNDLE.map(|ending| format!("{}.{ending}", file.path));
                let mut there: Vec<String> =
                    names.into_iter().filter(|name| self.places.of(name).exists()).collect();
                if there.is_empty() {
                    there.push(file.path.clone());
                }
                there.into_iter().for_each(|name| self.add_certificate(&named_like(file, name)));
            }
            _ => self.add_certificate(file),
        }
    }

    /// A directory of certificates, which HAProxy's socket has as a list without a slash at its end.
    fn add_directory(&mut self, file: &NamedFile, path: &Path) {
        let name = file.path.trim_end_matches('/').to_owned();
        let is_same = self.look_into(path).is_same;
        let known = self.known.get(FileKind::CertificateList, &name).filter(|_| is_same);
        let names: Vec<String> = match known {
            Some(known) => known.entries.clone(),
            None => {
                self.look_into(path).certificates().iter().map(|found| format!("{name}/{found}")).collect()
            }
        };
        let list = NamedFile { kind: FileKind::CertificateList, ..named_like(file, name) };
        if self.push(&list, Vec::new(), names.clone()) {
            names.into_iter().for_each(|name| self.add_certificate(&named_like(file, name)));
        }
    }

    /// A certificate and the files beside it.
    fn add_certificate(&mut self, file: &NamedFile) {
        let path = self.places.of(&file.path);
        let known = self.known.get(file.kind, &file.name);
        let old = |role: &str| known?.parts.iter().find(|part| part.role == role);
        let mut parts = vec![part("", path.clone(), old(""), self.now)];
        for (role, name) in &file.beside {
            parts.push(part(role, self.places.of(name), old(role), self.now));
        }
        for role in self.roles_beside(known, &path) {
            if file.beside.iter().all(|(named, _)| *named != role) {
                parts.push(part(role, self.beside(&path, role), old(role), self.now));
            }
        }
        self.push(file, parts, Vec::new());
    }

    /// Which files there are beside a certificate, which was `known` before.
    fn roles_beside(&mut self, known: Option<&Item>, path: &Path) -> Vec<&'static str> {
        let roles = self.named.extra.suffixes.iter().copied();
        let parent = path.parent().unwrap_or(Path::new("/"));
        if let Some(known) = known.filter(|_| self.look_into(parent).is_same) {
            return roles.filter(|role| known.parts.iter().any(|part| part.role == *role)).collect();
        }
        if self.look_into(parent).names_beside().is_empty() {
            return Vec::new();
        }
        let mut is_there = |role: &&str| {
            let path = self.beside(path, role);
            let is_named =
                path.file_name().is_some_and(|name| self.look_into(parent).names_beside().contains(name));
            is_named && path.exists()
        };
        roles.filter(|role| is_there(role)).collect()
    }

    /// The path of a file beside a certificate.
    fn beside(&self, path: &Path, role: &str) -> PathBuf {
        content::path(&self.named.extra.beside(&content::text(path.as_os_str().as_bytes()), role))
    }

    /// Looks into a directory, once in a search.
    fn look_into(&mut self, path: &Path) -> &mut Directory {
        let is_it =
            self.directory.as_ref().is_some_and(|directory| directory.path.as_os_str() == path.as_os_str());
        let directory = self.directory.take().filter(|_| is_it).unwrap_or_else(|| {
            let known = self.directories.and_then(|known| known.get(path));
            let stamp = fs::metadata(path).ok().map(|metadata| Stamp::of(&metadata));
            // The state directory cannot hold another path.
            let is_kept = |stamp: &Stamp| path.to_str().is_some() && stamp.is_settled(self.now);
            if let Some(stamp) = stamp.filter(is_kept) {
                self.found.directories.insert(path.to_owned(), stamp);
            }
            Directory::new(path, known.is_some() && known == stamp.as_ref())
        });
        self.directory.insert(directory)
    }

    /// The file at `path`, or all files of the directory there. A map is never a directory.
    fn parts(&self, file: &NamedFile, path: &Path) -> Vec<Part> {
        if matches!(file.kind, FileKind::Map | FileKind::Acl) || !path.is_dir() {
            return vec![part("", path.to_owned(), self.known_part(file, ""), self.now)];
        }
        let names = names_in(path).into_iter();
        names
            .map(|name| part(&name, path.join(content::path(&name)), self.known_part(file, &name), self.now))
            .collect()
    }

    fn known_part(&self, file: &NamedFile, role: &str) -> Option<&Part> {
        self.known.get(file.kind, &file.name)?.parts.iter().find(|part| part.role == role)
    }

    /// Adds an item, unless it is there.
    fn push(&mut self, file: &NamedFile, parts: Vec<Part>, entries: Vec<String>) -> bool {
        let (kind, name, line, more_lines) =
            (file.kind, file.name.clone(), file.line, file.more_lines.clone());
        let next = self.found.items.len();
        let place = match self.known.place(kind, &name) {
            Some(known) => *self.seen.known[known].get_or_insert(next),
            None => *self.seen.new.entry((kind, name.clone())).or_insert(next),
        };
        let is_new = place == next;
        if is_new {
            self.found.items.push(Item { kind, name, line, more_lines, parts, entries });
        } else {
            self.found.items[place].more_lines.push(line);
            self.found.items[place].more_lines.extend(more_lines);
        }
        is_new
    }
}

/// A file with this name, which the same line names.
fn named_like(file: &NamedFile, name: String) -> NamedFile {
    NamedFile { path: name.clone(), name, beside: Vec::new(), ..file.clone() }
}

#[cfg(test)]
mod tests;
