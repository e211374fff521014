//! Shortens text that this program did not write (a template's line, a command's output, Tera's reasons), so that an
//! operator still finds the line that names the error.

use std::borrow::Cow;

use common::messages;

/// At most this many characters of a line are shown.
pub(crate) const LINE_MAX: usize = 300;

/// The first LINE_MAX characters of `line`, with a mark if the rest is left out.
pub(crate) fn truncate(line: &str) -> Cow<'_, str> {
    messages::truncate(line, LINE_MAX)
}

/// The same for the part of `line` around the character at `column`, counted from 1.
pub(crate) fn truncate_around(line: &str, column: usize) -> Cow<'_, str> {
    if column <= LINE_MAX / 2 || line.chars().nth(LINE_MAX).is_none() {
        return truncate(line);
    }
    match line.char_indices().nth(column - LINE_MAX / 2) {
        Some((at, _)) => Cow::Owned(format!("…{}", truncate(&line[at..]))),
        None => truncate(line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_truncated_between_characters() {
        assert_eq!(truncate("short"), "short");
        assert_eq!(truncate(&"é".repeat(LINE_MAX)), "é".repeat(LINE_MAX));
        assert_eq!(truncate(&"é".repeat(5000)), format!("{}…", "é".repeat(LINE_MAX)));
    }

    #[test]
    fn the_part_around_the_column_is_shown() {
        assert_eq!(truncate_around("short", 3), "short");
        let line = format!("{}HERE{}", "é".repeat(5000), "x".repeat(5000));
        let shown = truncate_around(&line, 5001);
        assert!(shown.contains("éHEREx") && shown.starts_with('…') && shown.ends_with('…'), "{shown}");
        assert!(shown.chars().count() <= LINE_MAX + 2);
        assert_eq!(truncate_around(&line, 99_999).chars().count(), LINE_MAX + 1);
    }
}
