//! What can go wrong while real programs are run. One enum for the whole library: its callers are a demo and
//! tests, which do nothing with an error but show it, so it has to say enough to be understood alone.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

/// A result of this library.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a run cannot go on.
#[derive(Debug, Error)]
pub enum Error {
    /// The system said no.
    #[error("cannot {verb} '{object}': {err}")]
    System {
        /// The deed.
        verb: &'static str,
        /// What it was done to.
        object: String,
        /// The system's reason.
        err: io::Error,
    },
    /// A program is not installed, or not built.
    #[error("cannot find '{program}': {hint}")]
    Missing {
        /// The program's name.
        program: String,
        /// What to do about it.
        hint: String,
    },
    /// Something did not come true in time.
    #[error("gave up after {:.1} s waiting for {what}", .within.as_secs_f64())]
    Late {
        /// What was waited for.
        what: String,
        /// For how long.
        within: Duration,
    },
    /// The run was asked to end while it waited.
    #[error("interrupted")]
    Interrupted,
    /// A daemon ended by itself.
    #[error("cannot go on: {name} ended ({status}); the end of '{}':\n{tail}", .log.display())]
    Ended {
        /// The daemon's name in this run.
        name: String,
        /// Its exit status.
        status: String,
        /// Where its output is.
        log: PathBuf,
        /// The last lines of that.
        tail: String,
    },
    /// A command failed.
    #[error("cannot run '{command}': {status}: {output}")]
    Command {
        /// The command line.
        command: String,
        /// Its exit status.
        status: String,
        /// What it said, stdout and stderr.
        output: String,
    },
    /// A program answered something that cannot be read.
    #[error("cannot read the answer of {from}: {reason}")]
    Answer {
        /// Who answered.
        from: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The run has no such thing, or has it already.
    #[error("{0}")]
    Unfit(String),
}

/// Puts words to a system error: `cannot VERB 'OBJECT': reason`.
pub fn system(verb: &'static str, object: impl ToString) -> impl FnOnce(io::Error) -> Error {
    let object = object.to_string();
    move |err| Error::System { verb, object, err }
}
