//! What a decision leads to.

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
pub(crate) struct Wish {
    pub(crate) kind: Kind,
    /// What stands in place of `{}`.
    pub(crate) value: String,
    /// What it does: `scale from 4 to 6`.
    pub(crate) deed: String,
    pub(crate) because: String,
    /// What is still so if it succeeded and changed nothing: `there are 4`.
    pub(crate) unchanged: String,
    /// Whether it gives more servers. Only that is done even if it cannot be remembered.
    pub(crate) is_more: bool,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    /// Run a command, for the so-manieth time.
    Run(Wish, u8),
    /// It is too early to do this again. If the last attempt failed, that lasts.
    Wait { deed: String, left: Millis, failure: Option<String> },
    /// There are as many servers as wanted, after an attempt.
    Settle { count: u32 },
    /// Remember how far the chosen server is.
    Note(Victim),
    /// The chosen server goes its own way from now on.
    Forget { why: String },
}
