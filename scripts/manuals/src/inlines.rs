//! The plain text of a line of roff, and the terms in it, which are in bold.

use clap_mangen::roff::Inline;

/// The text without its fonts.
pub(crate) fn plain(line: &[Inline]) -> String {
    let text = |inline: &Inline| match inline {
        Inline::Roman(text) | Inline::Bold(text) | Inline::Italic(text) => text.clone(),
        Inline::LineBreak => " ".to_owned(),
    };
    line.iter().map(text).collect()
}

/// The terms of a line, such as `--nodes DIR`.
pub(crate) fn terms(line: &[Inline]) -> Vec<String> {
    line.iter().filter_map(term).collect()
}

/// The terms that begin a line, separated by commas.
pub(crate) fn leading_terms(line: &[Inline]) -> Vec<String> {
    let is_comma = |inline: &Inline| matches!(inline, Inline::Roman(text) if text == ", ");
    line.iter().take_while(|inline| is_comma(inline) || term(inline).is_some()).filter_map(term).collect()
}

fn term(inline: &Inline) -> Option<String> {
    match inline {
        Inline::Bold(text) => Some(text.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use clap_mangen::roff::{bold, roman};

    use super::*;

    #[test]
    fn only_what_begins_an_item_is_its_term() {
        let line = [bold("-v"), roman(", "), bold("--verbose"), roman(": see "), bold("--log")];
        assert_eq!(leading_terms(&line), ["-v", "--verbose"]);
        assert_eq!(terms(&line), ["-v", "--verbose", "--log"]);
        assert_eq!(plain(&line), "-v, --verbose: see --log");
    }
}
