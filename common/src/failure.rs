//! The exit codes that all programs share, and errors with an exit code.
//!
//! Serf logs only the exit code of a handler, so each cause has a code of its own.

use std::fmt::Display;

/// The exit codes of all programs; the manuals explain them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Code {
    /// An unexpected error.
    Unforeseen = 1,
    /// Wrong usage.
    Usage = 2,
    /// Bad input: an event line, a member list, a record, a template. The good part has been done.
    Input = 3,
    /// A file system error.
    Files = 4,
    /// HAProxy rejected the configuration, could not be reached, or does not provably run it.
    Haproxy = 5,
    /// A guard refused: too few nodes.
    Guard = 6,
    /// Another run held the lock for too long.
    Lock = 7,
}

impl Code {
    /// The rank of this code, the worst first: a guard that refused is less bad than a step that failed, and an error that
    /// keeps the good part from being done is worse than a bad part. scripts/reconcile has the same order.
    pub fn severity(self) -> usize {
        use Code::{Files, Guard, Haproxy, Input, Lock, Unforeseen, Usage};
        let order = [Unforeseen, Usage, Files, Haproxy, Lock, Input, Guard];
        order.iter().position(|code| *code == self).unwrap_or_default()
    }
}

/// An error with an exit code.
pub trait Fault: Display {
    /// The exit code of a program that ends with this error.
    fn code(&self) -> Code;
}

/// A fault as it is printed, with its exit code: the error of a program's `run`.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub code: Code,
    /// The line, without the program's name: `cannot VERB 'OBJECT': reason`.
    pub line: String,
    /// Lines printed after it that help to act on it: another program's output, a line of a file.
    pub more: Vec<String>,
}

impl Failure {
    /// A failure without further lines.
    pub fn new(code: Code, line: impl Display) -> Failure {
        Failure { code, line: line.to_string(), more: Vec::new() }
    }

    /// Adds lines that help to act on it.
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
