//! `--then`: the command that runs after a change, such as reload-haproxy. Only one runs at a time. The output is not locked
//! meanwhile, because the command may need the lock.

use std::time::Duration;

use common::failure::{Code, Failure};

use crate::command::{self, Trouble};
use crate::truncate::truncate;

/// At most this many of the last lines of its output are shown.
const LINES_MAX: usize = 10;

/// A command, split into words as by a shell.
#[derive(Clone, Debug)]
pub(crate) struct Then {
    text: String,
    words: Vec<String>,
}

impl Then {
    /// Splits a command line, for clap.
    pub(crate) fn parse(text: &str) -> Result<Then, String> {
        Ok(Then { text: text.to_owned(), words: command::split(text)? })
    }

    /// The command line.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Runs it for at most `timeout`. Returns the last lines of its output.
    pub(crate) fn run(&self, timeout: Duration) -> Result<Vec<String>, Failure> {
        let (output, why) = command::run(&self.words, timeout, "--then-timeout", || {});
        let mut lines: Vec<String> = output
            .lines()
            .rev()
            .filter(|line| !line.trim().is_empty())
            .take(LINES_MAX)
            .map(|line| truncate(line).into_owned())
            .collect();
        lines.reverse();
        let Some(Trouble { why, .. }) = why else { return Ok(lines) };
        let line = format!("cannot finish '{}': it {why}; it is retried until it succeeds", self.text);
        Err(Failure::new(Code::Unforeseen, line).with_more(lines))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_contains_the_exit_code_and_the_last_lines() {
        assert!(Then::parse("").is_err() && Then::parse("a 'b").is_err());
        let then = Then::parse("sh -c 'seq 30; exit 5'").unwrap();
        let failure = then.run(Duration::from_secs(60)).unwrap_err();
        assert_eq!(
            failure.line,
            "cannot finish 'sh -c 'seq 30; exit 5'': it ended with exit code 5; it is retried until it succeeds"
        );
        assert_eq!((failure.more.len(), failure.more[9].as_str()), (10, "30"));
        assert!(Then::parse("true").unwrap().run(Duration::from_secs(60)).unwrap().is_empty());
    }
}
