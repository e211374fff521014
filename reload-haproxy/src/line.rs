//! One line of haproxy.cfg, split into words as HAProxy splits it.
//!
//! HAProxy (parse_line in src/tools.c, 1.6 to 3.x): white space separates, `#` begins a comment, a
//! backslash quotes one character, '...' quotes all, "..." all but `\` and `$`. Variables are left
//! alone here, so a word says whether it holds one: what it means only HAProxy knows.

/// A word of a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Word {
    /// The word without its quotes.
    pub(crate) text: String,
    /// Whether HAProxy would put the value of an environment variable into it.
    pub(crate) has_variable: bool,
}

/// Splits a line into its words; a comment or an empty line has none.
pub(crate) fn words(line: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut word: Option<Word> = None;
    let mut quote: Option<char> = None;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, quote) {
            ('\'' | '"', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (c, Some(open)) if c == open => quote = None,
            ('\\', None | Some('"')) => word.get_or_insert_default().text.push(escaped(&mut chars)),
            ('#', None) => break,
            (' ' | '\t' | '\r' | '\n', None) => words.extend(word.take()),
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

/// What a backslash makes of the characters after it. One that quotes nothing stands for itself.
fn escaped(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> char {
    match chars.peek().copied() {
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

/// `xHH`, if that is what follows.
fn hexadecimal(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<char> {
    let mut ahead = chars.clone();
    ahead.next();
    let digits: String = ahead.by_ref().take(2).collect();
    let byte = u8::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 2)?;
    *chars = ahead;
    Some(char::from(byte))
}

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
    fn a_variable_is_seen_where_haproxy_would_put_its_value() {
        let marks = |line| words(line).iter().map(|word| word.has_variable).collect::<Vec<_>>();
        assert_eq!(marks(r#"bind "$ADDR:80" '$ADDR' ${X}:1"#), [false, true, false, true]);
    }
}
