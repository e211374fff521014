//! The errors of a run of real programs. There is one enum for the whole library, because its callers, a demo and
//! tests, only print an error. So each message must be complete.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

/// A result of this library.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a run cannot continue.
#[derive(Debug, Error)]
pub enum Error {
    /// A system call failed.
    #[error("cannot {verb} '{object}': {err}")]
    System {
        /// The action.
        verb: &'static str,
        /// The object of the action.
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
    /// Something did not happen in time.
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
    /// A daemon ended although nothing stopped it.
    #[error("cannot go on: {name} ended ({status}); the end of '{}':\n{tail}", .log.display())]
    Ended {
        /// The daemon's name in this run.
        name: String,
        /// Its exit status.
        status: String,
        /// The path of its output.
        log: PathBuf,
        /// The last lines of its output.
        tail: String,
    },
    /// A command failed.
    #[error("cannot run '{command}': {status}: {output}")]
    Command {
        /// The command line.
        command: String,
        /// Its exit status.
        status: String,
        /// Its output, stdout and stderr.
        output: String,
    },
    /// A program's answer cannot be read.
    #[error("cannot read the answer of {from}: {reason}")]
    Answer {
        /// The program.
        from: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The request does not fit the state of the run.
    #[error("{0}")]
    Unfit(String),
}

/// Makes an error of a system error: `cannot VERB 'OBJECT': reason`.
pub fn system(verb: &'static str, object: impl ToString) -> impl FnOnce(io::Error) -> Error {
    let object = object.to_string();
    move |err| Error::System { verb, object, err }
}
