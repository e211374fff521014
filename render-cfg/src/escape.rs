//! Escaping for haproxy.cfg: a value is always one argument.
//!
//! HAProxy reads `\xHH` in the same way outside quotes and within double quotes, so every byte that is not known to be
//! harmless is written in that form. The result contains no newline, space, quote, `#` or `$`: a value cannot end its
//! line, or become a second argument, a comment or an environment variable.

use std::io::{self, Write};

/// Writes `text` as (a part of) one argument of haproxy.cfg, unquoted or within double quotes.
///
/// An empty value becomes `""`; otherwise the next argument would take its place. A NUL byte is an error, because
/// HAProxy would truncate the argument there.
pub fn escape(text: &str, out: &mut dyn Write) -> io::Result<()> {
    if text.is_empty() {
        return out.write_all(b"\"\"");
    }
    let mut rest = text.as_bytes();
    while let Some(plain) = rest.iter().position(|&byte| !is_plain(byte)) {
        out.write_all(&rest[..plain])?;
        if rest[plain] == 0 {
            return Err(io::Error::other("a value contains a NUL byte, at which HAProxy would truncate it"));
        }
        write!(out, "\\x{:02x}", rest[plain])?;
        rest = &rest[plain + 1..];
    }
    out.write_all(rest)
}

/// Whether a byte has no special meaning anywhere in an argument.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_.:/@,+=~-".contains(&byte)
}

/// Returns `text` for a comment: readable, and on one line.
pub fn comment(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(text: &str) -> String {
        let mut out = Vec::new();
        escape(text, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn addresses_names_and_paths_stay_readable() {
        for plain in ["10.0.0.1:3000", "s-1.example_2", "/healthz", "a=b,c+d@e~f"] {
            assert_eq!(escaped(plain), plain);
        }
        assert_eq!(escaped("[fd00::1]:80"), "\\x5bfd00::1\\x5d:80");
    }

    #[test]
    fn bytes_with_a_special_meaning_are_written_in_hex() {
        assert_eq!(escaped("a b\n"), "a\\x20b\\x0a");
        assert_eq!(escaped("\"'#\\${HOME}"), "\\x22\\x27\\x23\\x5c\\x24\\x7bHOME\\x7d");
        assert_eq!(escaped("é"), "\\xc3\\xa9");
    }

    #[test]
    fn an_empty_value_is_still_an_argument() {
        assert_eq!(escaped(""), "\"\"");
    }

    #[test]
    fn a_nul_byte_is_refused() {
        assert!(escape("a\0b", &mut Vec::new()).is_err());
    }

    #[test]
    fn a_comment_stays_readable_and_on_one_line() {
        assert_eq!(comment("its tag 'port' is 'é'\nserver x"), "its tag 'port' is 'é' server x");
    }
}
