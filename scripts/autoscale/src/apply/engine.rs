//! Runs the one command of a look, and remembers how it ended.
//!
//! An attempt is noted before its command runs, so that it counts even if this program is killed. If the note cannot be
//! written, only a command that adds servers runs.

use std::sync::atomic::{AtomicBool, Ordering};

use common::command::{Kept, Limits, Outcome as Ended, run_gently};
use common::failure::{Code, Failure};
use common::messages::Messages;

use super::ask::shown;
use super::decision::action::{Kind, Order};
use super::decision::attempts::{Attempt, Outcome, pause};
use super::decision::victim::{Phase, Victim};
use super::notes::NotesFile;
use super::running::{GRACE, Running};
use super::setup::settings::Settings;
use super::setup::words::Words;
use crate::clock;

/// The most characters of a command's last line that are kept.
const LINE_MAX: usize = 500;

/// What runs commands.
pub(crate) struct Engine<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) notes: &'a mut NotesFile,
    pub(crate) messages: &'a mut Messages,
    pub(crate) is_interrupted: &'a AtomicBool,
}

/// The command of an order; `None` if the operator has not set it.
pub(crate) fn command(settings: &Settings, order: &Order) -> Option<Words> {
    let words = match order.kind {
        Kind::Scale => Some(&settings.scale),
        Kind::Drain => settings.drain.as_ref(),
        Kind::Stop => settings.stop.as_ref(),
    };
    words.map(|words| words.with(&order.value))
}

impl Engine<'_> {
    /// Runs the command of an order; this is attempt number `tries`.
    pub(crate) fn run(&mut self, order: &Order, tries: u8) -> Result<(), Failure> {
        let Some(words) = command(self.settings, order) else { return Ok(()) };
        let before = self.notes.notes.attempts.clone();
        let killed = format!("cannot {}: this program was killed while the command ran", order.goal);
        self.note(order, tries, Outcome::Failed, &killed)?;
        if let Err(fault) = self.notes.write() {
            self.messages.fault(fault);
            if !order.is_more {
                self.notes.notes.attempts = before;
                return Ok(());
            }
        }
        self.messages.announce(format!("runs {}, to {}: {}", words.shown(), order.goal, order.because));
        let failure = self.run_noted(&words, order)?;
        self.notes.notes.running = None;
        match failure {
            None => self.succeeded(order, tries),
            Some(why) => self.failed(order, tries, &why),
        }
    }

    /// Runs the command, with a note of its process. Returns why it failed.
    fn run_noted(&mut self, words: &Words, order: &Order) -> Result<Option<String>, Failure> {
        let timeout = self.settings.scale_timeout;
        let until = clock::now()?.saturating_add(u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX));
        let is_interrupted = self.is_interrupted;
        let limits = Limits { timeout, grace: GRACE, is_interrupted, keeps_stderr: true, kept: Kept::Last };
        let notes = &mut *self.notes;
        let ended = run_gently(&mut words.command(), &limits, |process| {
            notes.notes.running = Running::of(process, &order.goal, until);
            // If this fails, the note of the attempt has failed, too, and was reported.
            let _ = notes.write();
        });
        Ok(self.why(ended))
    }

    /// Why a command failed.
    fn why(&self, ended: std::io::Result<Ended>) -> Option<String> {
        let ended = match ended {
            Ok(ended) => ended,
            Err(err) => return Some(format!("the command cannot be started: {err}")),
        };
        let how = match ended.status {
            Some(status) if status.success() => return None,
            Some(status) => shown(status),
            None if self.is_interrupted.load(Ordering::SeqCst) => "this program got a signal".to_owned(),
            None => {
                let seconds = self.settings.scale_timeout.as_secs();
                format!("it did not end within {seconds} s, and was ended with all its processes")
            }
        };
        let last = last_line(&ended.words);
        Some(if last.is_empty() { how } else { format!("{how}; it printed last: '{last}'") })
    }

    fn succeeded(&mut self, order: &Order, tries: u8) -> Result<(), Failure> {
        self.note(order, tries, Outcome::Done, "")?;
        let is_first = |victim: &&mut Victim| order.kind == Kind::Stop && victim.phase != Phase::Stopped;
        if let Some(victim) = self.notes.notes.victim.as_mut().filter(is_first) {
            victim.phase = Phase::Stopped;
        }
        Ok(())
    }

    fn failed(&mut self, order: &Order, tries: u8, why: &str) -> Result<(), Failure> {
        let line = format!("cannot {}: {why}", order.goal);
        self.note(order, tries, Outcome::Failed, &line)?;
        if self.is_interrupted.load(Ordering::SeqCst) {
            let goal = &order.goal;
            self.messages.announce(format!(
                "stopped the command to {goal}, because this program got a signal; the next run repeats it"
            ));
            return Ok(());
        }
        self.messages.fault(Failure::new(Code::Unforeseen, line));
        let seconds = pause(tries) / 1000;
        self.messages.announce(format!("tries again to {} in {seconds} s at the earliest", order.goal));
        Ok(())
    }

    fn note(&mut self, order: &Order, tries: u8, outcome: Outcome, failure: &str) -> Result<(), Failure> {
        let (value, failure) = (order.value.clone(), failure.to_owned());
        let attempt = Attempt { value, tries, at: clock::now()?, outcome, failure };
        *self.notes.notes.attempts.of(order.kind) = Some(attempt);
        Ok(())
    }
}

/// The last line with text that a command printed, without control characters such as those of a terminal's colours.
fn last_line(words: &str) -> String {
    let printable = |line: &str| -> String { line.chars().filter(|c| !c.is_control()).collect() };
    let mut lines = words.split(['\n', '\r']).map(printable);
    // It is noted, and notes that are too long would be forgotten.
    lines
        .rfind(|line| !line.trim().is_empty())
        .map(|line| line.chars().take(LINE_MAX).collect())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_is_the_last_with_text() {
        assert_eq!(last_line("first\nno \u{1b}such image\r\n \n"), "no such image");
        assert_eq!(last_line("50 %\r100 %\r"), "100 %");
        assert_eq!(last_line(""), "");
        assert_eq!(last_line(&"\"".repeat(60_000)).len(), LINE_MAX);
    }
}
