//! The decision by the configuration alone, and the questions that it asks the worker.

use common::servers_state::Row;

use crate::decision::{Ask, Decided, Decision, DecisionInput};
use crate::haproxy::instance::Worker;
use crate::haproxy::proc::wall_clock;
use crate::reconcile::Reconcile;
use crate::servers::ahead::Asked;
use crate::servers::answer::Answer;
use crate::servers::reason::Reason;
use crate::state::server_ids::ServerIds;

/// Asks the worker for a pass.
pub(super) struct Asking<'a, 'r, 't> {
    pub(super) pass: &'a Reconcile<'r, 't>,
    pub(super) worker: &'a Worker,
}

impl<'t> Reconcile<'_, 't> {
    /// Decides by the configuration alone.
    pub(super) fn decide_by_text(&self, is_forced: bool) -> Decided<'t> {
        let Reconcile { config, layout, state, .. } = self;
        let worker = match &self.worker {
            None => return Decision::Reload(Reason::NoWorker),
            Some(_) if is_forced => return Decision::Reload(Reason::Forced),
            Some(worker) => worker,
        };
        let note = state.note_about(worker);
        let born = wall_clock(worker.birth);
        let (layout, ask) = (layout.sections(), Asking { pass: self, worker });
        let ask = self.args.method.may_change_servers().then_some(&ask as &dyn Ask);
        DecisionInput { config, layout, worker, born, note: note.as_ref(), few: None }
            .decide(|| state.loaded(worker), ask)
    }

    /// Asks for the servers, if the decision will depend on them.
    pub(super) fn ask_ahead(&self) -> Option<Asked> {
        let may_change = self.args.method.may_change_servers() && !self.args.force;
        let runtime = self.runtime(self.worker.as_ref().filter(|_| may_change)?).ok()?;
        self.look.begin();
        runtime.ask_ahead()
    }
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
        look.end();
        if look.has_wrong_ids.get() || state.ids.lacks(self.worker) {
            let servers = rows.iter().map(|row| (row.key(), row.ids()));
            look.ids.replace(Some(ServerIds::of(self.worker, servers)));
        }
    }
}
