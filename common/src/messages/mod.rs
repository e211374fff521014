//! The messages of a program: one line for each error on stderr, the same line in a log file, and the exit code
//! of the worst error.
//!
//! Serf discards what a handler prints, so `--log` keeps it. Control characters are escaped here and nowhere else: a
//! name from the network must not control an operator's terminal. With `--log-state` the log has a fault that lasts
//! only once an hour; stderr and the exit code always have it.

mod args;
mod known;
mod log;
mod log_file;
mod log_state;
mod printable;
#[cfg(test)]
mod tests;

use std::fmt::Display;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use crate::failure::{Code, Failure};

pub use args::MessageArgs;
pub use known::Known;
use log::Log;
use printable::printable;
pub use printable::{excerpt, truncate};

/// Prints and logs messages for one program, and remembers the exit code of its worst fault.
#[derive(Debug)]
pub struct Messages {
    program: &'static str,
    verbose: bool,
    log: Log,
    /// Whether this run may not meet every fault that lasts.
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
        let mut messages = Messages::new(program, args.verbose, None);
        messages.open_log(args.log.as_deref());
        if let Some(path) = &args.log_state {
            messages.log.read_state(path);
        }
        messages
    }

    /// Begins a round of a program that runs in rounds: earlier faults are forgotten, the log is opened again because
    /// it may have been rotated, and new faults are collected for `take_faults`. Such a program keeps what it has
    /// reported in memory. --log-state is only for its start, which has succeeded when the first round begins.
    pub fn begin_round(&mut self, args: &MessageArgs) {
        self.release();
        self.end(true);
        *self = Messages::new(self.program, self.verbose, Some(Vec::new()));
        self.open_log(args.log.as_deref());
    }

    /// The faults of this round. From now on faults are printed again.
    pub fn take_faults(&mut self) -> Vec<Failure> {
        self.collected.take().unwrap_or_default()
    }

    fn new(program: &'static str, verbose: bool, collected: Option<Vec<Failure>>) -> Messages {
        let log = Log::none(program);
        Messages { program, verbose, log, is_partial: false, code: None, faults: 0, collected }
    }

    fn open_log(&mut self, path: Option<&Path>) {
        match path.map(|path| Log::open(self.program, path)) {
            None => {}
            Some(Ok(log)) => self.log = log,
            Some(Err(fault)) => self.fault(fault),
        }
    }

    /// Notes that this run sees only a part of what could be wrong, such as the members of one event. A fault that it
    /// does not meet may still last.
    pub fn sees_only_a_part(&mut self) {
        self.is_partial = true;
    }

    /// Logs what was done, and prints it with `-v`. With --log-state it is not logged by a run that fails as an earlier
    /// one did.
    pub fn info(&mut self, line: impl Display) {
        self.remark(&line, self.verbose);
    }

    /// Whether `verbose` prints anything, for a message that takes time to find.
    pub fn is_verbose(&self) -> bool {
        self.verbose
    }

    /// Prints and logs a message with `-v` only, such as that there was nothing to do: it would fill a timer's log.
    pub fn verbose(&mut self, line: impl Display) {
        if self.verbose {
            self.remark(&line, true);
        }
    }

    /// Prints something that an operator should know but that is not a fault, and logs it as `info` does.
    pub fn warn(&mut self, line: impl Display) {
        self.remark(&line, true);
    }

    /// Prints and logs what is done next, or was decided, at once: even in a run that fails as an earlier one did.
    pub fn announce(&mut self, line: impl Display) {
        self.write(&line, true, true);
    }

    /// Logs a state that lasts, such as that a record is kept, and prints it with `-v`. It is not a fault. With
    /// --log-state it is logged as rarely as a fault that lasts.
    pub fn standing(&mut self, line: impl Display) {
        self.last(line, self.verbose);
    }

    /// Prints a state that lasts and that is probably wrong, and logs it as `standing` does. It is not a fault.
    pub fn standing_warning(&mut self, line: impl Display) {
        self.last(line, true);
    }

    fn last(&mut self, line: impl Display, on_stderr: bool) {
        let remark = Failure::new(Code::Unforeseen, line);
        match &mut self.collected {
            Some(collected) => collected.push(remark),
            None => self.report(&remark, on_stderr),
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
            self.release();
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

    /// Logs the lines about what was done that were held.
    fn release(&mut self) {
        let released = self.log.release();
        self.heed(released);
    }

    /// Logs which faults have ended, and remembers the others for the next run.
    fn end(&mut self, is_whole: bool) {
        let Some((state, ended)) = self.log.end(is_whole) else { return };
        for line in ended {
            self.write(&format!("ended: {line}"), false, true);
        }
        // Not a fault: the work is done, and the next run only logs some lines again.
        if let Err(line) = state.save() {
            self.write(&line, true, true);
        }
    }

    /// Prints a fault, and logs it unless the log has it already.
    fn report(&mut self, failure: &Failure, on_stderr: bool) {
        let in_log = self.log.meet(failure);
        self.write(&failure.line, on_stderr, in_log);
        failure.more.iter().for_each(|line| self.write(line, on_stderr, in_log));
        if !in_log {
            return;
        }
        if let Err(line) = self.log.logged(failure) {
            self.write(&line, true, true);
        }
    }

    fn remember(&mut self, code: Code) {
        if self.code.is_none_or(|worst| code.severity() < worst.severity()) {
            self.code = Some(code);
        }
    }

    /// Prints and logs a line that is not a fault.
    fn remark(&mut self, line: &dyn Display, on_stderr: bool) {
        let line = self.print(line, on_stderr);
        let logged = self.log.add_or_hold(&line);
        self.heed(logged);
    }

    fn write(&mut self, line: &dyn Display, on_stderr: bool, in_log: bool) {
        let line = self.print(line, on_stderr);
        if in_log {
            let logged = self.log.add(&line);
            self.heed(logged);
        }
    }

    /// Makes a line printable, prints it if it is for stderr, and returns it.
    fn print(&self, line: &dyn Display, on_stderr: bool) -> String {
        let line = printable(&truncate(&line.to_string(), LINE_MAX));
        if on_stderr {
            // A closed stderr must not make the work fail.
            let _ = std::io::stderr().write_all(format!("{}: {line}\n", self.program).as_bytes());
        }
        line
    }

    /// Reports that the log could not be written.
    fn heed(&mut self, logged: Result<(), Failure>) {
        if let Err(fault) = logged {
            self.fault(fault);
        }
    }
}
