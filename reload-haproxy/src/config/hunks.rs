//! Finds the lines in which two nearly equal texts differ. Equal parts are compared as bytes, not line by line: of ten
//! thousand lines, a change of membership affects two.

use std::ops::Range;

use memchr::memrchr;

/// How many bytes are compared at once.
const CHUNK: usize = 4096;
/// A difference has at most this many lines, in each text.
const LINES_MAX: usize = 64;
/// More differences are left to a comparison of the whole texts.
const HUNKS_MAX: usize = 16;

/// Whole lines of the old text, in whose place the new text has others. One of the two may be empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hunk {
    pub(crate) old: Range<usize>,
    pub(crate) new: Range<usize>,
}

/// The differences in their order; what is between them is equal. Returns `None` if they are many or large, or if a
/// text does not end with a newline.
pub(crate) fn hunks(old: &str, new: &str) -> Option<Vec<Hunk>> {
    if !(old.ends_with('\n') && new.ends_with('\n')) {
        return None;
    }
    let mut hunks = Vec::new();
    let [mut before, mut after] = [0, 0];
    loop {
        let same = same_lines(&old.as_bytes()[before..], &new.as_bytes()[after..]);
        before += same;
        after += same;
        if before == old.len() && after == new.len() {
            return Some(hunks);
        }
        if hunks.len() == HUNKS_MAX {
            return None;
        }
        let [gone, come] = different(&old[before..], &new[after..])?;
        hunks.push(Hunk { old: before..before + gone, new: after..after + come });
        before += gone;
        after += come;
    }
}

/// How many bytes at the beginning of both are equal lines.
fn same_lines(old: &[u8], new: &[u8]) -> usize {
    let chunks = old.chunks(CHUNK).zip(new.chunks(CHUNK));
    let whole = CHUNK * chunks.take_while(|(old, new)| old == new).count();
    let whole = whole.min(old.len()).min(new.len());
    let rest = old[whole..].iter().zip(&new[whole..]);
    let same = whole + rest.take_while(|(old, new)| old == new).count();
    memrchr(b'\n', &old[..same]).map_or(0, |at| at + 1)
}

/// How many bytes of each are before the next equal line, or before the end of both: as few lines as possible.
fn different(old: &str, new: &str) -> Option<[usize; 2]> {
    let [old, new] = [old, new].map(first_lines);
    let pairs = (1..2 * LINES_MAX).flat_map(|count| (0..=count).map(move |gone| (gone, count - gone)));
    let mut both = pairs.filter_map(|(gone, come)| Some((old.get(gone)?, new.get(come)?)));
    both.find(|((_, old), (_, new))| old == new).map(|((gone, _), (come, _))| [*gone, *come])
}

/// The first lines, each with its place. The end of the text counts as an empty line.
fn first_lines(text: &str) -> Vec<(usize, &str)> {
    let lines = text.split_inclusive('\n').chain([""]).take(LINES_MAX);
    let ends = lines.clone().scan(0, |end, line| {
        *end += line.len();
        Some(*end)
    });
    [0].into_iter().chain(ends).zip(lines).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(old: &str, new: &str) -> Option<Vec<(String, String)>> {
        let hunks = hunks(old, new)?;
        Some(hunks.into_iter().map(|hunk| (old[hunk.old].to_owned(), new[hunk.new].to_owned())).collect())
    }

    fn pair(old: &str, new: &str) -> (String, String) {
        (old.to_owned(), new.to_owned())
    }

    #[test]
    fn added_removed_and_changed_lines_are_found_anywhere() {
        let text: String = (0..999).map(|number| format!("line {number}\n")).collect();
        assert_eq!(found(&text, &text), Some(vec![]));
        let new = format!("first\n{}last\n", text.replace("line 500\n", ""));
        let expected = vec![pair("", "first\n"), pair("line 500\n", ""), pair("", "last\n")];
        assert_eq!(found(&text, &new), Some(expected));
        let new = text.replace("line 998\n", "line 998b\n").replace("line 0\n", "LINE 0\n");
        let expected = vec![pair("line 0\n", "LINE 0\n"), pair("line 998\n", "line 998b\n")];
        assert_eq!(found(&text, &new), Some(expected));
        assert_eq!(found(&text, "line 0\n"), None);
        assert_eq!(found("a\nb\n", "a\n"), Some(vec![pair("b\n", "")]));
    }

    #[test]
    fn many_differences_and_texts_that_end_within_a_line_are_left_alone() {
        let text: String = (0..99).map(|number| format!("line {number}\n")).collect();
        assert_eq!(found(&text, &text.replace('\n', " \n")), None);
        let some = text.replace("5\n", "5 \n").replace("9\n", "9 \n");
        assert_eq!(found(&text, &some), None);
        assert_eq!(found("a\nb", "a\nc"), None);
        assert_eq!(found("a\n", "a"), None);
        assert_eq!(found("", ""), None);
    }
}
