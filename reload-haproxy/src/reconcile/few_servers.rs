//! Takes the short way, if there is one.

use common::failure::Failure;
use common::messages::Messages;

use crate::config::sections::Sections;
use crate::decision::{Ask, Decision, DecisionInput, with_files};
use crate::haproxy::proc::wall_clock;
use crate::reconcile::short_way::ShortWay;
use crate::reconcile::{Pass, Reconcile};
use crate::servers::answer::Answer;
use crate::servers::apply::Runtime;
use crate::servers::reason::Reason;

impl Reconcile<'_, '_> {
    /// The servers that are enough to look at; `None` if that is all of them.
    pub(super) fn find_short_way(&self) -> Option<ShortWay> {
        let args = self.args;
        if args.force || args.only_look() || !args.method.may_change_servers() {
            return None;
        }
        let worker = self.worker.as_ref()?;
        self.runtime(worker).ok()?;
        ShortWay::find(self.state, worker, self.config)
    }

    /// Changes a few servers, if that is all there is to do. Returns `None` if all servers must be looked at, and otherwise
    /// what `act` does.
    pub(super) fn take_short_way(
        &self,
        messages: &mut Messages,
    ) -> Result<Option<Result<Pass, Reason>>, Failure> {
        let (Some(ShortWay { excerpt, note, few }), Some(worker)) = (&self.short_way, &self.worker) else {
            return Ok(None);
        };
        let Ok(runtime) = self.runtime(worker) else { return Ok(None) };
        let Some(rows) = runtime.few(few) else {
            self.look.has_wrong_ids.set(true);
            return Ok(None);
        };
        let (config, layout, born) = (self.config, Sections::read(&excerpt.new), wall_clock(worker.birth));
        let input = DecisionInput { config, layout: &layout, worker, born, note: Some(note), few: Some(few) };
        let ask = AskingFew { runtime: &runtime, rows };
        let decided = input.decide(|| Some(excerpt.old.clone()), Some(&ask));
        let Decision::Servers(found, different) = with_files(decided, &self.files, true) else {
            return Ok(None);
        };
        messages.verbose(format!(
            "compared {} of HAProxy's servers: the others were compared a short time ago",
            few.count()
        ));
        self.change_servers(&found, different, messages).map(Some)
    }
}

/// Answers for the servers that were looked at.
struct AskingFew<'a> {
    runtime: &'a Runtime<'a>,
    rows: String,
}

impl Ask for AskingFew<'_> {
    fn servers(&self) -> Result<Answer, Reason> {
        Ok(self.rows.clone().into())
    }

    fn keywords(&self) -> Result<String, Reason> {
        self.runtime.keywords()
    }
}
