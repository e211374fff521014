//! What a pass leaves in the state directory about the worker's servers.

use common::failure::Failure;

use crate::haproxy::instance::Worker;
use crate::reconcile::Reconcile;
use crate::servers::apply::Applied;
use crate::servers::change::{Action, Changes};
use crate::state::note::Note;
use crate::state::server_ids;

impl Reconcile<'_, '_> {
    /// The note about this worker, after it was proven to run the file.
    pub(super) fn renewed_note(&self, worker: &Worker) -> Note {
        let note = self.state.note_about(worker).unwrap_or_default();
        note.renewed(self.config, worker).compared_at(self.look.moment())
    }

    /// Notes that the worker runs the file.
    pub(super) fn note_loaded(&self) -> Result<(), Failure> {
        let Some(worker) = &self.worker else { return Ok(()) };
        self.remember_ids();
        self.state.remember(self.config, &self.renewed_note(worker))
    }

    /// Remembers the numbers of the servers that were found.
    fn remember_ids(&self) {
        if let Some(ids) = self.look.ids.take() {
            self.state.ids.write(&ids);
        }
    }

    /// Remembers the numbers of the servers that were found, and of those that were changed since.
    pub(super) fn remember_changed_ids(&self, found: &Changes, applied: &Applied) {
        self.remember_ids();
        let mut lines = String::new();
        for (change, [backend, server]) in found.changes.iter().zip(&found.stat_ids) {
            let key = change.key();
            let is_gone =
                matches!(change.action, Action::Remove { .. }) && !applied.parked.contains_key(&key);
            if is_gone || !matches!(change.action, Action::Remove { .. } | Action::Tune { .. }) {
                lines += &server_ids::line(&key, backend, server, !is_gone);
            }
        }
        self.state.ids.change(applied.has_ids.then_some(&lines));
    }
}
