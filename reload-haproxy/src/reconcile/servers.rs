//! What a pass does to change servers without a reload.

use common::failure::Failure;
use common::messages::Messages;

use crate::output::report::Report;
use crate::reconcile::{Pass, Reconcile};
use crate::reload::check;
use crate::servers::change::Changes;
use crate::servers::reason::Reason;
use crate::state::counters::{ChangeKind, Stage};
use crate::state::note::Note;

impl Reconcile<'_, '_> {
    /// Changes servers and ends the pass; returns the reason for a reload if they could not be changed.
    pub(super) fn change_servers(
        &self,
        found: &Changes,
        different: String,
        messages: &mut Messages,
    ) -> Result<Result<Pass, Reason>, Failure> {
        if let Some(why) = self.change(found, &different, messages)? {
            return Ok(Err(Reason::Differs { difference: different, why: why.into() }));
        }
        if self.config.is_outdated() {
            return Ok(Ok(Pass::Again));
        }
        self.remember_files().map(|()| Ok(Pass::Done))
    }

    /// Changes servers; returns the reason if they could not be changed.
    fn change(
        &self,
        found: &Changes,
        different: &str,
        messages: &mut Messages,
    ) -> Result<Option<Reason>, Failure> {
        let (worker, runtime) = match self.quiet_runtime() {
            Ok(found) => found,
            Err(why) => return Ok(Some(why)),
        };
        if found.is_untried {
            // If a command were rejected halfway, HAProxy could not load the file either, and would run neither file.
            let program = self.args.program(self.instance);
            check::check(self.config, self.instance, &program, self.args.timeout, messages)
                .inspect_err(|_| self.refused(Stage::Check))?;
        }
        messages.info(format!("runtime: {different}"));
        if self.state.note_about(worker).is_none() {
            // Without a note, only its servers differ from the file.
            self.note_loaded()?;
        }
        let copy = self.state.begin(self.config, worker)?;
        let note = self.renewed_note(worker);
        match runtime.apply(found, self.layout, &note.parked) {
            Err(why) => Ok(Some(why)),
            Ok(_) if self.instance.is_loading(worker) => Ok(Some(Reason::Loading)),
            Ok(applied) => {
                self.remember_changed_ids(found, &applied);
                let parked = applied.parked;
                found.lines(&parked).iter().for_each(|line| messages.info(line));
                self.state.count(|counters| counters.change(ChangeKind::Servers));
                // Noted before it is printed: a closed stdout must not cost a reload.
                let report = Report::runtime(self.config, different, Some(worker), found, &parked);
                self.state.end(copy, &Note { parked, ..note })?;
                self.report(&report).map(|()| None)
            }
        }
    }
}
