//! The excerpt of a configuration that is checked in its place: without the `server` lines that were checked before.
//!
//! With ten thousand servers, `haproxy -c` takes most of the time of a change. HAProxy judges a `server` line by the
//! line, by the lines of its section that are no servers, and by the servers that something names. All of those are in
//! the excerpt. A name or `id` that two servers have is found here. render-cfg/README.md lists what is not found.

mod layout;

use std::collections::HashSet;
use std::ops::Range;

use layout::{Layout, ServerLine, is_same_frame, is_same_line, may_refer};

/// With fewer lines left out, the whole check is about as quick.
const WORTHWHILE: usize = 200;

/// `new` without the `server` lines that `old`, which was checked, has in the same place. Each is replaced by an empty
/// line, so that all others keep their numbers. `None` if the whole text must be checked: because something else has
/// changed too, because two servers may have the same name or `id`, or because fewer than 200 lines would be left out.
pub fn excerpt(old: &str, new: &str) -> Option<String> {
    excerpt_from(old, new, WORTHWHILE)
}

/// The same, if at least `worthwhile` lines are left out.
pub fn excerpt_from(old: &str, new: &str, worthwhile: usize) -> Option<String> {
    if [old, new].into_iter().any(|text| !text.ends_with('\n') || text.contains('\0')) {
        return None;
    }
    let changes = Changes::of(old, new)?;
    if changes.have_duplicates() {
        return None;
    }
    let left_out = changes.left_out();
    (left_out.len() >= worthwhile).then(|| without(new, &left_out))
}

/// The new text, taken apart, and what is known of its lines from the old one.
struct Changes<'o, 'n> {
    all: Layout<'n>,
    /// Which servers are in the middle: what is before them and after them is the same in both texts.
    middle: Range<usize>,
    /// The servers of the old middle, by place and text.
    checked: HashSet<(usize, &'o str)>,
}

impl<'o, 'n> Changes<'o, 'n> {
    /// Compares two texts. `None` if more than `server` lines, comments and the revision differ.
    fn of(old: &'o str, new: &'n str) -> Option<Changes<'o, 'n>> {
        let (ours, theirs) = same_start(old, new);
        let end = same_end(&old[ours..], &new[theirs..]);
        let mut all = Layout::default();
        all.add(&new[..theirs])?;
        let mut before = all.fork();
        before.add(&old[ours..old.len() - end])?;
        let (frame, first) = (all.frame.len(), all.servers.len());
        all.add(&new[theirs..new.len() - end])?;
        if !is_same_frame(&before.frame, &all.frame[frame..]) {
            return None;
        }
        let middle = first..all.servers.len();
        all.add(&new[new.len() - end..])?;
        let checked = before.servers.iter().map(|server| (server.after, server.text)).collect();
        Some(Changes { all, middle, checked })
    }

    /// Whether two servers of a section have the same name or `id`, or that cannot be said. One of them is in the
    /// middle, because the old text was checked.
    fn have_duplicates(&self) -> bool {
        let middle = &self.all.servers[self.middle.clone()];
        let names: HashSet<(usize, &str)> =
            middle.iter().map(|server| (server.section, server.name)).collect();
        let has_name = |server: &&ServerLine<'_>| names.contains(&(server.section, server.name));
        // Each of the names once.
        if names.len() < self.all.servers.iter().filter(has_name).count() {
            return true;
        }
        let may_have_id = |server: &&ServerLine<'_>| server.text.contains("id");
        let mut ids = HashSet::new();
        middle.iter().any(|server| may_have_id(&server))
            && !self.all.servers.iter().filter(may_have_id).all(|server| has_new_ids(server, &mut ids))
    }

    /// The indexes of the lines that are left out, in order.
    fn left_out(&self) -> Vec<usize> {
        let named = named(&self.all);
        let is_checked = |number: usize, server: &ServerLine<'_>| {
            !self.middle.contains(&number) || self.checked.contains(&(server.after, server.text))
        };
        let mut left_out = Vec::new();
        let mut number = 0;
        // One unchanged server stays between two lines of the frame, in place of the others: a section without servers is
        // judged in another way, and some servers may not be of another kind than the rest.
        for servers in self.all.servers.chunk_by(|a, b| a.after == b.after) {
            let first = left_out.len();
            for server in servers {
                if is_checked(number, server) && !named.contains(server.name) && !may_refer(server.text) {
                    left_out.push(server.index);
                }
                number += 1;
            }
            if left_out.len() > first {
                left_out.remove(first);
            }
        }
        left_out
    }
}

/// Where the first lines begin that differ, in both texts, apart from the revision.
fn same_start(old: &str, new: &str) -> (usize, usize) {
    let (mut ours, mut theirs) = (0, 0);
    loop {
        let same = same_bytes(old.as_bytes()[ours..].iter(), new.as_bytes()[theirs..].iter());
        let whole = old.as_bytes()[ours..ours + same].iter().rposition(is_end).map_or(0, |at| at + 1);
        (ours, theirs) = (ours + whole, theirs + whole);
        let line = |text: &str| text.split_inclusive('\n').next().map(str::len);
        match (line(&old[ours..]), line(&new[theirs..])) {
            (Some(one), Some(other))
                if is_same_line(&old[ours..ours + one], &new[theirs..theirs + other]) =>
            {
                (ours, theirs) = (ours + one, theirs + other);
            }
            _ => return (ours, theirs),
        }
    }
}

/// The length of the last lines that are the same.
fn same_end(old: &str, new: &str) -> usize {
    let same = same_bytes(old.bytes().rev(), new.bytes().rev());
    // The first of these lines may differ before them.
    let cut = new.as_bytes()[new.len() - same..].iter().position(is_end).map_or(same, |at| at + 1);
    same - cut
}

fn same_bytes<T: PartialEq>(ours: impl Iterator<Item = T>, theirs: impl Iterator<Item = T>) -> usize {
    ours.zip(theirs).take_while(|(one, other)| one == other).count()
}

fn is_end(byte: &u8) -> bool {
    *byte == b'\n'
}

/// Whether no server before it has an `id` of this one. A `guid` must be unique in the whole file.
fn has_new_ids(server: &ServerLine<'_>, ids: &mut HashSet<(usize, u32)>) -> bool {
    let mut words = server.options();
    while let Some(word) = words.next() {
        let is_new = match word {
            "guid" => false,
            "id" => {
                let id = words.next().and_then(|id| id.parse().ok());
                id.is_some_and(|id| ids.insert((server.section, id)))
            }
            _ => true,
        };
        if !is_new {
            return false;
        }
    }
    true
}

/// All words of the frame, and of servers that may name another one: the names of all servers to which another line
/// refers are among them.
fn named<'t>(layout: &Layout<'t>) -> HashSet<&'t str> {
    let is_of_a_name = |c: char| c.is_ascii_alphanumeric() || "._:-".contains(c);
    let referring = layout.servers.iter().filter(|server| may_refer(server.text));
    // The name of the server itself is no reference, but it stays anyway.
    let lines = layout.frame.iter().copied().chain(referring.map(|server| server.text));
    lines.flat_map(|line| line.split(move |c| !is_of_a_name(c))).collect()
}

fn without(text: &str, left_out: &[usize]) -> String {
    let mut excerpt = String::new();
    let mut left_out = left_out.iter().peekable();
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let is_left_out = left_out.next_if_eq(&&index).is_some();
        excerpt.push_str(if is_left_out { "\n" } else { line });
    }
    excerpt
}

#[cfg(test)]
mod tests;
