//! The server that is chosen to go.
//!
//! It is remembered, so that only a server that we drained is stopped, and never one that someone else drains. It is
//! stopped even if the run that drained it was killed.

use serde::{Deserialize, Serialize};

use crate::sizing::look::Millis;

/// A server, as `autoscale --servers` lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Server {
    pub(crate) name: String,
    pub(crate) is_draining: bool,
    pub(crate) sessions: u64,
}

/// How far its removal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Phase {
    /// The drain command has run or is about to run. HAProxy does not show it as draining yet.
    Asked,
    /// It drains, because we asked for it.
    Draining,
    /// The stop command has succeeded.
    Stopped,
}

/// The chosen server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Victim {
    pub(crate) name: String,
    /// Since when it is in this phase.
    pub(crate) since: Millis,
    /// In how many looks in a row it had no sessions.
    pub(crate) idle: u8,
    pub(crate) phase: Phase,
}

impl Victim {
    /// 1 while the engine still runs it, although it does not count; 0 after it was stopped.
    pub(crate) fn still_runs(&self) -> u32 {
        u32::from(self.phase != Phase::Stopped)
    }

    /// Whether this may be a note of this start of the machine.
    pub(crate) fn is_plausible(&self, now: Millis) -> bool {
        is_name(&self.name) && self.since <= now
    }
}

/// Whether it is a server's name that cannot be read as an option of a command.
pub(super) fn is_name(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.bytes().next().is_some_and(is_word)
        && text.bytes().all(|byte| is_word(byte) || b".:-".contains(&byte))
}
