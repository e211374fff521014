//! The edits that make HAProxy's entries those of the file.
//!
//! Of entries with the same key, and of the patterns of `map_reg`, `map_sub` and their kind, the first that fits
//! decides. So the edits of a map keep the order: an entry is changed in its place, removed, or added at the end. In an
//! ACL any entry that fits is enough, and the order does not matter.

use crate::files::lists::held::HeldEntry;
use crate::files::lists::list::{Entry, ListKind};

/// A change of one entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edit<'a> {
    Set { id: &'a str, value: &'a str },
    Add(Entry<'a>),
    Delete { id: &'a str },
}

impl<'a> Edit<'a> {
    /// The entry that it removes.
    pub(super) fn removed(&self) -> Option<&'a str> {
        if let Edit::Delete { id } = self { Some(id) } else { None }
    }

    /// Whether a command can make it: no command sets an empty value.
    pub(super) fn has_command(&self) -> bool {
        !matches!(self, Edit::Set { value: "", .. })
    }
}

/// Whether HAProxy's entries are those of the file.
pub(super) fn is_same(kind: ListKind, held: &[HeldEntry], wanted: &[Entry]) -> bool {
    let is_equal =
        held.len() == wanted.len() && held.iter().zip(wanted).all(|(held, wanted)| held.entry == *wanted);
    is_equal || kind == ListKind::Acl && differences(kind, held, wanted).is_empty()
}

/// The edits that make HAProxy's entries those of the file, in their order.
pub(super) fn differences<'a>(kind: ListKind, held: &[HeldEntry<'a>], wanted: &[Entry<'a>]) -> Vec<Edit<'a>> {
    match kind {
        ListKind::Acl => unordered(held, wanted),
        ListKind::Map => ordered(held, wanted),
    }
}

/// The edits that keep the order. An entry that is new in the middle makes all behind it be added again.
fn ordered<'a>(held: &[HeldEntry<'a>], wanted: &[Entry<'a>]) -> Vec<Edit<'a>> {
    let mut edits = Vec::new();
    let mut rest = wanted.iter().copied().peekable();
    for HeldEntry { id, entry } in held {
        match rest.next_if(|wanted| wanted.key == entry.key) {
            Some(wanted) if wanted == *entry => {}
            Some(wanted) => edits.push(Edit::Set { id, value: wanted.value.unwrap_or_default() }),
            None => edits.push(Edit::Delete { id }),
        }
    }
    edits.extend(rest.map(Edit::Add));
    edits
}

/// The edits without regard to the order.
fn unordered<'a>(held: &[HeldEntry<'a>], wanted: &[Entry<'a>]) -> Vec<Edit<'a>> {
    // Almost all are the same in the same places.
    let same = held.iter().zip(wanted).take_while(|(held, wanted)| held.entry == **wanted).count();
    let (held, wanted) = (&held[same..], &wanted[same..]);
    let end = held.iter().rev().zip(wanted.iter().rev());
    let same = end.take_while(|(held, wanted)| held.entry == **wanted).count();
    let mut held = held[..held.len() - same].to_vec();
    let mut wanted = wanted[..wanted.len() - same].to_vec();
    held.sort_unstable_by_key(|held| held.entry);
    wanted.sort_unstable();
    let mut edits = Vec::new();
    let mut rest = wanted.into_iter().peekable();
    for HeldEntry { id, entry } in held {
        while let Some(wanted) = rest.next_if(|wanted| *wanted < entry) {
            edits.push(Edit::Add(wanted));
        }
        if rest.next_if_eq(&entry).is_none() {
            edits.push(Edit::Delete { id });
        }
    }
    edits.extend(rest.map(Edit::Add));
    edits
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDS: [&str; 6] = ["0x0", "0x1", "0x2", "0x3", "0x4", "0x5"];

    fn entry(kind: ListKind, text: &str) -> Entry<'_> {
        let (key, value) = text.split_once('=').unwrap_or((text, ""));
        Entry { key, value: (kind == ListKind::Map).then_some(value) }
    }

    fn compare<'a>(kind: ListKind, held: &'a str, wanted: &'a str) -> Vec<Edit<'a>> {
        let held =
            held.split_whitespace().zip(IDS).map(|(text, id)| HeldEntry { id, entry: entry(kind, text) });
        let wanted = wanted.split_whitespace().map(|text| entry(kind, text));
        differences(kind, &held.collect::<Vec<_>>(), &wanted.collect::<Vec<_>>())
    }

    fn map<'a>(held: &'a str, wanted: &'a str) -> Vec<Edit<'a>> {
        compare(ListKind::Map, held, wanted)
    }

    fn added(text: &str) -> Edit<'_> {
        Edit::Add(entry(ListKind::Map, text))
    }

    #[test]
    fn one_entry_that_differs_is_one_edit() {
        assert_eq!(map("a=1 b=2 c=3", "a=1 b=2 c=3"), []);
        assert_eq!(map("a=1 b=2 c=3", "a=1 b=9 c=3"), [Edit::Set { id: "0x1", value: "9" }]);
        assert_eq!(map("a=1 b=2 c=3", "a=1 c=3"), [Edit::Delete { id: "0x1" }]);
        assert_eq!(map("a=1 b=2", "a=1 b=2 c=3"), [added("c=3")]);
        assert_eq!(map("", "c=3"), [added("c=3")]);
    }

    #[test]
    fn an_entry_that_is_new_in_the_middle_is_more_than_one_edit() {
        let edits = map("a=1 c=3", "a=1 b=2 c=3");
        assert_eq!(edits, [Edit::Delete { id: "0x1" }, added("b=2"), added("c=3")]);
    }

    #[test]
    fn the_order_of_a_map_matters() {
        assert_eq!(map("a=1 b=2", "b=2 a=1"), [Edit::Delete { id: "0x0" }, added("a=1")]);
    }

    #[test]
    fn of_entries_with_the_same_key_the_first_stays_the_first() {
        assert_eq!(map("a=1 a=2", "a=1 a=9"), [Edit::Set { id: "0x1", value: "9" }]);
        assert_eq!(map("a=1", "a=1 a=1"), [added("a=1")]);
        assert_eq!(
            map("a=1 a=2 b=3", "a=2 b=3"),
            [Edit::Set { id: "0x0", value: "2" }, Edit::Delete { id: "0x1" }]
        );
    }

    #[test]
    fn no_command_sets_an_empty_value() {
        assert!(!map("a=1", "a=")[0].has_command() && added("a=").has_command());
    }

    #[test]
    fn the_order_of_an_acl_does_not_matter_but_copies_do() {
        let acl = |held, wanted| compare(ListKind::Acl, held, wanted);
        assert_eq!(acl("c a b a", "a a b c"), []);
        let add = Edit::Add(entry(ListKind::Acl, "b"));
        assert_eq!(acl("c a", "a b c"), [add]);
        assert_eq!(acl("c a x", "c a"), [Edit::Delete { id: "0x2" }]);
        assert_eq!(acl("a a", "a").len(), 1);
    }
}
