//! What HAProxy has loaded after a change.

use std::rc::Rc;

use crate::config::files::named::FileKind;
use crate::files::change::Change;
use crate::state::loaded_files::{Item, LoadedFiles};

/// Notes in `loaded` that HAProxy has taken a change of the files that were `found`.
pub(crate) fn take(loaded: &mut LoadedFiles, change: &Change, found: &LoadedFiles) {
    match change {
        Change::Replace(item) | Change::Restore(item) => put(loaded, item),
        Change::Add { list, line, certificate } => {
            put(loaded, certificate);
            take_list(loaded, list, found, |entries, _| entries.push(line.clone()));
        }
        Change::Remove { list, name, .. } => {
            take_list(loaded, list, found, |entries, now| entries.retain(|entry| now.file_of(entry) != name));
        }
    }
}

/// Changes the entries of a list. Once they are those of the file, so is the list.
fn take_list(
    loaded: &mut LoadedFiles,
    list: &str,
    found: &LoadedFiles,
    change: impl FnOnce(&mut Vec<String>, &Item),
) {
    let is_it = |item: &Item| item.kind == FileKind::CertificateList && item.name == list;
    let Some(now) = found.items.iter().find(|item| is_it(item)) else { return };
    let Some(item) = loaded.items.iter_mut().find(|item| is_it(item)) else { return };
    let entries = &mut Rc::make_mut(item).entries;
    change(entries, now);
    let place = |entry: &String| now.entries.iter().position(|other| other == entry);
    entries.sort_by_key(place);
    if *entries == now.entries {
        *item = Rc::clone(now);
    }
}

fn put(loaded: &mut LoadedFiles, item: &Item) {
    match loaded.items.iter_mut().find(|old| (old.kind, &old.name) == (item.kind, &item.name)) {
        Some(old) => *old = Rc::new(item.clone()),
        None => loaded.items.push(Rc::new(item.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(entries: &[&str]) -> Item {
        let entries = entries.iter().map(|entry| (*entry).to_owned()).collect();
        let (kind, name) = (FileKind::CertificateList, "/d".to_owned());
        Item { kind, name, line: 0, more_lines: Vec::new(), parts: Vec::new(), entries }
    }

    #[test]
    fn a_list_has_what_was_taken_in_the_order_of_the_file() {
        let files = |item| LoadedFiles { items: vec![Rc::new(item)], ..LoadedFiles::default() };
        let found = files(list(&["a", "b", "c", "e"]));
        let mut loaded = files(list(&["a", "d", "e"]));
        let certificate = Item { kind: FileKind::Certificate, name: "c".to_owned(), ..list(&[]) };
        let add =
            Change::Add { list: "/d".to_owned(), line: "c".to_owned(), certificate: certificate.clone() };
        take(&mut loaded, &add, &found);
        let remove = Change::Remove { list: "/d".to_owned(), name: "d".to_owned(), number: 0 };
        take(&mut loaded, &remove, &found);
        assert_eq!(loaded.items, [list(&["a", "c", "e"]), certificate].map(Rc::new));
    }
}
