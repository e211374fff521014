//! The `stats-file` that a configuration names.

use std::path::PathBuf;

use crate::config::file::Config;
use crate::config::lines::lines;

/// Where HAProxy loads its counters from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    /// It loads none.
    Nothing,
    /// An absolute path.
    File(PathBuf),
    /// Only HAProxy knows the file.
    Unclear { line: usize, why: &'static str },
}

/// The file that the configuration names.
pub(crate) fn named(config: &Config) -> Named {
    let text = config.text();
    // Reading ten thousand servers takes longer than changing one, and most files do not use this.
    if text.contains("stats-file") { read(&text) } else { Named::Nothing }
}

/// Reads a configuration. HAProxy uses the first `stats-file`; a later one is an error that does not stop it.
fn read(text: &str) -> Named {
    let mut all = lines(text).filter(|line| line.section == "global" && line.keyword == "stats-file");
    let Some(line) = all.next() else { return Named::Nothing };
    let words = line.words();
    let why = match words.get(1) {
        _ if line.is_conditional || all.any(|line| line.is_conditional) => "is within .if",
        None => "has no path",
        Some(word) if word.has_variable => "has a variable",
        Some(word) if !word.text.starts_with('/') => "is a relative path",
        Some(word) => return Named::File(word.text.as_str().into()),
    };
    Named::Unclear { line: line.number, why }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(text: &str) -> &'static str {
        match read(text) {
            Named::Unclear { line: 2 | 3, why } => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_an_absolute_path_that_applies_for_certain_is_a_file() {
        assert_eq!(read("global\n stats-file /run/c\n"), Named::File("/run/c".into()));
        assert_eq!(read("global\n stats-file \"/run/a b\"\n"), Named::File("/run/a b".into()));
        assert_eq!(why("global\n stats-file run/c\n"), "is a relative path");
        assert_eq!(why("global\n stats-file \"$RUN/c\"\n"), "has a variable");
        assert_eq!(why("global\n stats-file\n"), "has no path");
        assert_eq!(why("global\n.if 1\n stats-file /run/c\n.endif\n"), "is within .if");
    }

    #[test]
    fn other_lines_name_no_file() {
        for text in
            ["global\n shm-stats-file /run/c\n", "defaults\n stats-file /run/c\n", "# stats-file /run/c\n"]
        {
            assert_eq!(read(text), Named::Nothing, "{text}");
        }
    }

    #[test]
    fn the_first_file_counts_as_it_does_for_haproxy() {
        assert_eq!(read("global\n stats-file /a\n stats-file /b\n"), Named::File("/a".into()));
        let both = "global\n stats-file /a\n.if version_atleast(3.0)\n stats-file /b\n.endif\n";
        assert_eq!(why(both), "is within .if");
    }
}
