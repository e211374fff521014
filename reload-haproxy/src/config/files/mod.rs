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

    /// Whether a `server` line can name a file. There may be thousands, and most name none.
    pub(crate) fn may_be_named_by(server: &str) -> bool {
        server.contains("crt") || server.contains("-file")
    }
}

#[cfg(test)]
mod tests;
