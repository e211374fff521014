//! What can go wrong: the exit codes that all four programs share, and an error on its way to its exit code.
//!
//! Serf logs nothing of a handler but the exit code, so the code says whose fault it was.

use std::fmt::Display;

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
    pub(crate) fn severity(self) -> usize {
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
