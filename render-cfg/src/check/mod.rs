//! `--check`: a command, usually HAProxy itself, that checks the staged file (see `output.rs`) before it is installed.
//!
//! It runs without a shell, and only its exit code counts. The staged file is removed before an operator reads the
//! output of the check. So the output is shown with the name that the operator gave and with the lines that it refers
//! to.

pub(crate) mod ahead;
pub(crate) mod file;
pub(crate) mod memory;

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use common::command::Ahead;

use crate::check::memory::Memory;
use crate::command::{self, Trouble};
use crate::truncate::truncate;

/// The option with the time limit.
const LIMIT: &str = "--check-timeout";
/// At most this many lines of a check's output are shown: the first ones contain the error.
const LINES_MAX: usize = 100;
/// If a line of the output refers to several rendered lines, at most this many of those are shown.
const PLACES_MAX: usize = 3;

/// A command, split into words as by a shell, with `{}` in place of the file's path.
#[derive(Clone, Debug)]
pub(crate) struct Check {
    text: String,
    words: Vec<String>,
    /// The environment variable that it comes from.
    variable: Option<String>,
}

/// The result of a check.
#[derive(Debug)]
pub(crate) struct Verdict {
    /// Its stdout and stderr, in the order in which they were written.
    pub(crate) output: String,
    /// The reason, if the check failed: `'haproxy -c -f {}' ended with exit code 1`.
    pub(crate) refused: Option<String>,
    /// Whether the check itself refused the file. Otherwise it could not do its work, or changed the file.
    pub(crate) is_about_the_text: bool,
}

impl Check {
    /// Splits a command line, for clap.
    pub(crate) fn parse(text: &str) -> Result<Check, String> {
        let words = shell_words::split(text).map_err(|err| err.to_string())?;
        if !words.iter().any(|word| word.contains("{}")) {
            return Err("it does not contain '{}', the path of the file to check".to_owned());
        }
        if words[0].contains("{}") {
            return Err("it begins with '{}', but the rendered file is not a program".to_owned());
        }
        Ok(Check { text: text.to_owned(), words, variable: None })
    }

    /// The same, from an environment variable.
    pub(crate) fn of_variable(self, name: &str) -> Check {
        Check { variable: Some(name.to_owned()), ..self }
    }

    /// What was checked last, kept in the file at `path`.
    pub(crate) fn memory(&self, path: &Path) -> Memory {
        Memory::open(path, &self.words)
    }

    /// Runs the command on `file`, which contains `text`, and does `work` meanwhile. The command is killed after
    /// `timeout`. A check that changes the file has failed: the changed file has not been checked.
    pub(crate) fn run(&self, file: &Path, text: &str, timeout: Duration, work: impl FnOnce()) -> Verdict {
        let before = fs::symlink_metadata(file);
        let mut verdict = self.judge(file, timeout, work);
        if verdict.refused.is_none() && !before.is_ok_and(|before| still_holds(file, &before, text)) {
            verdict.refused = Some(format!("'{}' changed the file that it should only check", self.text));
            verdict.is_about_the_text = false;
        }
        verdict
    }

    fn judge(&self, file: &Path, timeout: Duration, work: impl FnOnce()) -> Verdict {
        let path = file.to_string_lossy();
        let words: Vec<String> = self.words.iter().map(|word| word.replace("{}", &path)).collect();
        self.verdict(command::run(&words, timeout, LIMIT, work))
    }

    /// Gives `text` to a check that has started, and does `work` meanwhile. The check is killed after `timeout`.
    pub(crate) fn run_ahead(
        &self,
        ahead: Ahead,
        text: &str,
        timeout: Duration,
        work: impl FnOnce(),
    ) -> Verdict {
        self.verdict(command::judged(ahead.run(text.into(), timeout, work), timeout, LIMIT))
    }

