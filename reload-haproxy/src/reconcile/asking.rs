//! The questions that a decision asks the worker, and what a look at all servers has found.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use common::servers_state::Row;

use crate::decision::Ask;
use crate::haproxy::instance::Worker;
use crate::haproxy::proc::since_boot;
use crate::reconcile::Reconcile;
use crate::servers::answer::Answer;
use crate::servers::reason::Reason;
use crate::state::server_ids::ServerIds;

/// What was found when all servers were compared with the file.
#[derive(Default)]
pub(super) struct Look {
    /// When the servers were asked for, or later; since the machine's start.
    asked: Cell<Option<Duration>>,
    /// The same, once they were compared.
    pub(super) compared: Cell<Option<Duration>>,
    /// Their numbers, if they are not in the state directory.
    pub(super) ids: RefCell<Option<ServerIds>>,
    /// Whether the numbers in the state directory are wrong.
    pub(super) has_wrong_ids: Cell<bool>,
}

impl Look {
    /// Remembers that the servers are being asked for.
    pub(super) fn begin(&self) {
        self.asked.set(Some(since_boot()));
    }
}

/// Asks the worker for a pass.
pub(super) struct Asking<'a, 'r, 't> {
    pub(super) pass: &'a Reconcile<'r, 't>,
    pub(super) worker: &'a Worker,
}

impl Ask for Asking<'_, '_, '_> {
    fn servers(&self) -> Result<Answer, Reason> {
        let runtime = self.pass.runtime(self.worker)?;
        if let Some(asked) = self.pass.asked.take() {
            return Ok(asked.into());
        }
        self.pass.look.begin();
        runtime.servers().map(Answer::from)
    }

    fn keywords(&self) -> Result<String, Reason> {
        self.pass.runtime(self.worker)?.keywords()
    }

    fn compared(&self, rows: &[Row]) {
        let Reconcile { look, state, .. } = self.pass;
        look.compared.set(look.asked.get());
        if look.has_wrong_ids.get() || state.lacks_server_ids(self.worker) {
            let servers = rows.iter().map(|row| (row.key(), row.ids()));
            look.ids.replace(Some(ServerIds::of(self.worker, servers)));
        }
    }
}
