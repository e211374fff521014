//! The files of a directory, for a comparison byte by byte.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use harness::{Result, system};

/// Files by name, with their bytes.
pub type Listing = BTreeMap<String, Vec<u8>>;

/// All files of a directory.
pub fn listing(directory: &Path) -> Result<Listing> {
    let mut files = Listing::new();
    for entry in fs::read_dir(directory).map_err(system("list", directory.display()))?.flatten() {
        // Files can disappear in between.
        if let Ok(bytes) = fs::read(entry.path()) {
            files.insert(entry.file_name().to_string_lossy().into_owned(), bytes);
        }
    }
    Ok(files)
}

/// The first file in `seen` that is as in neither `old` nor `new`, or is missing. Temporary files of a killed run are
/// ignored.
pub fn neither(seen: &Listing, old: &Listing, new: &Listing) -> Option<String> {
    let is_temporary = |name: &str| name.starts_with('.') && name.ends_with(".tmp");
    for (name, bytes) in seen.iter().filter(|(name, _)| !is_temporary(name)) {
        if old.get(name) != Some(bytes) && new.get(name) != Some(bytes) {
            return Some(format!("'{name}' is neither the old nor the new one"));
        }
    }
    let stays = |name: &&String| new.contains_key(*name) && !seen.contains_key(*name);
    old.keys().find(stays).map(|name| format!("'{name}' is gone"))
}

/// The difference between the two.
pub fn difference(seen: &Listing, wanted: &Listing) -> Option<String> {
    let names: BTreeSet<&String> = seen.keys().chain(wanted.keys()).collect();
    let names = names.into_iter().filter(|name| seen.get(*name) != wanted.get(*name));
    let names: Vec<&str> = names.map(String::as_str).collect();
    (!names.is_empty()).then(|| format!("not as it should be: {}", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(pairs: &[(&str, &str)]) -> Listing {
        pairs.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect()
    }

    #[test]
    fn the_old_and_the_new_pass_and_halves_do_not() {
        let (old, new) = (files(&[("a", "1"), ("b", "1")]), files(&[("a", "2"), ("c", "2")]));
        assert_eq!(neither(&files(&[("a", "2"), ("b", "1"), (".c.tmp", "")]), &old, &new), None);
        assert!(neither(&files(&[("a", "")]), &old, &new).is_some());
        assert!(neither(&files(&[("b", "1")]), &old, &new).is_some());
        assert!(difference(&old, &new).is_some_and(|text| text.ends_with("a, b, c")));
        assert_eq!(difference(&new, &new), None);
    }
}
