//! How a program talks: one error line a fault on stderr, the same in a log, and an exit code that says
//! whose fault it was.
//!
//! Serf shows nothing of a handler but the number, so `--log` keeps the words. Every line is stripped of
//! control characters here, in one place: names from the network must not write to a terminal.

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

/// The exit codes of all four programs; the manuals explain them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Code {
    /// Something unforeseen.
    Unforeseen = 1,
    /// Called wrongly.
    Usage = 2,
    /// Bad input: an event line, a member list, a record, a template. The good part has been done.
    Input = 3,
    /// The file system said no.
    Files = 4,
    /// HAProxy said no, could not be reached, or did not prove that it took the configuration.
    Haproxy = 5,
    /// A guard refused: too few nodes.
    Guard = 6,
    /// Another run held the lock for too long.
    Lock = 7,
}

impl Code {
    /// How bad it is, the worst first: a guard that held is better news than a step that failed, and what
    /// keeps the good part from being done is worse than a bad part. scripts/reconcile has the same order.
    fn severity(self) -> usize {
        use Code::{Files, Guard, Haproxy, Input, Lock, Unforeseen, Usage};
        let order = [Unforeseen, Usage, Files, Haproxy, Lock, Input, Guard];
        order.iter().position(|code| *code == self).unwrap_or_default()
    }
}

/// An error that knows its exit code.
pub trait Fault: Display {
    /// The exit code of a program that ends with this error.
    fn code(&self) -> Code;
}

/// A fault put into its final words: what ends a program's `run`.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub code: Code,
    /// The line, without the program's name: `cannot VERB 'OBJECT': reason`.
    pub line: String,
    /// What helps to act on it, each on a line of its own after it: another program's words, a place.
    pub more: Vec<String>,
}

impl Failure {
    /// A failure with a line of its own.
    pub fn new(code: Code, line: impl Display) -> Failure {
        Failure { code, line: line.to_string(), more: Vec::new() }
    }

    /// The same failure, with lines that help to act on it.
    pub fn with_more(mut self, lines: impl IntoIterator<Item = String>) -> Failure {
        self.more.extend(lines);
        self
    }
}

impl<F: Fault> From<F> for Failure {
    fn from(fault: F) -> Failure {
        Failure::new(fault.code(), fault)
    }
}

/// The options about talking that all four programs take.
#[derive(Args, Clone, Debug, Default)]
pub struct TalkArgs {
    /// Say what was done, on stderr
    #[arg(short, long)]
    pub verbose: bool,
    /// Append what is said to FILE too; Serf hides what its handlers say
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
}

/// Says lines for one program, and remembers the worst fault's exit code.
#[derive(Debug)]
pub struct Talk {
    program: &'static str,
    verbose: bool,
    log: Option<File>,
    code: Option<Code>,
    faults: usize,
    /// Faults that are not said but kept, in a program that goes round.
    gathered: Option<Vec<Failure>>,
}

/// So many faults are said, the others counted: a forged event must not fill the disk with its log.
const FAULTS_SAID: usize = 100;
/// So many characters of a line are said.
const LINE_MAX: usize = 2000;

impl Talk {
    /// Opens the log, if one is wanted (appended to; made with mode 0640). A log that cannot be opened is
    /// a fault like any other: the work goes on without it.
    pub fn open(program: &'static str, args: &TalkArgs) -> Talk {
        let verbose = args.verbose;
        let mut talk = Talk { program, verbose, log: None, code: None, faults: 0, gathered: None };
        talk.open_log(args.log.as_deref());
        talk
    }

    /// Begins a round of a program that goes round: what was is forgotten, the log is opened anew, for it may have
    /// been moved away, and faults are kept until they are asked for.
    pub fn begin_round(&mut self, args: &TalkArgs) {
        *self = Talk { log: None, code: None, faults: 0, gathered: Some(Vec::new()), ..*self };
        self.open_log(args.log.as_deref());
    }

    /// The faults of this round. From now on they are said again.
    pub fn gathered(&mut self) -> Vec<Failure> {
        self.gathered.take().unwrap_or_default()
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
    pub fn say(&mut self, line: impl Display) {
        self.write(&line, self.verbose);
    }

    /// Says that there was nothing to do, if `-v` was given: a timer's log would hold nothing else.
    pub fn say_idle(&mut self, line: impl Display) {
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
        if let Some(gathered) = &mut self.gathered {
            gathered.push(failure);
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
    pub fn end(mut self, result: Result<(), Failure>) -> ExitCode {
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
        let line = printable(&cut(&line.to_string(), LINE_MAX));
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
fn cut(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most) {
        Some((at, _)) => Cow::Owned(format!("{}…", &text[..at])),
        None => Cow::Borrowed(text),
    }
}

/// Bytes from the network as an error line shows them: invisible characters and bytes that are not UTF-8
/// escaped, cut after 64 characters.
pub fn shown(bytes: &[u8]) -> impl Display + use<> {
    // Of a large field only the beginning is looked at.
    let beginning = &bytes[..bytes.len().min(512)];
    cut(&printable(&String::from_utf8_lossy(beginning)), 64).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_bytes_are_shown_on_one_line_and_cut() {
        assert_eq!(shown(b"esc\x1b[31m\n").to_string(), "esc\\u{1b}[31m\\n");
        assert_eq!(shown(&[b'a', 0xff]).to_string(), "a\u{fffd}");
        assert_eq!(shown(&[b'x'; 5000]).to_string(), format!("{}…", "x".repeat(64)));
    }

    #[test]
    fn marks_that_turn_the_direction_of_writing_are_shown() {
        assert_eq!(shown("a\u{202e}b\u{feff}".as_bytes()).to_string(), "a\\u{202e}b\\u{feff}");
        assert_eq!(shown("it's \"ü\"".as_bytes()).to_string(), "it's \"ü\"");
    }

    #[test]
    fn the_worst_fault_decides_the_code() {
        let code = |codes: &[Code]| {
            let mut talk = Talk::open("test", &TalkArgs::default());
            codes.iter().for_each(|code| talk.fault(Failure::new(*code, "a fault")));
            talk.end(Ok(()))
        };
        assert_eq!(code(&[Code::Input, Code::Files, Code::Guard]), ExitCode::from(4));
        assert_eq!(code(&[Code::Guard, Code::Input]), ExitCode::from(3));
        let talk = Talk::open("test", &TalkArgs::default());
        assert_eq!(talk.end(Err(Failure::new(Code::Guard, "three"))), ExitCode::from(6));
    }

    #[test]
    fn a_log_that_cannot_be_written_is_a_fault() {
        let args = TalkArgs { verbose: false, log: Some("/dev/full".into()) };
        let mut talk = Talk::open("test", &args);
        talk.say("something");
        assert_eq!(talk.end(Ok(())), ExitCode::from(4));
    }

    #[test]
    fn a_round_keeps_its_faults_and_forgets_those_before_it() {
        let mut talk = Talk::open("test", &TalkArgs::default());
        for line in ["one", "another"] {
            talk.begin_round(&TalkArgs::default());
            talk.fault(Failure::new(Code::Files, line));
            let lines: Vec<String> = talk.gathered().into_iter().map(|fault| fault.line).collect();
            assert_eq!(lines, [line]);
        }
        assert_eq!(talk.end(Ok(())), ExitCode::SUCCESS);
    }

    #[test]
    fn a_log_that_cannot_be_opened_does_not_stop_the_work() {
        let args = TalkArgs { verbose: false, log: Some("/nonexistent/log".into()) };
        assert_eq!(Talk::open("test", &args).end(Ok(())), ExitCode::from(4));
    }
}
