//! Commands as HAProxy's socket takes them: words with escapes, and lines of a limited length.

/// A word of a command: a backslash before each blank, semicolon and backslash.
pub(crate) fn escaped(word: &str) -> String {
    escaped_with(word, "")
}

/// A word of a command, with a backslash before each character of `others` too.
pub(crate) fn escaped_with(word: &str, others: &str) -> String {
    let mut escaped = String::with_capacity(word.len());
    for c in word.chars() {
        if matches!(c, ' ' | ';' | '\\') || others.contains(c) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

/// Joins parts to lines of at most `most` bytes. A part that is longer is a line of its own.
pub(crate) fn joined(parts: impl Iterator<Item = String>, most: usize, separator: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for part in parts {
        match lines.last_mut() {
            Some(line) if line.len() + separator.len() + part.len() <= most => {
                line.push_str(separator);
                line.push_str(&part);
            }
            _ => lines.push(part),
        }
    }
    lines
}
