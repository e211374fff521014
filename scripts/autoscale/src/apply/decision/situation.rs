//! The input of a decision: the numbers, the servers, and what was remembered.

use super::attempts::Attempts;
use super::victim::{Server, Victim};
use crate::sizing::look::Millis;

/// All that a decision depends on.
#[derive(Clone, Debug)]
pub(crate) struct Situation<'a> {
    pub(crate) wanted: u32,
    pub(crate) count: u32,
    /// Why that number is wanted.
    pub(crate) reason: &'a str,
    /// Whether the numbers can be trusted. Otherwise servers may only be added.
    pub(crate) is_sure: bool,
    /// How one chosen server is stopped; `None` if the engine chooses.
    pub(crate) choice: Option<Choice>,
    /// The servers, fewest sessions first; `None` if they are not needed or not known.
    pub(crate) servers: Option<&'a [Server]>,
    pub(crate) attempts: &'a Attempts,
    pub(crate) victim: Option<&'a Victim>,
    pub(crate) now: Millis,
}

/// How one chosen server is stopped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Choice {
    /// Whether a command drains it first.
    pub(crate) drains: bool,
    /// How long it may drain.
    pub(crate) limit: Millis,
}
