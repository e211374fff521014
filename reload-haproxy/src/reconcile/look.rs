//! What a look at all servers has found, for the state directory.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use crate::haproxy::proc::since_boot;
use crate::state::server_ids::ServerIds;

/// What was found when all servers were compared with the file.
#[derive(Default)]
pub(super) struct Look {
    /// When the servers were asked for, or later; since the machine's start.
    asked: Cell<Option<Duration>>,
    compared: Cell<Option<Duration>>,
    /// Their numbers, if they are not in the state directory.
    pub(super) ids: RefCell<Option<ServerIds>>,
    /// Whether the numbers in the state directory are wrong.
    pub(super) has_wrong_ids: Cell<bool>,
}

impl Look {
    /// The servers are being asked for.
    pub(super) fn begin(&self) {
        self.asked.set(Some(since_boot()));
    }

    /// They were compared.
    pub(super) fn end(&self) {
        self.compared.set(self.asked.get());
    }

    /// When they were asked for, if they were compared then; since the machine's start.
    pub(super) fn moment(&self) -> Option<Duration> {
        self.compared.get()
    }
}
