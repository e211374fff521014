//! Finds the files that the configuration names, with those that HAProxy loads together with them.
//!
//! What an earlier run read is not read again. Whether a certificate has files beside it is looked up only if their
//! directory has changed.

mod directory;
mod lists;

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::SystemTime;

use crate::config::content;
use crate::config::files::named::{FileKind, NamedFile, NamedFiles};
use crate::files::read::{part, part_with};
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
    named.files.iter().for_each(|file| search.add(Named::from(file)));
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

/// A file that a line of the configuration names, or that is in a list or a directory which it names.
#[derive(Clone, Copy)]
struct Named<'n> {
    kind: FileKind,
    name: &'n str,
    path: &'n str,
    beside: &'n [(&'static str, String)],
    line: usize,
    more_lines: &'n [usize],
}

/// The place of each file in what was found.
struct Seen {
    /// By the place in what an earlier run found.
    known: Vec<Option<usize>>,
    /// Of those that it did not find.
    new: HashMap<(FileKind, String), usize>,
}

impl Search<'_> {
    fn add(&mut self, file: Named) {
        match file.kind {
            FileKind::Certificate | FileKind::DefaultCertificate if file.name.starts_with('@') => {
                self.add_certificate(file);
            }
            FileKind::Certificate => self.add_certificates(file),
            FileKind::DefaultCertificate if !self.places.of(file.path).is_dir() => {
                self.add_certificates(file);
            }
            FileKind::CertificateList => self.add_list(file),
            _ => {
                let path = self.places.of(file.path);
                let parts = self.parts(file, &path);
                self.push(file, parts, Vec::new());
            }
        }
    }

    /// What `crt` names: a certificate, a directory of certificates, or a bundle.
    fn add_certificates(&mut self, file: Named) {
        let path = self.places.of(file.path);
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_dir() => self.add_directory(file, &path),
            Err(_) if self.named.extra.has_bundles => {
                let names = BUNDLE.map(|ending| format!("{}.{ending}", file.path));
                let mut there: Vec<&str> = names.iter().map(String::as_str).collect();
                there.retain(|name| self.places.of(name).exists());
                if there.is_empty() {
                    there.push(file.path);
                }
                there.into_iter().for_each(|name| self.add_certificate(file.like(name)));
            }
            metadata => self.add_certificate_at(file, path, metadata),
        }
    }

    /// A directory of certificates, which HAProxy's socket has as a list without a slash at its end.
    fn add_directory(&mut self, file: Named, path: &Path) {
        let name = file.path.trim_end_matches('/');
        let is_same = self.look_into(path).is_same;
        let known = self.known.get(FileKind::CertificateList, name).filter(|_| is_same);
        let names: Vec<String> = match known {
            Some(known) => known.entries.clone(),
            None => {
                self.look_into(path).certificates().iter().map(|found| format!("{name}/{found}")).collect()
            }
        };
        let list = Named { kind: FileKind::CertificateList, ..file.like(name) };
        if let Some(list) = self.push(list, Vec::new(), names) {
            list.entries.iter().for_each(|name| self.add_certificate(file.like(name)));
        }
    }

    /// A certificate and the files beside it.
    fn add_certificate(&mut self, file: Named) {
        let path = self.places.of(file.path);
        let metadata = fs::metadata(&path);
        self.add_certificate_at(file, path, metadata);
    }

    /// The same, if its path was looked at already.
    fn add_certificate_at(&mut self, file: Named, path: PathBuf, metadata: io::Result<Metadata>) {
        let known = self.known.get(file.kind, file.name);
        let old = |role: &str| known?.parts.iter().find(|part| part.role == role);
        let beside = file.beside.iter().map(|(role, name)| (*role, self.places.of(name)));
        let mut beside: Vec<(&str, PathBuf)> = beside.collect();
        for role in self.roles_beside(known.map(Rc::as_ref), &path) {
            if beside.iter().all(|(named, _)| *named != role) {
                beside.push((role, self.beside(&path, role)));
            }
        }
        let mut parts = vec![part_with(metadata, "", path, old(""), self.now)];
        parts.extend(beside.into_iter().map(|(role, path)| part(role, path, old(role), self.now)));
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
    fn parts(&self, file: Named, path: &Path) -> Vec<Part> {
        if matches!(file.kind, FileKind::Map | FileKind::Acl) || !path.is_dir() {
            return vec![part("", path.to_owned(), self.known_part(file, ""), self.now)];
        }
        let names = names_in(path).into_iter();
        names
            .map(|name| part(&name, path.join(content::path(&name)), self.known_part(file, &name), self.now))
            .collect()
    }

    fn known_part(&self, file: Named, role: &str) -> Option<&Part> {
        self.known.get(file.kind, file.name)?.parts.iter().find(|part| part.role == role)
    }

    /// Whether a certificate of this name was found.
    fn has(&self, name: &str) -> bool {
        self.found.items.iter().any(|item| item.kind == FileKind::Certificate && item.name == name)
    }

    /// Adds an item. Returns `None` if it is there already.
    fn push(&mut self, file: Named, parts: Vec<Part>, entries: Vec<String>) -> Option<Rc<Item>> {
        let Named { kind, name, line, more_lines, .. } = file;
        let next = self.found.items.len();
        let place = match self.known.place(kind, name) {
            Some(known) => *self.seen.known[known].get_or_insert(next),
            None => *self.seen.new.entry((kind, name.to_owned())).or_insert(next),
        };
        if let Some(item) = self.found.items.get_mut(place) {
            let lines = &mut Rc::make_mut(item).more_lines;
            lines.push(line);
            lines.extend(more_lines);
            return None;
        }
        let (name, more_lines) = (name.to_owned(), more_lines.to_vec());
        let item = Rc::new(Item { kind, name, line, more_lines, parts, entries });
        self.found.items.push(Rc::clone(&item));
        Some(item)
    }
}

impl<'n> Named<'n> {
    /// A file with this name, which the same line names.
    fn like<'a>(self, name: &'a str) -> Named<'a>
    where
        'n: 'a,
    {
        Named { name, path: name, beside: &[], ..self }
    }
}

impl<'n> From<&'n NamedFile> for Named<'n> {
    fn from(file: &'n NamedFile) -> Named<'n> {
        let NamedFile { kind, name, path, beside, line, more_lines, .. } = file;
        Named { kind: *kind, name, path, beside, line: *line, more_lines }
    }
}

#[cfg(test)]
mod tests;
