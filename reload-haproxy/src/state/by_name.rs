//! Items by their names. Two lists of items mostly have the same ones in the same order, so the next one is tried before
//! a table is made.

use std::cell::{Cell, OnceCell};
use std::collections::HashMap;
use std::rc::Rc;

use crate::config::files::named::FileKind;
use crate::state::loaded_files::Item;

/// Looks items up.
#[derive(Default)]
pub(crate) struct ByName<'i> {
    items: &'i [Rc<Item>],
    /// The place of the item that was looked up last.
    last: Cell<usize>,
    places: OnceCell<HashMap<(FileKind, &'i str), usize>>,
}

impl<'i> ByName<'i> {
    pub(crate) fn new(items: &'i [Rc<Item>]) -> ByName<'i> {
        ByName { items, ..ByName::default() }
    }

    /// The item of this kind and name.
    pub(crate) fn get(&self, kind: FileKind, name: &str) -> Option<&'i Rc<Item>> {
        self.place(kind, name).map(|place| &self.items[place])
    }

    /// The place of the item of this kind and name.
    pub(crate) fn place(&self, kind: FileKind, name: &str) -> Option<usize> {
        let (items, last) = (self.items, self.last.get());
        let is_it =
            |place: &usize| items.get(*place).is_some_and(|item| item.kind == kind && item.name == name);
        let near = [last, last + 1].into_iter().find(is_it);
        let place = near.or_else(|| self.places().get(&(kind, name)).copied())?;
        self.last.set(place);
        Some(place)
    }

    fn places(&self) -> &HashMap<(FileKind, &'i str), usize> {
        let key = |(place, item): (usize, &'i Rc<Item>)| ((item.kind, item.name.as_str()), place);
        self.places.get_or_init(|| self.items.iter().enumerate().map(key).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_is_found_in_any_order() {
        let item = |kind, name: &str| Item {
            kind,
            name: name.to_owned(),
            line: 0,
            more_lines: Vec::new(),
            parts: Vec::new(),
            entries: Vec::new(),
        };
        let items = ["a", "b", "c"].map(|name| Rc::new(item(FileKind::Map, name)));
        let by_name = ByName::new(&items);
        for name in ["a", "b", "b", "c", "a", "c"] {
            assert_eq!(by_name.get(FileKind::Map, name).map(|item| item.name.as_str()), Some(name));
        }
        assert_eq!(by_name.get(FileKind::Acl, "a"), None);
        assert_eq!(by_name.get(FileKind::Map, "d"), None);
        assert_eq!(ByName::new(&[]).get(FileKind::Map, "a"), None);
    }
}
