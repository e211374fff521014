//! Walks the lines of haproxy.cfg: for each line its number, its first word, its section, and whether it is
//! within `.if`.
//!
//! Only the first word is read for every line. A file of ten thousand servers is read at each run, and splitting
//! all of its lines into words would take longer than changing one server.

use std::borrow::Cow;

use common::config_sections::section_kind;
use common::text_lines::text_lines;

use crate::config::words::{Word, words};

/// The keyword of most lines.
const SERVER: &str = "server";

/// A line that is neither empty nor a comment.
#[derive(Clone, Debug)]
pub(crate) struct Line<'t> {
    /// Its number in the file, from 1 on.
    pub(crate) number: usize,
    pub(crate) text: &'t str,
    /// Its first word.
    pub(crate) keyword: Cow<'t, str>,
    /// What follows the keyword, if that is written without quotes.
    rest: Option<&'t str>,
    /// The kind of its section: `backend`, `global`, ...; empty before the first section.
    pub(crate) section: &'static str,
    /// Whether it is the first line of its section.
    pub(crate) begins_section: bool,
    /// Whether it is within `.if`, or is an `.if` line.
    pub(crate) is_conditional: bool,
}

impl<'t> Line<'t> {
    /// Its second word; empty if it has only one.
    pub(crate) fn second(&self) -> Cow<'t, str> {
        match self.rest.and_then(plain_word) {
            Some((word, _)) => word.into(),
            None => nth_word(self.text, 1),
        }
    }

    /// All its words.
    pub(crate) fn words(&self) -> Vec<Word> {
        words(self.text)
    }
}

/// The lines of `text`, without empty ones and comments.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    let mut section = "";
    let mut conditions = 0_usize;
    text_lines(text).zip(1..).filter_map(move |(text, number)| {
        let (keyword, rest) = match server(text).or_else(|| plain_word(text)) {
            Some((word, rest)) => (word.into(), Some(rest)),
            None => (nth_word(text, 0), None),
        };
        let mut begins_section = false;
        match &*keyword {
            "" => return None,
            // Most lines, which need not be compared with the kinds of sections.
            SERVER => {}
            ".if" => conditions += 1,
            ".endif" => conditions = conditions.saturating_sub(1),
            _ => {
                let begun = section_kind(&keyword);
                begins_section = begun.is_some();
                section = begun.unwrap_or(section);
            }
        }
        let is_conditional = conditions > 0;
        Some(Line { number, text, keyword, rest, section, begins_section, is_conditional })
    })
}

/// What `plain_word` returns for a line that begins with `server`, as most lines do.
fn server(text: &str) -> Option<(&str, &str)> {
    let start = text.bytes().position(|byte| !is_blank(byte))?;
    let rest = text[start..].strip_prefix(SERVER)?;
    rest.bytes().next().is_some_and(is_blank).then_some((SERVER, rest))
}

/// The first word and what follows it, if the word is written without quotes, backslashes and comments.
fn plain_word(text: &str) -> Option<(&str, &str)> {
    let bytes = text.as_bytes();
    let mut start = 0;
    while start < bytes.len() && is_blank(bytes[start]) {
        start += 1;
    }
    let mut end = start;
    while end < bytes.len() && !is_blank(bytes[end]) {
        if bytes[end] < b' ' || matches!(bytes[end], b'"' | b'\'' | b'\\' | b'#') {
            return None;
        }
        end += 1;
    }
    Some((&text[start..end], &text[end..]))
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn nth_word(text: &str, index: usize) -> Cow<'_, str> {
    words(text).into_iter().nth(index).map_or(Cow::Borrowed(""), |word| word.text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# a comment
daemon
global
\tmaxconn  5

 \"backend\" 'a b'
  .if feature(X)
    server \"s 1\" x
  .if 1
  .endif
  use-server s1
  .endif
  server\u{b}s2
";

    #[test]
    fn lines_have_their_number_section_and_first_words() {
        let shown: Vec<String> = lines(TEXT)
            .map(|line| format!("{} {}: {} {}", line.number, line.section, line.keyword, line.second()))
            .collect();
        let expected = [
            "2 : daemon ",
            "3 global: global ",
            "4 global: maxconn 5",
            "6 backend: backend a b",
            "7 backend: .if feature(X)",
            "8 backend: server s 1",
            "9 backend: .if 1",
            "10 backend: .endif ",
            "11 backend: use-server s1",
            "12 backend: .endif ",
            "13 backend: server s2",
        ];
        assert_eq!(shown, expected);
        let begins = lines(TEXT).filter(|line| line.begins_section).map(|line| line.number);
        assert_eq!(begins.collect::<Vec<_>>(), [3, 6]);
    }

    #[test]
    fn a_server_is_found_as_any_other_word() {
        for line in
            ["server s1 x", "\t server\ts", "server", "servers a", "server\u{b}a", "", " \t", "a server "]
        {
            assert!(server(line).is_none_or(|word| plain_word(line) == Some(word)), "{line:?}");
        }
        assert!(server(" server s1").is_some());
    }

    #[test]
    fn lines_within_a_condition_are_conditional() {
        let conditional = lines(TEXT).filter(|line| line.is_conditional).map(|line| line.number);
        assert_eq!(conditional.collect::<Vec<_>>(), [7, 8, 9, 10, 11]);
    }
}
