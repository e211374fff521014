//! One line of haproxy.cfg, split into words as HAProxy splits it.
//!
//! HAProxy (parse_line in src/tools.c, 1.6 to 3.x): white space separates, `#` begins a comment, a carriage return
//! ends the line unless white space stands before it, a backslash quotes one character, '...' quotes all, "..." all
//! but `\` and `$`. Variables are not expanded here, because only HAProxy has its environment. A word has a flag
//! for them instead.

use std::iter::Peekable;
use std::str::Chars;

/// A word of a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Word {
    /// The word without its quotes.
    pub(crate) text: String,
    /// Whether HAProxy would put the value of an environment variable into it.
    pub(crate) has_variable: bool,
}

/// Splits a line into its words. A comment and an empty line have none.
pub(crate) fn words(line: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut word: Option<Word> = None;
    let mut quote: Option<char> = None;
    let mut chars = line.trim_start_matches(is_space).chars().peekable();
    while let Some(c) = chars.next() {
        match (c, quote) {
            ('\r' | '\n', _) | ('#', None) => break,
            ('\'' | '"', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (c, Some(open)) if c == open => quote = None,
            ('\\', None | Some('"')) => {
                word.get_or_insert_default().text.push(escaped(&mut chars, quote.is_some()));
            }
            (c, None) if is_space(c) => {
                words.extend(word.take());
                while chars.next_if(|c| is_space(*c)).is_some() {}
            }
            (c, _) => {
                let word = word.get_or_insert_default();
                word.has_variable |= c == '$' && quote != Some('\'');
                word.text.push(c);
            }
        }
    }
    words.extend(word);
    words
}

/// As isspace(3) sees it.
fn is_space(c: char) -> bool {
    c.is_ascii_whitespace() || c == '\x0b'
}

/// The character that a backslash and what follows it mean. A backslash that quotes nothing means itself.
fn escaped(chars: &mut Peekable<Chars<'_>>, is_quoted: bool) -> char {
    match chars.peek().copied() {
        // Outside of double quotes a dollar need not be escaped.
        Some('$') if !is_quoted => '\\',
        Some(c @ (' ' | '#' | '\\' | '"' | '\'' | '$')) => {
            chars.next();
            c
        }
        Some(c @ ('n' | 'r' | 't')) => {
            chars.next();
            match c {
                'n' => '\n',
                'r' => '\r',
                _ => '\t',
            }
        }
        Some('x') => hexadecimal(chars).unwrap_or('\\'),
        _ => '\\',
    }
}

/// The byte of `xHH`, if that follows.
fn hexadecimal(chars: &mut Peekable<Chars<'_>>) -> Option<char> {
    let mut ahead = chars.clone();
    ahead.next();
    let mut digit = || ahead.next()?.to_digit(16);
    let byte = u8::try_from(digit()? * 16 + digit()?).ok()?;
    *chars = ahead;
    Some(if byte.is_ascii() { char::from(byte) } else { mark(byte) })
}

/// The private-use character that stands for a byte that is not valid UTF-8.
pub(crate) fn mark(byte: u8) -> char {
    char::from_u32(MARKS + u32::from(byte)).expect("the last plane has room for 256 more characters")
}

/// The byte for which a character stands, if it is one of these.
pub(crate) fn marked(c: char) -> Option<u8> {
    u8::try_from(u32::from(c).checked_sub(MARKS)?).ok()
}

/// The first of them, in the last private-use plane.
const MARKS: u32 = 0x10_fe00;

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(line: &str) -> Vec<String> {
        words(line).into_iter().map(|word| word.text).collect()
    }

    #[test]
    fn white_space_separates_and_comments_end_a_line() {
        assert_eq!(
            texts("  server\ts1  10.0.0.1:80 check # why\r"),
            ["server", "s1", "10.0.0.1:80", "check"]
        );
        assert!(texts("# nothing").is_empty());
        assert!(texts("   ").is_empty());
    }

    #[test]
    fn quotes_and_backslashes_keep_a_word_together() {
        assert_eq!(texts(r#"a "b c" 'd "e' f\ g \x41\#"#), ["a", "b c", "d \"e", "f g", "A#"]);
        assert_eq!(texts(r#"description """#), ["description", ""]);
        assert_eq!(texts(r"'a\ b' \q \xg1"), [r"a\ b", r"\q", r"\xg1"]);
    }

    #[test]
    fn a_carriage_return_ends_a_line_unless_white_space_precedes_it() {
        assert_eq!(texts("server s1\r 10.0.0.1:80"), ["server", "s1"]);
        assert_eq!(texts(" \r server \r\n s1\r"), ["server", "s1"]);
        assert_eq!(texts("server 's1\r'"), ["server", "s1"]);
    }

    #[test]
    fn all_white_space_of_c_separates() {
        assert_eq!(texts("a\u{b}b\u{c}c\u{a0}d"), ["a", "b", "c\u{a0}d"]);
    }

    #[test]
    fn a_backslash_quotes_a_dollar_only_in_double_quotes() {
        assert_eq!(texts(r#"\$a "\$a" '\$a'"#), [r"\$a", "$a", r"\$a"]);
    }

    #[test]
    fn a_byte_in_hexadecimal_is_not_the_character_of_that_number() {
        assert_eq!(texts(r"\x41\xe9"), [format!("A{}", mark(0xe9))]);
        assert_ne!(texts(r"\xe9"), ["é"]);
        assert_eq!(texts(r"\x+1\x4"), [r"\x+1\x4"]);
    }

    #[test]
    fn a_variable_is_found_where_haproxy_expands_it() {
        let marks = |line| words(line).iter().map(|word| word.has_variable).collect::<Vec<_>>();
        assert_eq!(marks(r#"bind "$ADDR:80" '$ADDR' ${X}:1"#), [false, true, false, true]);
    }
}
