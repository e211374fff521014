//! The sections of haproxy.cfg, and in each the `server` lines apart from all others.
//!
//! Lines are kept as they are in the file and are split into words only when needed: of ten thousand servers a
//! change of membership affects one.

use std::borrow::Cow;
use std::cell::OnceCell;

use crate::config::content::revision;
use crate::config::lines::{Line, lines};
use crate::config::words::{Word, words};

/// The sections of one configuration. Lines before the first section are in one without a title.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sections<'t> {
    pub(crate) sections: Vec<Section<'t>>,
}

/// A section and its lines.
#[derive(Clone, Debug, Default)]
pub(crate) struct Section<'t> {
    /// `backend`, `defaults`, ...; empty before the first section.
    pub(crate) kind: &'static str,
    /// Its name; empty if it has none.
    pub(crate) name: Cow<'t, str>,
    /// Its lines without `server` lines, empty ones and comments. Its first line is among them, and so are
    /// `server` lines within `.if`, which may not apply.
    pub(crate) lines: Vec<Line<'t>>,
    /// Its `server` lines, in their order.
    pub(crate) servers: Vec<ServerLine<'t>>,
}

/// A `server` line.
#[derive(Clone, Debug)]
pub(crate) struct ServerLine<'t> {
    pub(crate) name: Cow<'t, str>,
    pub(crate) text: &'t str,
    /// How many `default-server` lines of its section come before it, and apply to it.
    pub(crate) defaults: usize,
}

/// The sections of a text, which are read when they are first needed.
#[derive(Debug)]
pub(crate) struct Layout<'t> {
    text: &'t str,
    sections: OnceCell<Sections<'t>>,
}

impl<'t> Layout<'t> {
    pub(crate) fn new(text: &'t str) -> Layout<'t> {
        Layout { text, sections: OnceCell::new() }
    }

    /// Its sections.
    pub(crate) fn sections(&self) -> &Sections<'t> {
        self.sections.get_or_init(|| Sections::read(self.text))
    }
}

impl<'t> Sections<'t> {
    /// Reads the text of a configuration.
    pub(crate) fn read(text: &'t str) -> Sections<'t> {
        let mut sections = vec![Section::default()];
        let mut defaults = 0;
        for line in lines(text) {
            if line.begins_section {
                let (kind, name) = (line.section, line.second());
                sections.push(Section { kind, name, ..Section::default() });
                defaults = 0;
            }
            // There is always at least one.
            let Some(section) = sections.last_mut() else { continue };
            match section.server(&line, defaults) {
                Some(server) => section.servers.push(server),
                None => {
                    defaults += usize::from(line.keyword == "default-server");
                    section.lines.push(line);
                }
            }
        }
        Sections { sections }
    }

    /// The lines that the section at `index` inherits: those of the `defaults` section that it names after
    /// `from`, or of the last one before it, which may inherit in turn.
    pub(crate) fn defaults_of(&self, index: usize) -> Vec<Line<'t>> {
        let (before, section) = (&self.sections[..index], &self.sections[index]);
        let from = section.from();
        // A `defaults` section that names no other one begins with nothing.
        if section.kind == "defaults" && from.is_none() {
            return Vec::new();
        }
        let is_it = |section: &Section| {
            section.kind == "defaults" && from.as_ref().is_none_or(|from| *from == section.name)
        };
        let Some(at) = before.iter().rposition(is_it) else { return Vec::new() };
        let mut lines = self.defaults_of(at);
        lines.extend_from_slice(&before[at].lines);
        lines
    }
}

impl<'t> ServerLine<'t> {
    /// What follows its address, as it is in the file.
    pub(crate) fn options(&self) -> &'t str {
        let after_a_word =
            |rest: &'t str| rest.split_once([' ', '\t']).map_or("", |(_, rest)| rest.trim_ascii_start());
        (0..3).fold(self.text.trim_ascii(), |rest, _| after_a_word(rest))
    }
}

impl<'t> Section<'t> {
    /// The server that a line of the section defines, if it does.
    fn server(&self, line: &Line<'t>, defaults: usize) -> Option<ServerLine<'t>> {
        let is_one =
            line.keyword == "server" && !line.is_conditional && matches!(self.kind, "backend" | "listen");
        let name = is_one.then(|| line.second()).filter(|name| !name.is_empty())?;
        Some(ServerLine { name, text: line.text, defaults })
    }
}

impl Section<'_> {
    /// Its kind and name: `backend nodes`.
    pub(crate) fn title(&self) -> String {
        format!("{} {}", self.kind, self.name).trim_end().to_owned()
    }

