//! What a decision leads to: commands to run, and things to remember.

use super::victim::Victim;
use crate::sizing::look::Millis;

/// The commands that change something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Scale,
    Drain,
    Stop,
}

/// A command that should run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) kind: Kind,
    /// What replaces `{}`: the number, or the server's name.
    pub(crate) value: String,
    /// What it does: `scale from 4 to 6`.
    pub(crate) goal: String,
    pub(crate) because: String,
    /// What is still true if the command succeeded but changed nothing: `there are 4`.
    pub(crate) unchanged: String,
    /// Whether it adds servers. Only such a command runs even if the attempt cannot be noted.
    pub(crate) is_more: bool,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Run a command. The number counts the attempts, from 1.
    Run(Order, u8),
    /// It is too early to try this again. `failure` is the error of the last attempt, if it failed.
    Wait { goal: String, left: Millis, failure: Option<String> },
    /// There are as many servers as wanted, after an attempt.
    Settle { count: u32 },
    /// Remember how far the chosen server is.
    Note(Victim),
    /// The chosen server is no longer to be drained or stopped.
    Forget { why: String },
}
