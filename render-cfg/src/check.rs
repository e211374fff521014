//! `--check`: a command, HAProxy itself as a rule, that looks at the staged file before it goes live.
//!
//! No shell is involved and the exit status alone is the verdict. What it said is shown in the names that
//! the operator knows, with the rendered lines it points to: the refused file itself is gone by then.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use crate::command;
use crate::truncate::truncate;

/// So many lines of what a check says are shown: the first ones say what is wrong.
const LINES_MAX: usize = 100;
/// So many of the places that one line points to are shown.
const PLACES_MAX: usize = 3;

/// A command, split into words as a shell would, with `{}` where the file's path belongs.
#[derive(Clone, Debug)]
pub(crate) struct Check {
    text: String,
    words: Vec<String>,
}

/// What a check said, and why it refused, if it did.
#[derive(Debug)]
pub(crate) struct Verdict {
    /// Both its outputs, as they came.
    pub(crate) said: String,
    /// One clause: `'haproxy -c -f {}' ended with exit status: 1`.
    pub(crate) refused: Option<String>,
}

impl Check {
    /// Splits a command line. For clap: the error says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Check, String> {
        let words = shell_words::split(text).map_err(|err| err.to_string())?;
        if !words.iter().any(|word| word.contains("{}")) {
            return Err("it has no '{}' where the path of the file to check belongs".to_owned());
        }
        if words[0].contains("{}") {
            return Err("it begins with '{}', and the rendered file is no program".to_owned());
        }
        Ok(Check { text: text.to_owned(), words })
    }

    /// Runs the command on `file`, which holds `text`, for at most `timeout`; then it is killed. A file that is
    /// another one afterwards has not been checked, so that is a refusal too. Does `work` beside it.
    pub(crate) fn run(&self, file: &Path, text: &str, timeout: Duration, work: impl FnOnce()) -> Verdict {
        let before = fs::symlink_metadata(file);
        let mut verdict = self.judge(file, timeout, work);
        if verdict.refused.is_none() && !before.is_ok_and(|before| still_holds(file, &before, text)) {
            verdict.refused = Some(format!("'{}' changed the file that it was to check", self.text));
        }
        verdict
    }

    fn judge(&self, file: &Path, timeout: Duration, work: impl FnOnce()) -> Verdict {
        let path = file.to_string_lossy();
        let words: Vec<String> = self.words.iter().map(|word| word.replace("{}", &path)).collect();
        let (said, refused) = command::run(&words, timeout, "--check-timeout", work);
        Verdict { said, refused: refused.map(|why| format!("'{}' {why}", self.text)) }
    }
}

/// Whether at `path` there is still the file that it was `before`, and `text` in it.
fn still_holds(path: &Path, before: &Metadata, text: &str) -> bool {
    let holds = || -> io::Result<bool> {
        let now = fs::symlink_metadata(path)?;
        let is_same = (now.dev(), now.ino(), now.len()) == (before.dev(), before.ino(), before.len());
        Ok(is_same && now.is_file() && fs::read(path)? == text.as_bytes())
    };
    holds().unwrap_or(false)
}

/// A check's words for an operator: `name` in place of the staged path, and after a line that points to
/// `[name:N]` the Nth line of `text`, which was rendered from `template`. Long lines and many are cut.
pub(crate) fn explain(said: &str, staged: &Path, name: &str, text: &str, template: &Path) -> Vec<String> {
    let staged = staged.to_string_lossy();
    let mut lines = Vec::new();
    let mut said = said.lines().filter(|line| !line.trim().is_empty());
    for line in said.by_ref().take(LINES_MAX) {
        lines.push(truncate(&line.replace(&*staged, name)).into_owned());
        let numbers =
            line.match_indices(&*staged).filter_map(|(at, path)| line_number(&line[at + path.len()..]));
        for number in numbers.take(PLACES_MAX) {
            if let Some(rendered) = number.checked_sub(1).and_then(|index| text.lines().nth(index)) {
                let from = template.display();
                lines
                    .push(format!("line {number} of '{name}', from '{from}': {}", truncate(rendered.trim())));
            }
        }
    }
    let more = said.count();
    if more > 0 {
        lines.push(format!("and {more} lines more"));
    }
    lines
}

/// The N of `:N]`, with which HAProxy ends a place.
fn line_number(after: &str) -> Option<usize> {
    after.strip_prefix(':')?.split_once(']')?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(command: &str, timeout: Duration) -> Verdict {
        Check::parse(command).unwrap().judge(Path::new("/some/file"), timeout, || {})
    }

    #[test]
    fn a_command_needs_a_place_for_the_file() {
        assert!(Check::parse("haproxy -c").is_err());
        assert!(Check::parse("").is_err());
        assert!(Check::parse("{} -c").is_err());
        assert!(Check::parse("haproxy '-f").is_err());
    }

    #[test]
    fn the_exit_status_alone_is_the_verdict() {
        let minute = Duration::from_secs(60);
        let verdict = run("sh -c 'echo alarm >&2; echo fine' {}", minute);
        assert_eq!((verdict.refused, verdict.said.as_str()), (None, "alarm\nfine\n"));
        let verdict = run("sh -c 'echo --conf=\"$0\"; exit 3' {}.new", minute);
        assert_eq!(verdict.said, "--conf=/some/file.new\n");
        assert!(verdict.refused.unwrap().ends_with("ended with exit code 3"));
        assert!(run("sh -c 'kill -9 $$' {}", minute).refused.unwrap().ends_with("signal 9"));
        assert!(
            run("/nonexistent/haproxy {}", minute).refused.unwrap().contains("cannot be run: No such file")
        );
    }

    #[test]
    fn a_check_that_hangs_is_killed_and_its_words_are_kept() {
        let verdict = run("sh -c 'echo before; exec sleep 60' {}", Duration::from_millis(200));
        assert_eq!(verdict.said, "before\n");
        assert!(verdict.refused.unwrap().contains("took too long: it was killed after 200ms"));
    }

    #[test]
    fn words_come_with_the_name_that_the_operator_knows_and_the_line_itself() {
        let said =
            "[ALERT] (7) : config : parsing [/d/.h.tmp:2] : unknown keyword\n\n[ALERT] /d/.h.tmp is bad\n";
        let lines = explain(said, Path::new("/d/.h.tmp"), "h", "global\n  foo\n", Path::new("h.tera"));
        assert_eq!(
            lines,
            [
                "[ALERT] (7) : config : parsing [h:2] : unknown keyword",
                "line 2 of 'h', from 'h.tera': foo",
                "[ALERT] h is bad",
            ]
        );
    }

    #[test]
    fn long_lines_and_many_are_cut() {
        let explained = |said: &str| explain(said, Path::new("/d/.h.tmp"), "h", "global\n", Path::new("t"));
        assert_eq!(explained(&"x".repeat(60_000))[0].chars().count(), crate::truncate::LINE_MAX + 1);
        let lines = explained(&"y\n".repeat(30_000));
        assert_eq!(lines.len(), LINES_MAX + 1);
        assert_eq!(lines[LINES_MAX], "and 29900 lines more");
    }
}
