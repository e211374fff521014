//! The messages of a program: one line for each error on stderr, the same line in a log file, and the exit code
//! of the worst error.
//!
//! Serf discards what a handler prints, so `--log` keeps it. Control characters are escaped here and nowhere else: a name
//! from the network must not control an operator's terminal. With `--log-state` the log has a fault that lasts only once
//! an hour; stderr and the exit code always have it.

mod args;
mod known;
mod log_file;
mod log_state;
mod printable;
#[cfg(test)]
mod tests;

use std::fmt::Display;
use std::fs::File;
use std::io::Write;
use std::mem;
use std::path::Path;
use std::process::ExitCode;
use std::time::SystemTime;

use crate::failure::{Code, Failure};

pub use args::MessageArgs;
pub use known::Known;
use log_file::entry;
use log_state::LogState;
use printable::printable;
pub use printable::{excerpt, truncate};

/// Prints and logs messages for one program, and remembers the exit code of its worst fault.
#[derive(Debug)]
pub struct Messages {
    program: &'static str,
    verbose: bool,
    log: Option<File>,
    /// What earlier runs logged, of a program with --log-state.
    state: Option<LogState>,
    /// Lines for the log that are not worth having if this run fails as the last one did: what it did in vain.
    held: Vec<String>,
    /// Whether this run may miss faults that last.
    is_partial: bool,
    code: Option<Code>,
    faults: usize,
    /// The faults of this round, in a program that runs in rounds: it decides itself which to print.
    collected: Option<Vec<Failure>>,
}

/// The most faults that are printed; the others are counted. A forged event must not fill the disk with its log.
const FAULTS_MAX: usize = 100;
/// The most characters of a message.
const LINE_MAX: usize = 2000;

impl Messages {
    /// Opens the log, if there is one, for appending; a new one has mode 0640. If it cannot be opened, that is a fault,
    /// and the program continues.
    pub fn open(program: &'static str, args: &MessageArgs) -> Messages {
        let verbose = args.verbose;
        let mut messages = Messages::new(program, verbose, None);
        messages.open_log(args.log.as_deref());
        if let Some(log) = &messages.log {
            messages.state =
                args.log_state.as_deref().map(|path| LogState::read(path, log_file::length(log)));
        }
        messages
    }

    /// Begins a round of a program that runs in rounds: earlier faults are forgotten, the log is opened again because it
    /// may have been rotated, and new faults are collected for `take_faults`. Such a program remembers itself what it
    /// reported: --log-state is only for its start, which has succeeded when the first round begins.
    pub fn begin_round(&mut self, args: &MessageArgs) {
        self.log_held();
        self.end(true);
        *self = Messages::new(self.program, self.verbose, Some(Vec::new()));
        self.open_log(args.log.as_deref());
    }

    /// The faults of this round. From now on faults are printed again.
    pub fn take_faults(&mut self) -> Vec<Failure> {
        self.collected.take().unwrap_or_default()
    }

    fn new(program: &'static str, verbose: bool, collected: Option<Vec<Failure>>) -> Messages {
        let (log, state, held, code) = (None, None, Vec::new(), None);
        Messages { program, verbose, log, state, held, is_partial: false, code, faults: 0, collected }
    }

    fn open_log(&mut self, path: Option<&Path>) {
        let Some(path) = path else { return };
        match log_file::open(path) {
            Ok(log) => self.log = Some(log),
            Err(err) => {
                self.fault(Failure::new(Code::Files, format!("cannot open log '{}': {err}", path.display())));
            }
        }
    }

    /// Notes that this run sees only a part of what could be wrong, such as the members of one event: a fault that it does
    /// not meet may last.
    pub fn sees_only_a_part(&mut self) {
        self.is_partial = true;
    }

    /// Logs what was done, and prints it with `-v`. With --log-state it is not logged by a run that fails as an earlier
    /// one did.
    pub fn info(&mut self, line: impl Display) {
        self.remark(&line, self.verbose);
    }

    /// Prints and logs a message with `-v` only, such as that there was nothing to do: it would fill a timer's log.
    pub fn verbose(&mut self, line: impl Display) {
        if self.verbose {
            self.remark(&line, true);
        }
    }

    /// Prints something that an operator should know but that is not a fault, and logs it like what was done.
    pub fn warn(&mut self, line: impl Display) {
        self.remark(&line, true);
    }

