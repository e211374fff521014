//! Other people's text in front of an operator: a template's line, a check's words, Tera's reasons. None of
//! it may bury the line that says what is wrong.

use std::borrow::Cow;

/// So many characters of a line are shown.
pub(crate) const LINE_MAX: usize = 300;

/// At most LINE_MAX characters of `line`, with a mark where the rest is left out.
pub(crate) fn cut(line: &str) -> Cow<'_, str> {
    match line.char_indices().nth(LINE_MAX) {
        Some((at, _)) => Cow::Owned(format!("{}…", &line[..at])),
        None => Cow::Borrowed(line),
    }
}

/// The same around the character at `column`, counted from 1: the place that matters is in what is shown.
pub(crate) fn cut_around(line: &str, column: usize) -> Cow<'_, str> {
    if column <= LINE_MAX / 2 || line.chars().nth(LINE_MAX).is_none() {
        return cut(line);
    }
    match line.char_indices().nth(column - LINE_MAX / 2) {
        Some((at, _)) => Cow::Owned(format!("…{}", cut(&line[at..]))),
        None => cut(line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_cut_between_characters() {
        assert_eq!(cut("short"), "short");
        assert_eq!(cut(&"é".repeat(LINE_MAX)), "é".repeat(LINE_MAX));
        assert_eq!(cut(&"é".repeat(5000)), format!("{}…", "é".repeat(LINE_MAX)));
    }

    #[test]
    fn the_place_that_matters_is_shown() {
        assert_eq!(cut_around("short", 3), "short");
        let line = format!("{}HERE{}", "é".repeat(5000), "x".repeat(5000));
        let shown = cut_around(&line, 5001);
        assert!(shown.contains("éHEREx") && shown.starts_with('…') && shown.ends_with('…'), "{shown}");
        assert!(shown.chars().count() <= LINE_MAX + 2);
        assert_eq!(cut_around(&line, 99_999).chars().count(), LINE_MAX + 1);
    }
}
