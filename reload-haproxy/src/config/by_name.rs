//! Finds items by name when most are asked for in the order in which they are listed.
//!
//! The servers of a file, of the file before it and of HAProxy are nearly the same and in nearly the same order,
//! so ten thousand of them need no hashing.

use std::collections::HashMap;

/// How many items are searched for one by one before an index is made.
const WITHOUT_INDEX: usize = 16;

/// Items with names, each of which is taken at most once. If several items have one name, only one may be found.
pub(crate) struct Lookup<'a, T> {
    things: &'a [T],
    name: fn(&T) -> &str,
    is_taken: Vec<bool>,
    /// The index after the item that was taken last.
    next: usize,
    /// How many items were not at `next`.
    astray: usize,
    index: HashMap<&'a str, usize>,
}

impl<'a, T> Lookup<'a, T> {
    /// Finds items among `things` by their `name`.
    pub(crate) fn new(things: &'a [T], name: fn(&T) -> &str) -> Lookup<'a, T> {
        let is_taken = vec![false; things.len()];
        Lookup { things, name, is_taken, next: 0, astray: 0, index: HashMap::new() }
    }

    /// Takes the item called `name`, if there is one that was not taken yet.
    pub(crate) fn take(&mut self, name: &str) -> Option<&'a T> {
        let is_next = self.things.get(self.next).is_some_and(|thing| (self.name)(thing) == name);
        let at = if is_next { self.next } else { self.find(name)? };
        self.next = at + 1;
        (!std::mem::replace(&mut self.is_taken[at], true)).then(|| &self.things[at])
    }

    fn find(&mut self, name: &str) -> Option<usize> {
        self.astray += 1;
        if self.astray <= WITHOUT_INDEX {
            return self.things.iter().position(|thing| (self.name)(thing) == name);
        }
        if self.index.is_empty() {
            self.index = self.things.iter().enumerate().map(|(at, thing)| ((self.name)(thing), at)).collect();
        }
        self.index.get(name).copied()
    }

    /// The items that were not taken, in their order.
    pub(crate) fn rest(self) -> impl Iterator<Item = &'a T> {
        self.things.iter().zip(self.is_taken).filter(|(_, is_taken)| !is_taken).map(|(thing, _)| thing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_found_once_in_any_order() {
        let things: Vec<String> = (0..100).map(|number| format!("s{number}")).collect();
        for step in [1, 37, 99] {
            let mut lookup = Lookup::new(&things, String::as_str);
            for number in 0..90 {
                let name = format!("s{}", number * step % 100);
                assert_eq!(lookup.take("unknown"), None);
                assert_eq!(lookup.take(&name), Some(&name));
                assert_eq!(lookup.take(&name), None);
            }
            assert_eq!(lookup.rest().count(), 10);
        }
    }
}