    /// Logs something that is so and not something that was done, such as that a record is kept, and prints it with `-v`.
    /// It is no fault. With --log-state it is logged as rarely as a fault that lasts.
    pub fn standing(&mut self, line: impl Display) {
        let remark = Failure::new(Code::Unforeseen, line);
        match &mut self.collected {
            Some(collected) => collected.push(remark),
            None => self.report(&remark, self.verbose),
        }
    }

    /// Prints and logs a fault and remembers its code if it is the worst. The program continues.
    pub fn fault(&mut self, fault: impl Into<Failure>) {
        let failure = fault.into();
        if let Some(collected) = &mut self.collected {
            collected.push(failure);
            return;
        }
        self.faults += 1;
        self.remember(failure.code);
        if self.faults <= FAULTS_MAX {
            self.report(&failure, true);
        }
    }

    /// Logs a fault that has been printed, and remembers its code.
    pub(crate) fn log_fault(&mut self, failure: &Failure) {
        self.remember(failure.code);
        self.report(failure, false);
    }

    /// Prints and logs the fault that ended the run, if any, and returns the exit code of the worst fault.
    pub fn exit_code(mut self, result: Result<(), Failure>) -> ExitCode {
        if result.is_ok() {
            self.log_held();
        }
        let is_whole = result.is_ok() && self.faults <= FAULTS_MAX && !self.is_partial;
        if let Some(more) = self.faults.checked_sub(FAULTS_MAX).filter(|more| *more > 0) {
            self.report(&Failure::new(Code::Unforeseen, format!("and {more} more errors")), true);
        }
        if let Err(failure) = result {
            self.faults = 0;
            self.fault(failure);
        }
        self.end(is_whole);
        self.code.map_or(ExitCode::SUCCESS, |code| ExitCode::from(code as u8))
    }

    /// Logs which faults have ended, and remembers the others for the next run.
    fn end(&mut self, is_whole: bool) {
        let Some(mut state) = self.state.take() else { return };
        for line in state.end(is_whole, SystemTime::now()) {
            self.write(&format!("ended: {line}"), false, true);
        }
        // It is no fault: the work is done, and the log has more than it needs.
        if let Err(line) = state.save() {
            self.write(&line, true, true);
        }
    }

    /// Prints a fault, and logs it unless the log has it already.
    fn report(&mut self, failure: &Failure, on_stderr: bool) {
        let now = SystemTime::now();
        let in_log = self.state.as_mut().is_none_or(|state| state.meet(failure, now));
        self.write(&failure.line, on_stderr, in_log);
        failure.more.iter().for_each(|line| self.write(line, on_stderr, in_log));
        if in_log {
            self.remember_logged(failure);
        }
    }

    /// Remembers for the next runs that the log has a fault.
    fn remember_logged(&mut self, failure: &Failure) {
        let Some(mut state) = self.state.take() else { return };
        let Some(log) = &self.log else { return };
        match state.logged(failure, log_file::length(log)) {
            Ok(()) => self.state = Some(state),
            Err(line) => self.write(&line, true, true),
        }
    }

    fn remember(&mut self, code: Code) {
        if self.code.is_none_or(|worst| code.severity() < worst.severity()) {
            self.code = Some(code);
        }
    }

    /// Prints a line that is not a fault, and logs it now or, after a run with faults, when this run does not fail likewise.
    fn remark(&mut self, line: &dyn Display, on_stderr: bool) {
        let line = printable(&truncate(&line.to_string(), LINE_MAX));
        self.print(&line, on_stderr);
        if self.state.as_ref().is_some_and(LogState::knows_faults) {
            self.held.push(entry(self.program, &line));
        } else {
            self.append(&entry(self.program, &line));
        }
    }

    fn write(&mut self, line: &dyn Display, on_stderr: bool, in_log: bool) {
        let line = printable(&truncate(&line.to_string(), LINE_MAX));
        self.print(&line, on_stderr);
        if in_log {
            let entry = entry(self.program, &line);
            self.log_held();
            self.append(&entry);
        }
    }

    fn print(&self, line: &str, on_stderr: bool) {
        // A closed stderr must not make the work fail.
        if on_stderr {
            let _ = std::io::stderr().write_all(format!("{}: {line}\n", self.program).as_bytes());
        }
    }

    fn log_held(&mut self) {
        let held = mem::take(&mut self.held).concat();
        self.append(&held);
    }

    fn append(&mut self, entry: &str) {
        if let Some(Err(err)) = self.log.as_mut().map(|log| log.write_all(entry.as_bytes())) {
            self.log = None;
            self.fault(Failure::new(Code::Files, format!("cannot write 'the log': {err}")));
        }
    }
}
