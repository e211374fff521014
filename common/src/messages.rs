//! The messages of a program: one line for each error on stderr, the same line in a log file, and the exit code
//! of the worst error.
//!
//! Serf hides what a handler prints, so `--log` keeps it. Control characters are escaped here and nowhere else:
//! a name from the network must not be able to steer an operator's terminal.

use std::borrow::Cow;
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

/// The message options that all four programs take.
#[derive(Args, Clone, Debug, Default)]
pub struct MessageArgs {
    /// Say what was done, on stderr
    #[arg(short, long)]
    pub verbose: bool,
    /// Append what is said to FILE too; Serf hides what its handlers say
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
}

/// Says lines for one program, and remembers the worst fault's exit code.
#[derive(Debug)]
pub struct Messages {
    program: &'static str,
    verbose: bool,
    log: Option<File>,
    code: Option<Code>,
    faults: usize,
    /// Faults that are not said but kept, in a program that goes round.
    collected: Option<Vec<Failure>>,
}

/// So many faults are said, the others counted: a forged event must not fill the disk with its log.
const FAULTS_SAID: usize = 100;
/// So many characters of a line are said.
const LINE_MAX: usize = 2000;

impl Messages {
    /// Opens the log, if one is wanted (appended to; made with mode 0640). A log that cannot be opened is
    /// a fault like any other: the work goes on without it.
    pub fn open(program: &'static str, args: &MessageArgs) -> Messages {
        let verbose = args.verbose;
        let mut messages = Messages { program, verbose, log: None, code: None, faults: 0, collected: None };
        messages.open_log(args.log.as_deref());
        messages
    }

    /// Begins a round of a program that goes round: what was is forgotten, the log is opened anew, for it may have
    /// been moved away, and faults are kept until they are asked for.
    pub fn begin_round(&mut self, args: &MessageArgs) {
        *self = Messages { log: None, code: None, faults: 0, collected: Some(Vec::new()), ..*self };
        self.open_log(args.log.as_deref());
    }

    /// The faults of this round. From now on they are said again.
    pub fn take_faults(&mut self) -> Vec<Failure> {
        self.collected.take().unwrap_or_default()
    }

    fn open_log(&mut self, path: Option<&Path>) {
        let Some(path) = path else { return };
        let mut open = OpenOptions::new();
        // A pipe that nobody reads must not hold the program.
        open.append(true).create(true).mode(0o640).custom_flags(OFlag::O_NONBLOCK.bits());
        match open.open(path) {
            Ok(log) => self.log = Some(log),
            Err(err) => {
                self.fault(Failure::new(Code::Files, format!("cannot open log '{}': {err}", path.display())));
            }
        }
    }

    /// Says what was done, if `-v` was given; in the log in any case.
    pub fn info(&mut self, line: impl Display) {
        self.write(&line, self.verbose);
    }

    /// Says that there was nothing to do, if `-v` was given: a timer's log would hold nothing else.
    pub fn verbose(&mut self, line: impl Display) {
        if self.verbose {
            self.write(&line, true);
        }
    }

    /// Says something that is no fault but that an operator should know.
    pub fn warn(&mut self, line: impl Display) {
        self.write(&line, true);
    }

    /// Says a fault and remembers its code if it is the worst, while the work goes on.
    pub fn fault(&mut self, fault: impl Into<Failure>) {
        let failure = fault.into();
        if let Some(collected) = &mut self.collected {
            collected.push(failure);
            return;
        }
        self.faults += 1;
        if self.faults <= FAULTS_SAID {
            self.write(&failure.line, true);
            failure.more.iter().for_each(|line| self.write(line, true));
        }
        self.remember(failure.code);
    }

    /// Says a last fault, if there is one, and gives the exit code of the worst.
    pub fn exit_code(mut self, result: Result<(), Failure>) -> ExitCode {
        if let Some(unsaid) = self.faults.checked_sub(FAULTS_SAID).filter(|unsaid| *unsaid > 0) {
            self.write(&format!("{unsaid} more faults like these"), true);
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
        // Nobody is left to tell when stderr is gone; the work itself must not fail for it.
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

/// `text` with everything escaped that is no visible character (`\n`, `\u{1b}`, marks that turn the
/// direction of writing), so that it stays one line and does not lie on a terminal.
fn printable(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\'' | '"' | '\\' => line.push(c),
            c => line.extend(c.escape_debug()),
        }
    }
    line
}

/// At most so many characters of `text`, with a mark where something is left out.
pub fn truncate(text: &str, max: usize) -> Cow<'_, str> {
    match text.char_indices().nth(max) {
        Some((at, _)) => Cow::Owned(format!("{}…", &text[..at])),
        None => Cow::Borrowed(text),
    }
}

/// Bytes from the network as an error line shows them: invisible characters and bytes that are not UTF-8
/// escaped, cut after 64 characters.
pub fn excerpt(bytes: &[u8]) -> impl Display + use<> {
    // Of a large field only the beginning is looked at.
    let beginning = &bytes[..bytes.len().min(512)];
    truncate(&printable(&String::from_utf8_lossy(beginning)), 64).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_bytes_are_shown_on_one_line_and_truncate() {
        assert_eq!(excerpt(b"esc\x1b[31m\n").to_string(), "esc\\u{1b}[31m\\n");
        assert_eq!(excerpt(&[b'a', 0xff]).to_string(), "a\u{fffd}");
        assert_eq!(excerpt(&[b'x'; 5000]).to_string(), format!("{}…", "x".repeat(64)));
    }

    #[test]
    fn marks_that_turn_the_direction_of_writing_are_shown() {
        assert_eq!(excerpt("a\u{202e}b\u{feff}".as_bytes()).to_string(), "a\\u{202e}b\\u{feff}");
        assert_eq!(excerpt("it's \"ü\"".as_bytes()).to_string(), "it's \"ü\"");
    }

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
    fn a_round_keeps_its_faults_and_forgets_those_before_it() {
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
