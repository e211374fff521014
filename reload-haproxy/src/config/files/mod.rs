//! The files that the configuration names: certificates, lists, maps, and others. Nothing here opens them.
//!
//! HAProxy loads them when it loads the configuration, so a change of their content is a change of the configuration.
//! A name is kept as HAProxy's socket has it: as it is written, or joined to its `crt-base` or `ca-base`.

mod expressions;
mod global;
pub(crate) mod named;
mod options;
pub(crate) mod settings;
mod stored;

use memchr::memmem;

use crate::config::files::named::NamedFiles;
use crate::config::lines::Line;
use crate::config::words::Word;

impl NamedFiles {
    /// Reads a line of the configuration, which has these words.
    pub(crate) fn read_line(&mut self, line: &Line, words: &[Word]) {
        match line.section {
            "global" | "acme" => self.read_settings(line, words),
            "crt-store" => self.read_stored(line, words),
            "userlist" | "mailers" | "resolvers" | "ring" | "traces" | "program" => {}
            _ => match &*line.keyword {
                "bind" | "default-bind" | "server" | "default-server" | "server-template" => {
                    self.read_options(line, words);
                }
                _ => self.read_expressions(line, words),
            },
        }
    }
}

/// Finds the lines of a text that may name a file of a `server`. There may be thousands, and most name none, so the
/// whole text is searched at once.
pub(crate) struct Mentions<'t> {
    text: &'t str,
    /// Where the beginnings of such words are, in their order.
    places: Vec<usize>,
    /// How many of them are before the line that was asked for last.
    passed: usize,
}

impl<'t> Mentions<'t> {
    pub(crate) fn find(text: &'t str) -> Mentions<'t> {
        let find = |part| memmem::find_iter(text.as_bytes(), part);
        let mut places: Vec<usize> = find("crt").chain(find("-file")).collect();
        places.sort_unstable();
        Mentions { text, places, passed: 0 }
    }

    /// Whether the next line, a part of the text, has one. Lines must be asked for in their order.
    pub(crate) fn are_in(&mut self, line: &'t str) -> bool {
        let start = line.as_ptr() as usize - self.text.as_ptr() as usize;
        self.passed += self.places[self.passed..].iter().take_while(|place| **place < start).count();
        self.places.get(self.passed).is_some_and(|place| *place < start + line.len())
    }
}

#[cfg(test)]
mod tests;
