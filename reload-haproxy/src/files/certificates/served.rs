//! The host names for which HAProxy serves a certificate: its own, or the filters of a `crt-list`'s line.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use crate::config::files::named::FileKind;
use crate::files::certificate_list::entries;
use crate::state::certificate_hosts::Hosts;
use crate::state::loaded_files::{Item, LoadedFiles};

/// What lines of lists say about certificates.
pub(super) struct Served<'f> {
    filtered: HashMap<&'f str, Filtered>,
    /// The first certificates of lists and lines, one of which HAProxy serves for a name that no other is for.
    first: HashSet<&'f str>,
}

/// The lines with filters for one certificate.
#[derive(Default)]
struct Filtered {
    names: Vec<String>,
    /// How many lines of the configuration name the certificate so.
    count: usize,
}

impl<'f> Served<'f> {
    /// Of the certificates in `found`.
    pub(super) fn new(found: &'f LoadedFiles) -> Served<'f> {
        let mut served = Served { filtered: HashMap::new(), first: HashSet::new() };
        let mut lines = HashSet::new();
        for item in &found.items {
            match item.kind {
                FileKind::CertificateList => served.add_list(item),
                // `line` is that of its `load`. Its order in the `bind` lines that use it is unknown, so it may be the first.
                FileKind::Certificate if item.name.starts_with('@') => {
                    served.first.insert(&item.name);
                }
                FileKind::Certificate if lines.insert(item.line) => {
                    served.first.insert(&item.name);
                }
                _ => {}
            }
        }
        served
    }

    fn add_list(&mut self, list: &'f Item) {
        self.first.extend(list.entries.first().map(|entry| list.file_of(entry)));
        // A directory has no lines.
        for line in list.entries.iter().filter(|_| !list.parts.is_empty()) {
            for entry in entries(line) {
                let filters = entry.filters();
                if filters.is_empty() {
                    continue;
                }
                let filtered = self.filtered.entry(entry.file).or_default();
                filtered.count += 1 + list.more_lines.len();
                let names = filters.into_iter().filter(|name| !name.starts_with('!'));
                filtered.names.extend(names.map(str::to_ascii_lowercase));
            }
        }
    }

    /// The names for which HAProxy serves a certificate that has these ones.
    pub(super) fn hosts(&self, item: &Item, own: &Rc<Hosts>) -> Rc<Hosts> {
        let Some(filtered) = self.filtered.get(item.name.as_str()) else { return Rc::clone(own) };
        let is_always_filtered = filtered.count > item.more_lines.len();
        let own_names = own.names.iter().filter(|_| !is_always_filtered);
        let names = filtered.names.iter().chain(own_names).cloned().collect();
        Rc::new(Hosts { key: own.key.clone(), names })
    }

    /// Whether HAProxy may serve a certificate for names that no other is for.
    pub(super) fn is_first(&self, item: &Item) -> bool {
        self.first.contains(item.name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::loaded_files::Part;

    fn item(kind: FileKind, name: &str, more_lines: &[usize], entries: &[&str]) -> Item {
        let entries = entries.iter().map(|entry| (*entry).to_owned()).collect();
        let (line, more_lines) = (5, more_lines.to_vec());
        Item { kind, name: name.to_owned(), line, more_lines, parts: vec![Part::default()], entries }
    }

    #[test]
    fn filters_take_the_place_of_a_certificates_own_names_wherever_it_has_some() {
        let items = vec![
            item(
                FileKind::CertificateList,
                "/l",
                &[],
                &["/a [alpn h2]", "/b *.B.test !x.b.test", "/c !y.test", "/d d.test"],
            ),
            item(FileKind::Certificate, "/a", &[], &[]),
            item(FileKind::Certificate, "/b", &[], &[]),
            item(FileKind::Certificate, "/c", &[], &[]),
            // Another line names it without filters.
            item(FileKind::Certificate, "/d", &[7], &[]),
        ];
        let items = items.into_iter().map(Rc::new).collect();
        let found = LoadedFiles { items, ..LoadedFiles::default() };
        let served = Served::new(&found);
        let own = Rc::new(Hosts { key: "EC".to_owned(), names: vec!["own".to_owned()] });
        let names = |place: usize| served.hosts(&found.items[place], &own).names.clone();
        assert_eq!(names(1), ["own"]);
        assert_eq!(names(2), ["*.b.test"]);
        assert_eq!(names(3), [] as [&str; 0]);
        assert_eq!(names(4), ["d.test", "own"]);
        assert_eq!([1, 2].map(|place| served.is_first(&found.items[place])), [true, false]);
    }
}