    fn verdict(&self, (output, trouble): (String, Option<Trouble>)) -> Verdict {
        let is_about_the_text = trouble.as_ref().is_some_and(|trouble| trouble.is_verdict);
        let refused =
            trouble.map(|trouble| format!("'{}' {}{}", self.text, trouble.why, self.remedy(&trouble)));
        Verdict { output, refused, is_about_the_text }
    }

    /// What to do about a command that cannot be run, if it comes from an environment variable.
    fn remedy(&self, trouble: &Trouble) -> String {
        let variable = self.variable.as_ref().filter(|_| trouble.is_not_run);
        variable.map(|name| format!("; correct {name}")).unwrap_or_default()
    }
}

/// Whether `path` is still the same file, and still contains `text`.
fn still_holds(path: &Path, before: &Metadata, text: &str) -> bool {
    let holds = || -> io::Result<bool> {
        let now = fs::symlink_metadata(path)?;
        let is_same = (now.dev(), now.ino(), now.len()) == (before.dev(), before.ino(), before.len());
        Ok(is_same && now.is_file() && fs::read(path)? == text.as_bytes())
    };
    holds().unwrap_or(false)
}

/// The output of a check for an operator: with `name` in place of the staged path. A line that refers to `[name:N]` is
/// followed by line N of `text`, which was rendered from `template`. Long lines are truncated. Lines beyond the first
/// LINES_MAX are only counted.
pub(crate) fn explain(output: &str, staged: &Path, name: &str, text: &str, template: &Path) -> Vec<String> {
    let staged = staged.to_string_lossy();
    let mut lines = Vec::new();
    let mut shown = output.lines().filter(|line| !line.trim().is_empty());
    for line in shown.by_ref().take(LINES_MAX) {
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
    let more = shown.count();
    if more > 0 {
        lines.push(format!("and {more} more lines"));
    }
    lines
}

/// The N of `:N]`, as HAProxy writes after a file name.
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
    fn a_command_needs_a_placeholder_for_the_file() {
        assert!(Check::parse("haproxy -c").is_err());
        assert!(Check::parse("").is_err());
        assert!(Check::parse("{} -c").is_err());
        assert!(Check::parse("haproxy '-f").is_err());
    }

    #[test]
    fn only_the_exit_code_counts() {
        let minute = Duration::from_secs(60);
        let verdict = run("sh -c 'echo alarm >&2; echo fine' {}", minute);
        assert_eq!((verdict.refused, verdict.output.as_str()), (None, "alarm\nfine\n"));
        let verdict = run("sh -c 'echo --conf=\"$0\"; exit 3' {}.new", minute);
        assert_eq!(verdict.output, "--conf=/some/file.new\n");
        assert!(verdict.refused.unwrap().ends_with("ended with exit code 3"));
        assert!(run("sh -c 'kill -9 $$' {}", minute).refused.unwrap().ends_with("signal 9"));
        assert!(
            run("/nonexistent/haproxy {}", minute).refused.unwrap().contains("cannot be run: No such file")
        );
    }

    #[test]
    fn a_check_that_hangs_is_killed_and_its_output_is_kept() {
        let verdict = run("sh -c 'echo before; exec sleep 60' {}", Duration::from_millis(200));
        assert_eq!(verdict.output, "before\n");
        assert!(verdict.refused.unwrap().contains("took too long: it was killed after 200ms"));
    }

    #[test]
    fn the_output_contains_the_operators_name_of_the_file_and_the_rendered_line() {
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
    fn long_lines_are_truncated_and_many_lines_are_counted() {
        let explained = |said: &str| explain(said, Path::new("/d/.h.tmp"), "h", "global\n", Path::new("t"));
        assert_eq!(explained(&"x".repeat(60_000))[0].chars().count(), crate::truncate::LINE_MAX + 1);
        let lines = explained(&"y\n".repeat(30_000));
        assert_eq!(lines.len(), LINES_MAX + 1);
        assert_eq!(lines[LINES_MAX], "and 29900 more lines");
    }
}
