//! The excerpt of a configuration that is checked in its place: without the `server` lines that were checked before.
//!
//! With ten thousand servers, `haproxy -c` takes most of the time of a change. HAProxy judges a `server` line by the
//! line, by the lines of its section that are no servers, and by the servers that something names. All of those are in
//! the excerpt. A name or `id` that two servers have is found here. render-cfg/README.md lists what is not found.

mod layout;

use std::collections::HashSet;

use layout::{Layout, ServerLine};

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
    let (before, after) = (Layout::of(old)?, Layout::of(new)?);
    if !before.has_frame_of(&after) || has_duplicates(&after.servers) {
        return None;
    }
    let left_out = left_out(&before, &after);
    (left_out.len() >= worthwhile && left_out.len() < after.servers.len()).then(|| without(new, &left_out))
}

/// Whether two servers of a section have the same name or `id`, or that cannot be said.
fn has_duplicates(servers: &[ServerLine<'_>]) -> bool {
    let mut names = HashSet::with_capacity(servers.len());
    let mut ids = HashSet::new();
    servers.iter().any(|server| {
        let is_known = !names.insert((server.section, server.name));
        is_known || server.text.contains("id") && !has_new_ids(server, &mut ids)
    })
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

/// The indexes of the lines that are left out, in order.
fn left_out(before: &Layout<'_>, after: &Layout<'_>) -> Vec<usize> {
    let checked: HashSet<(usize, &str)> =
        before.servers.iter().map(|server| (server.after, server.text)).collect();
    let named = named(after);
    let is_left_out = |server: &ServerLine<'_>| {
        checked.contains(&(server.after, server.text)) && !named.contains(server.name) && !is_tracking(server)
    };
    let mut left_out = Vec::new();
    // A section without servers is judged in another way, so each keeps one.
    let is_same_section = |a: &ServerLine<'_>, b: &ServerLine<'_>| a.section == b.section;
    for servers in after.servers.chunk_by(is_same_section) {
        let first = left_out.len();
        left_out.extend(servers.iter().filter(|server| is_left_out(server)).map(|server| server.index));
        if left_out.len() - first == servers.len() {
            left_out.remove(first);
        }
    }
    left_out
}

/// All words of the frame, and what servers track: the names of all servers to which another line refers are among
/// them.
fn named<'t>(layout: &Layout<'t>) -> HashSet<&'t str> {
    let is_of_a_name = |c: char| c.is_ascii_alphanumeric() || "._:-".contains(c);
    let words = layout.frame.iter().flat_map(|line| line.split(move |c| !is_of_a_name(c)));
    let tracked =
        layout.servers.iter().filter(|server| is_tracking(server)).flat_map(|server| {
            server.options().map(|word| word.rsplit_once('/').map_or(word, |(_, name)| name))
        });
    words.chain(tracked).collect()
}

fn is_tracking(server: &ServerLine<'_>) -> bool {
    server.text.contains("track") && server.options().any(|word| word == "track")
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
