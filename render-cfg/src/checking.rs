//! Checks a text with `--check`, and reports what the check says.

use std::path::Path;
use std::time::{Duration, Instant};

use common::command::Ahead;
use common::failure::{Code, Failure};
use common::messages::Messages;

use crate::args::Args;
use crate::check::ahead::STDIN;
use crate::check::file::CheckFile;
use crate::check::{self, Verdict};
use crate::search::complaint::Complaint;
use crate::side_files::SideFile;

/// Why a text was not delivered.
pub(crate) enum Undelivered {
    /// The check refused the text.
    Refused(Box<(Complaint, Failure)>),
    /// Anything else.
    Other(Failure),
}

impl<F: Into<Failure>> From<F> for Undelivered {
    fn from(failure: F) -> Undelivered {
        Undelivered::Other(failure.into())
    }
}

impl Undelivered {
    /// The failure as it is reported.
    pub(crate) fn failure(self) -> Failure {
        match self {
            Undelivered::Refused(refused) => refused.1,
            Undelivered::Other(failure) => failure,
        }
    }
}

/// The checks before one delivery. Together they have the time of `--check-timeout`.
pub(crate) struct Checking<'a> {
    args: &'a Args,
    /// What messages call the file, as the operator does.
    name: String,
    messages: &'a mut Messages,
    /// The rest of that time.
    left: Duration,
}

impl<'a> Checking<'a> {
    /// Begins to check a text that messages call `name`.
    pub(crate) fn new(args: &'a Args, name: &Path, messages: &'a mut Messages) -> Checking<'a> {
        Checking { args, name: name.display().to_string(), messages, left: args.check_timeout }
    }

    /// Checks a text that is not staged beside an output.
    pub(crate) fn text(&mut self, text: &str, files: &[SideFile]) -> Result<(), Undelivered> {
        if self.args.check.is_none() {
            return Ok(());
        }
        let file = CheckFile::write(text, files).map_err(|err| {
            let place = CheckFile::directory();
            Failure::new(Code::Files, format!("cannot write a file for the check in '{place}': {err}"))
        })?;
        self.text_at(file.path(), file.text(), || {})
    }

    /// Checks the file at `path`, which contains `text`, and does `work` meanwhile.
    pub(crate) fn text_at(
        &mut self,
        path: &Path,
        text: &str,
        work: impl FnOnce(),
    ) -> Result<(), Undelivered> {
        let Some((verdict, lines)) = self.judge(path, text, work) else { return Ok(()) };
        match verdict.refused {
            None => {
                lines.iter().for_each(|line| self.messages.info(line));
                Ok(())
            }
            Some(why) if verdict.is_about_the_text => {
                let failure = self.failure(&why, lines.clone());
                Err(Undelivered::Refused(Box::new((Complaint::of_check(why, lines), failure))))
            }
            Some(why) => Err(self.failure(&why, lines).into()),
        }
    }

    /// The same for the excerpt of a text. Returns whether it passes. If it does not, the check of the whole text
    /// decides, and says why.
    pub(crate) fn excerpt_at(
        &mut self,
        path: &Path,
        excerpt: &str,
        work: impl FnOnce(),
    ) -> Result<bool, Undelivered> {
        let Some((verdict, lines)) = self.judge(path, excerpt, work) else { return Ok(false) };
        match verdict.refused {
            None => {
                self.report_excerpt(&lines);
                Ok(true)
            }
            Some(_) if verdict.is_about_the_text => {
                self.messages.verbose(format!("the lines of '{}' that changed fail the check", self.name));
                Ok(false)
            }
            Some(why) => Err(self.failure(&why, lines).into()),
        }
    }

    /// Checks a text, or an excerpt, by a check that has started and waits for it. Returns whether it passes. If it does not,
    /// for whatever reason, a check of the whole text in its file decides. Fails if no time is left for that.
    pub(crate) fn ahead(
        &mut self,
        ahead: Ahead,
        text: &str,
        is_whole: bool,
        work: impl FnOnce(),
    ) -> Result<bool, Undelivered> {
        let Some(check) = &self.args.check else { return Ok(false) };
        let begun = Instant::now();
        let verdict = check.run_ahead(ahead, text, self.left, work);
        self.left = self.left.saturating_sub(begun.elapsed());
        if let Some(why) = verdict.refused {
            self.messages.verbose(format!("'{}' fails the check at its stdin", self.name));
            return if self.left.is_zero() { Err(self.failure(&why, Vec::new()).into()) } else { Ok(false) };
        }
        let stdin = Path::new(STDIN);
        let lines = check::explain(&verdict.output, stdin, &self.name, text, &self.args.template);
        if is_whole {
            lines.iter().for_each(|line| self.messages.info(line));
        } else {
            self.report_excerpt(&lines);
        }
        Ok(true)
    }

    fn report_excerpt(&mut self, lines: &[String]) {
        lines.iter().for_each(|line| self.messages.info(line));
        self.messages.verbose(format!("checked only the lines of '{}' that changed", self.name));
    }

    /// The verdict, and the check's output for the operator; `None` without `--check`.
    fn judge(&mut self, path: &Path, text: &str, work: impl FnOnce()) -> Option<(Verdict, Vec<String>)> {
        let Some(check) = &self.args.check else {
            work();
            return None;
        };
        let begun = Instant::now();
        let verdict = check.run(path, text, self.left, work);
        self.left = self.left.saturating_sub(begun.elapsed());
        let lines = check::explain(&verdict.output, path, &self.name, text, &self.args.template);
        Some((verdict, lines))
    }

    fn failure(&self, why: &str, more: Vec<String>) -> Failure {
        Failure::new(Code::Haproxy, format!("cannot use '{}': {why}", self.name)).with_more(more)
    }
}
