//! A `crt-list`, and the files that its lines name.

use std::path::Path;
use std::rc::Rc;

use crate::config::content::text;
use crate::config::files::named::FileKind;
use crate::files::certificate_list::{Entry, entries};
use crate::files::find::{Named, Search};
use crate::files::read::{content, part};
use crate::state::loaded_files::{Item, Part};

impl Search<'_> {
    /// A `crt-list`, and the files that it lists.
    pub(super) fn add_list(&mut self, file: Named) {
        let path = self.places.of(file.path);
        let mut part = part("", path.clone(), self.known_part(file, ""), self.now);
        let known = self.known.get(file.kind, file.name);
        let is_known = |known: &&Rc<Item>| known.parts.first().is_some_and(|old| old.digest == part.digest);
        let lines = match known.filter(is_known) {
            Some(known) => known.entries.clone(),
            None => self.read_list(&path, &mut part),
        };
        if let Some(list) = self.push(file, vec![part], lines) {
            let text = list.entries.join("\n");
            entries(&text).iter().for_each(|entry| self.add_entry(file, entry));
        }
    }

    /// The lines of a list, with names as HAProxy's socket has them.
    fn read_list(&self, path: &Path, part: &mut Part) -> Vec<String> {
        let Ok((bytes, _)) = content(path) else { return Vec::new() };
        // A list that is being written; HAProxy 3.0 and later reject it.
        if bytes.last().is_some_and(|last| *last != b'\n') {
            part.error = Some("it does not end with a newline".to_owned());
        }
        let text = text(&bytes);
        let name = |entry: &Entry| self.named.joined(FileKind::Certificate, entry.file);
        let line = |entry: &Entry| format!("{} {}", name(entry), entry.rest).trim_end().to_owned();
        entries(&text).iter().map(line).collect()
    }

    fn add_entry(&mut self, list: Named, entry: &Entry) {
        let certificate = Named { kind: FileKind::Certificate, ..list.like(entry.file) };
        if !entry.file.starts_with('@') {
            self.add_certificates(certificate);
        } else if self.has(entry.file) {
            // The `load` line that stores it was before the list. Now it has the list's lines, too.
            self.push(certificate, Vec::new(), Vec::new());
        }
        for pair in entry.options().windows(2) {
            let kind = match pair[0] {
                "ca-file" | "ca-verify-file" => FileKind::Authorities,
                "crl-file" => FileKind::Revocations,
                _ => continue,
            };
            if !pair[1].starts_with('@') {
                let name = self.named.joined(kind, pair[1]);
                self.add(Named { kind, ..list.like(&name) });
            }
        }
    }
}
