//! What HAProxy has loaded after a change.

use crate::config::files::named::FileKind;
use crate::files::change::Change;
use crate::state::loaded_files::{Item, LoadedFiles};

/// Notes in `loaded` that HAProxy has taken a change of the files that were `found`.
pub(crate) fn take(loaded: &mut LoadedFiles, change: &Change, found: &LoadedFiles) {
    match change {
        Change::Replace(item) => put(loaded, item),
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
    let is_it = |item: &&Item| item.kind == FileKind::CertificateList && item.name == list;
    let Some(now) = found.items.iter().find(is_it) else { return };
    let Some(item) = loaded.items.iter_mut().find(|item| is_it(&&**item)) else { return };
    change(&mut item.entries, now);
    let place = |entry: &String| now.entries.iter().position(|other| other == entry);
    item.entries.sort_by_key(place);
    if item.entries == now.entries {
        *item = now.clone();
    }
}

fn put(loaded: &mut LoadedFiles, item: &Item) {
    match loaded.items.iter_mut().find(|old| (old.kind, &old.name) == (item.kind, &item.name)) {
        Some(old) => *old = item.clone(),
        None => loaded.items.push(item.clone()),
    }
}