    /// The names of its servers, in their order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.servers.iter().map(|server| &*server.name)
    }

    /// All its lines as they are in the file; `server` lines last.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(|line| line.text).chain(self.servers.iter().map(|server| server.text))
    }

    /// The `defaults` section that it names: `backend nodes from http`.
    fn from(&self) -> Option<String> {
        // Only `defaults` sections may have no name, and a name may be `from`.
        let titles = if self.kind == "defaults" { 1 } else { 2 };
        let words = words(self.lines.first()?.text).into_iter().map(|word| word.text);
        words.skip(titles).skip_while(|word| word != "from").nth(1)
    }
}

/// Whether two lines mean the same. Spacing and comments do not count, and neither does the revision, which
/// changes whenever another line does.
pub(crate) fn says_the_same(a: &str, b: &str) -> bool {
    a == b || without_revision(words(a)) == without_revision(words(b))
}

fn without_revision(mut words: Vec<Word>) -> Vec<Word> {
    if words.first().is_some_and(|word| word.text == "description") {
        for word in &mut words {
            if let Some(revision) = revision(&word.text) {
                word.text = word.text.replace(&revision, "");
            }
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# a comment
global
  description x
defaults http
  balance roundrobin
defaults
backend nodes from http # why
  default-server check
  server s1 10.0.0.1:80 check
\tserver  \"s2\" 10.0.0.2:80#x
  default-server weight 2
  server s3 10.0.0.3:80
.if feature(X)
  server s4 10.0.0.4:80
.endif
listen all
  server s5 10.0.0.5:80
peers p
  server lb1 10.0.0.1:1024
";

    #[test]
    fn servers_are_found_with_the_number_of_default_server_lines_before_them() {
        let layout = Sections::read(TEXT);
        let titles: Vec<String> = layout.sections.iter().map(Section::title).collect();
        let expected = ["", "global", "defaults http", "defaults", "backend nodes", "listen all", "peers p"];
        assert_eq!(titles, expected);
        let servers = |index: usize| -> Vec<(String, usize)> {
            let servers = layout.sections[index].servers.iter();
            servers.map(|server| (server.name.to_string(), server.defaults)).collect()
        };
        assert_eq!(servers(4), [("s1".to_owned(), 1), ("s2".to_owned(), 1), ("s3".to_owned(), 2)]);
        let is_conditional =
            |index: usize| layout.sections[index].lines.iter().any(|line| line.is_conditional);
        assert!(is_conditional(4) && !is_conditional(5));
        assert_eq!(servers(5), [("s5".to_owned(), 0)]);
        let options: Vec<&str> = layout.sections[4].servers.iter().map(ServerLine::options).collect();
        assert_eq!(options, ["check", "", ""]);
        assert_eq!(servers(6), []);
    }

    #[test]
    fn a_section_inherits_the_defaults_that_it_names_or_the_last_ones() {
        let layout = Sections::read(TEXT);
        assert_eq!(layout.defaults_of(4).iter().map(|line| line.number).collect::<Vec<_>>(), [4, 5]);
        assert_eq!(layout.defaults_of(5).iter().map(|line| line.number).collect::<Vec<_>>(), [6]);
        let chain = Sections::read("defaults a\n mode http\ndefaults b from a\n retries 2\nbackend x\n");
        assert_eq!(chain.defaults_of(3).iter().map(|line| line.number).collect::<Vec<_>>(), [1, 2, 3, 4]);
        let named = Sections::read("defaults a\n mode http\ndefaults b\nbackend from from a\n");
        assert_eq!(named.defaults_of(3).iter().map(|line| line.number).collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn spacing_comments_quotes_and_the_revision_do_not_count() {
        assert!(says_the_same("  bind :80", "\tbind   \":80\" # here"));
        assert!(!says_the_same("  bind :80", "  bind :81"));
        let revision = |digit: char| format!("description rollcall-{}", digit.to_string().repeat(16));
        assert!(says_the_same(&revision('1'), &revision('2')));
    }
}
