//! What a pass does to load the file by a reload: it checks the file, reloads, and notes what the new worker runs.

use common::messages::Messages;

use crate::output::report::Report;
use crate::reconcile::{Pass, Reconcile};
use crate::reload::attempt::{Reload, Unproven};
use crate::reload::check;
use crate::reload::counters;
use crate::reload::health;
use crate::reload::method::Method;
use crate::reload::preflight::preflight;
use crate::reload::proof::Taken;
use crate::servers::reason::Reason;
use crate::state::counters::Stage;
use crate::state::note::Note;

impl Reconcile<'_, '_> {
    /// Loads the file.
    pub(super) fn load(&self, reason: &Reason, messages: &mut Messages) -> Result<Pass, Unproven> {
        let why = &reason.to_string();
        let method = self.args.method(self.instance, why).map_err(Unproven::untried)?;
        messages.info(format!("reload ({}): {why}", method));
        let Taken { worker, is_proven } = self.reload(method, messages)?;
        self.state.count(|counters| counters.reload(reason.class().name()));
        let files = self.scan.find(Some(&self.files.found));
        if !is_proven || self.config.is_outdated() || !files.holds_the_same(&self.files.found) {
            return Ok(Pass::Again);
        }
        messages.info(format!("worker {} runs '{}'", worker.pid, self.config.path.display()));
        let is_unlike = self.args.method.may_change_servers()
            && self.runtime(&worker).is_ok_and(|runtime| runtime.differs(self.layout.sections()));
        let note = Note { is_unlike, ..Note::default() }.renewed(self.config, &worker);
        self.state.remember(self.config, &note)?;
        if !files.items.is_empty() {
            self.state.remember_files(files, &worker)?;
        }
        self.report(&Report::reload(self.config, why, Some(&worker), &method.to_string()))?;
        Ok(Pass::Done)
    }

    /// Checks the file and reloads.
    fn reload(&self, method: Method, messages: &mut Messages) -> Result<Taken, Unproven> {
        let (config, instance, timeout) = (self.config, self.instance, self.args.timeout);
        let program = self.args.program(instance);
        let load_time = check::check(config, instance, &program, timeout, messages)
            .inspect_err(|_| self.refused(Stage::Check))
            .map_err(Unproven::untried)?;
        preflight(config, instance)
            .inspect_err(|_| self.refused(Stage::Preflight))
            .map_err(Unproven::untried)?;
        let reload = Reload { config, instance, program: &program, load_time, timeout };
        // The counters last: what is counted after they were read is lost.
        health::kept_over(config, instance, messages, |messages| {
            counters::kept_over(config, instance, messages, |messages| reload.run(method, messages))
        })
        .inspect_err(|unproven| unproven.refused.iter().for_each(|_| self.refused(Stage::Reload)))
    }
}
