//! Reads what HAProxy shows of its maps and lists.

use crate::files::lists::list::{Entry, ListKind};

/// An entry that HAProxy holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HeldEntry<'a> {
    /// `0x7f12...`: by this a command names it.
    pub(super) id: &'a str,
    pub(super) entry: Entry<'a>,
}

/// The version that is in use, and the last one that was prepared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Versions {
    pub(super) current: u32,
    pub(super) last: u32,
}

/// Reads the answer to `show map FILE` or `show acl FILE`; `None` if it is something else, or not whole.
pub(super) fn held_entries(kind: ListKind, answer: &str) -> Option<Vec<HeldEntry<'_>>> {
    if answer == "\n" {
        return Some(Vec::new());
    }
    answer.strip_suffix("\n\n")?.split('\n').map(|row| held_entry(kind, row)).collect()
}

fn held_entry(kind: ListKind, row: &str) -> Option<HeldEntry<'_>> {
    let (id, rest) = row.split_once(' ')?;
    let digits = id.strip_prefix("0x").filter(|digits| !digits.is_empty())?;
    let entry = match kind {
        ListKind::Acl => Entry { key: rest, value: None },
        ListKind::Map => {
            let (key, value) = rest.split_once(' ')?;
            Entry { key, value: Some(value) }
        }
    };
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then_some(HeldEntry { id, entry })
}

/// Whether the answer to `show map` or `show acl` lists a file of this name.
pub(super) fn row_of<'a>(listing: &'a str, name: &str) -> Option<&'a str> {
    let is_it = |row: &&str| {
        let file = row.split_once(" (").and_then(|(_, file)| file.strip_prefix(name));
        file.is_some_and(|rest| rest.starts_with(") "))
    };
    listing.lines().find(is_it)
}

/// The versions at the end of a row; `None` before HAProxy 2.4.
pub(super) fn versions(row: &str) -> Option<Versions> {
    let (_, numbers) = row.rsplit_once(" curr_ver=")?;
    let (current, rest) = numbers.split_once(" next_ver=")?;
    let last = rest.split(' ').next()?;
    Some(Versions { current: current.parse().ok()?, last: last.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_may_have_blanks_or_be_empty() {
        let answer = "0x55ed27bf93d0 /a one two  three\n0x7f12 /b \n\n";
        let held = held_entries(ListKind::Map, answer).unwrap();
        let read: Vec<_> =
            held.iter().map(|held| (held.id, held.entry.key, held.entry.value.unwrap())).collect();
        assert_eq!(read, [("0x55ed27bf93d0", "/a", "one two  three"), ("0x7f12", "/b", "")]);
        let held = held_entries(ListKind::Acl, "0x7f12 two words  \n\n").unwrap();
        assert_eq!((held[0].entry.key, held[0].entry.value), ("two words  ", None));
        assert_eq!(held_entries(ListKind::Acl, "\n"), Some(vec![]));
    }

    #[test]
    fn an_answer_of_another_kind_or_a_part_of_one_is_not_read() {
        let unknown = "Unknown map identifier. Please use #<id> or <file>.\n\n";
        for answer in ["", "0x7f12 /a b\n", "0x7f12 /a b", unknown, "Permission denied\n\n", "0x7f12 /a\n\n"]
        {
            assert_eq!(held_entries(ListKind::Map, answer), None, "{answer:?}");
        }
    }

    #[test]
    fn the_versions_of_a_file_are_found() {
        let listing = "# id (file) description\n\
            0 (/etc/a.map.old) pattern loaded from file '/etc/a.map.old' used by map at file 'c' line 2. curr_ver=7 next_ver=7 entry_cnt=3\n\
            1 (/etc/a.map) pattern loaded from file '/etc/a.map' used by map at file 'c' line 3. curr_ver=4 next_ver=6 entry_cnt=15\n\
            -1 (/etc/b.map) pattern loaded from file '/etc/b.map' used by map at file 'c' line 4\n";
        let of = |name| row_of(listing, name).map(versions);
        assert_eq!(of("/etc/a.map"), Some(Some(Versions { current: 4, last: 6 })));
        assert_eq!((of("/etc/b.map"), of("/etc/c.map")), (Some(None), None));
    }
}
