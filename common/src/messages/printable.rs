//! Text from outside, made safe to print: one line, no control characters, and not too long.

use std::borrow::Cow;
use std::fmt::Display;

/// `text` with every invisible character escaped (`\n`, `\u{1b}`, direction marks), so that it stays one line and a
/// terminal shows it as it is.
pub(super) fn printable(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\'' | '"' | '\\' => line.push(c),
            c => line.extend(c.escape_debug()),
        }
    }
    line
}

/// The first `max` characters of `text`, and a mark if something is left out.
pub fn truncate(text: &str, max: usize) -> Cow<'_, str> {
    match text.char_indices().nth(max) {
        Some((at, _)) => Cow::Owned(format!("{}…", &text[..at])),
        None => Cow::Borrowed(text),
    }
}

/// Bytes from the network for an error line: invisible characters escaped, invalid UTF-8 replaced, cut after 64
/// characters.
pub fn excerpt(bytes: &[u8]) -> impl Display + use<> {
    // A field may have megabytes.
    let beginning = &bytes[..bytes.len().min(512)];
    truncate(&printable(&String::from_utf8_lossy(beginning)), 64).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_bytes_are_escaped_and_truncated() {
        assert_eq!(excerpt(b"esc\x1b[31m\n").to_string(), "esc\\u{1b}[31m\\n");
        assert_eq!(excerpt(&[b'a', 0xff]).to_string(), "a\u{fffd}");
        assert_eq!(excerpt(&[b'x'; 5000]).to_string(), format!("{}…", "x".repeat(64)));
    }

    #[test]
    fn direction_marks_are_escaped() {
        assert_eq!(excerpt("a\u{202e}b\u{feff}".as_bytes()).to_string(), "a\\u{202e}b\\u{feff}");
        assert_eq!(excerpt("it's \"ü\"".as_bytes()).to_string(), "it's \"ü\"");
    }
}
