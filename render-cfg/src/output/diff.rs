//! `--diff` and `--dry-run`: the difference between a text and the file that it would replace.

use similar::{ChangeTag, TextDiff};

/// The difference as `diff -u` prints it; empty if there is none.
pub(crate) fn unified(name: &str, old: &[u8], new: &str) -> String {
    let old = String::from_utf8_lossy(old);
    let diff = TextDiff::from_lines(&*old, new);
    diff.unified_diff().header(name, &format!("{name} (rendered)")).to_string()
}

/// A summary of the difference: `+3 -1 lines`.
pub(crate) fn summary(old: &[u8], new: &str) -> String {
    let old = String::from_utf8_lossy(old);
    let (mut more, mut less) = (0, 0);
    for change in TextDiff::from_lines(&*old, new).iter_all_changes() {
        match change.tag() {
            ChangeTag::Insert => more += 1,
            ChangeTag::Delete => less += 1,
            ChangeTag::Equal => {}
        }
    }
    format!("+{more} -{less} lines")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_lines_are_counted_and_printed() {
        assert_eq!(summary(b"a\nb\n", "a\nc\nd\n"), "+2 -1 lines");
        assert_eq!(unified("f", b"a\n", "a\n"), "");
        assert_eq!(unified("f", b"", "a\n"), "--- f\n+++ f (rendered)\n@@ -0,0 +1 @@\n+a\n");
    }
}
