//! Changes only servers whose name is unique in their backend.
//!
//! HAProxy rejects a second server of the same name, but 3.4.0 to 3.4.2 start with both (the change log of 3.4.3:
//! "cebtree: private: fix the duplicate detection in the lookup shortcut"). Then each command at the socket changes the
//! first of the two, even if the second was meant.

use std::collections::HashSet;

use common::servers_state::Row;

use crate::config::sections::Section;
use crate::servers::change::Change;
use crate::servers::reason::Reason;

/// Fails if a changed server's name appears twice in its section of the file, or in `rows`, the servers that HAProxy
/// has in that backend.
pub(crate) fn check_names(changes: &[Change], section: &Section, rows: &[Row]) -> Result<(), Reason> {
    if changes.is_empty() {
        return Ok(());
    }
    let changed: HashSet<&str> = changes.iter().map(|change| change.server.as_str()).collect();
    // All names of the section are looked up: the only one is compared, which takes less time than a hash.
    let only = changed.iter().next().filter(|_| changed.len() == 1);
    let is_changed = |name: &str| only.map_or_else(|| changed.contains(name), |only| *only == name);
    let in_file = twice(section.names(), is_changed);
    match in_file.or_else(|| twice(rows.iter().map(|row| row.name), is_changed)) {
        Some(name) => Err(Reason::Twice { server: name.to_owned(), section: section.title() }),
        None => Ok(()),
    }
}

/// The first of the changed names that appears twice.
fn twice<'n>(names: impl Iterator<Item = &'n str>, is_changed: impl Fn(&str) -> bool) -> Option<&'n str> {
    let mut seen = HashSet::new();
    names.filter(|name| is_changed(name)).find(|name| !seen.insert(*name))
}
