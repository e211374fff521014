//! The messages of a program: one line for each error on stderr, the same line in a log file, and the exit code
//! of the worst error.
//!
//! Serf discards what a handler prints, so `--log` keeps it. Control characters are escaped here and nowhere else: a name
//! from the network must not control an operator's terminal.

mod printable;

use std::fmt::Display;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use clap::Args;
use nix::fcntl::OFlag;

use crate::failure::{Code, Failure};

use printable::printable;
pub use printable::{excerpt, truncate};

/// The message options that all four programs take.
#[derive(Args, Clone, Debug, Default)]
pub struct MessageArgs {
    /// Print what was done, on stderr
    #[arg(short, long)]
    pub verbose: bool,
    /// Append all messages to FILE too, because Serf discards the output of its handlers
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
}

/// Prints and logs messages for one program, and remembers the exit code of its worst fault.
#[derive(Debug)]
pub struct Messages {
    program: &'static str,
    verbose: bool,
    log: Option<File>,
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
        let mut messages = Messages { program, verbose, log: None, code: None, faults: 0, collected: None };
        messages.open_log(args.log.as_deref());
        messages
    }

    /// Begins a round of a program that runs in rounds: earlier faults are forgotten, the log is opened again because it
    /// may have been rotated, and new faults are collected for `take_faults`.
    pub fn begin_round(&mut self, args: &MessageArgs) {
        *self = Messages { log: None, code: None, faults: 0, collected: Some(Vec::new()), ..*self };
        self.open_log(args.log.as_deref());
    }

    /// The faults of this round. From now on faults are printed again.
    pub fn take_faults(&mut self) -> Vec<Failure> {
        self.collected.take().unwrap_or_default()
    }

    fn open_log(&mut self, path: Option<&Path>) {
        let Some(path) = path else { return };
        let mut open = OpenOptions::new();
        // Opening a pipe without a reader must not block.
        open.append(true).create(true).mode(0o640).custom_flags(OFlag::O_NONBLOCK.bits());
        match open.open(path) {
            Ok(log) => self.log = Some(log),
            Err(err) => {
                self.fault(Failure::new(Code::Files, format!("cannot open log '{}': {err}", path.display())));
            }
        }
    }

    /// Logs what was done, and prints it with `-v`.
    pub fn info(&mut self, line: impl Display) {
        self.write(&line, self.verbose);
    }

    /// Prints and logs a message with `-v` only, such as that there was nothing to do: it would fill a timer's log.
    pub fn verbose(&mut self, line: impl Display) {
        if self.verbose {
            self.write(&line, true);
        }
    }

    /// Prints and logs something that an operator should know but that is not a fault.
    pub fn warn(&mut self, line: impl Display) {
        self.write(&line, true);
    }

    /// Prints and logs a fault and remembers its code if it is the worst. The program continues.
    pub fn fault(&mut self, fault: impl Into<Failure>) {
        let failure = fault.into();
        if let Some(collected) = &mut self.collected {
            collected.push(failure);
            return;
        }
        self.faults += 1;
        if self.faults <= FAULTS_MAX {
            self.write(&failure.line, true);
            failure.more.iter().for_each(|line| self.write(line, true));
        }
        self.remember(failure.code);
    }

    /// Prints and logs the fault that ended the run, if any, and returns the exit code of the worst fault.
    pub fn exit_code(mut self, result: Result<(), Failure>) -> ExitCode {
        if let Some(more) = self.faults.checked_sub(FAULTS_MAX).filter(|more| *more > 0) {
            self.write(&format!("and {more} more errors"), true);
        }
        if let Err(failure) = result {
            self.faults = 0;
            self.fault(failure);
        }
        self.code.map_or(ExitCode::SUCCESS, |code| ExitCode::from(code as u8))
    }

    fn remember(&mut self, code: Code) {
        if self.code.is_none_or(|worst| code.severity() < worst.severity()) {
            self.code = Some(code);
        }
    }

    fn write(&mut self, line: &dyn Display, on_stderr: bool) {
        let line = printable(&truncate(&line.to_string(), LINE_MAX));
        // A closed stderr must not make the work fail.
        if on_stderr {
            let _ = std::io::stderr().write_all(format!("{}: {line}\n", self.program).as_bytes());
        }
        if let Some(mut log) = self.log.take() {
            let now = humantime::format_rfc3339_seconds(SystemTime::now());
            let line = format!("{now} {}[{}]: {line}\n", self.program, std::process::id());
            match log.write_all(line.as_bytes()) {
                Ok(()) => self.log = Some(log),
                Err(err) => self.fault(Failure::new(Code::Files, format!("cannot write 'the log': {err}"))),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_fault_decides_the_code() {
        let code = |codes: &[Code]| {
            let mut messages = Messages::open("test", &MessageArgs::default());
            codes.iter().for_each(|code| messages.fault(Failure::new(*code, "a fault")));
            messages.exit_code(Ok(()))
        };
        assert_eq!(code(&[Code::Input, Code::Files, Code::Guard]), ExitCode::from(4));
        assert_eq!(code(&[Code::Guard, Code::Input]), ExitCode::from(3));
        let messages = Messages::open("test", &MessageArgs::default());
        assert_eq!(messages.exit_code(Err(Failure::new(Code::Guard, "three"))), ExitCode::from(6));
    }

    #[test]
    fn a_log_that_cannot_be_written_is_a_fault() {
        let args = MessageArgs { verbose: false, log: Some("/dev/full".into()) };
        let mut messages = Messages::open("test", &args);
        messages.info("something");
        assert_eq!(messages.exit_code(Ok(())), ExitCode::from(4));
    }

    #[test]
    fn a_round_collects_its_own_faults_only() {
        let mut messages = Messages::open("test", &MessageArgs::default());
        for line in ["one", "another"] {
            messages.begin_round(&MessageArgs::default());
            messages.fault(Failure::new(Code::Files, line));
            let lines: Vec<String> = messages.take_faults().into_iter().map(|fault| fault.line).collect();
            assert_eq!(lines, [line]);
        }
        assert_eq!(messages.exit_code(Ok(())), ExitCode::SUCCESS);
    }

    #[test]
    fn a_log_that_cannot_be_opened_does_not_stop_the_work() {
        let args = MessageArgs { verbose: false, log: Some("/nonexistent/log".into()) };
        assert_eq!(Messages::open("test", &args).exit_code(Ok(())), ExitCode::from(4));
    }
}
