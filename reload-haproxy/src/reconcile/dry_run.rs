//! What a pass would do, for `--dry-run`.

use common::failure::Failure;

use crate::decision::{Decided, Decision, with_files};
use crate::files::change::Change;
use crate::files::refusals::Refusals;
use crate::output::report::{Report, print};
use crate::reconcile::Reconcile;
use crate::state::note::Parked;

impl Reconcile<'_, '_> {
    /// Prints what would be done.
    pub(crate) fn dry_run(&self, decision: Decided) -> Result<(), Failure> {
        let (report, lines) = match decision {
            Decision::Nothing(how) => {
                let line = self.nothing(&how, &Refusals::default());
                (Report::nothing(self.config, &how, self.worker.as_ref()), vec![line])
            }
            Decision::Servers(found, why) => {
                let mut lines = vec![format!("runtime: {why}")];
                if self.args.messages.verbose {
                    lines.extend(found.lines(&Parked::new()));
                }
                (Report::runtime(self.config, &why, self.worker.as_ref(), &found, &Parked::new()), lines)
            }
            Decision::Files(why) => {
                let mut lines = vec![format!("runtime: {why}")];
                if self.args.messages.verbose {
                    lines.extend(self.files.changes.iter().map(Change::to_string));
                }
                (Report::files(self.config, &why, self.worker.as_ref(), &self.files.changes), lines)
            }
            Decision::Reload(why) => {
                let why = why.to_string();
                let method = match self.args.method(self.instance, &why) {
                    Ok(method) => method,
                    Err(failure) => return self.dry_run_without_reload(failure),
                };
                let line = format!("reload ({method}): {why}");
                (Report::reload(self.config, &why, self.worker.as_ref(), &method.to_string()), vec![line])
            }
        };
        if self.args.json {
            self.report(&report.into_dry_run())?;
        } else {
            print(&(lines.join("\n") + "\n"))?;
        }
        Refusals::default().failure(self.unreadable()).map_or(Ok(()), Err)
    }

    /// Prints what would be done although HAProxy must or can not be reloaded; `failure` says why not.
    fn dry_run_without_reload(&self, failure: Failure) -> Result<(), Failure> {
        let mut files = self.files.clone();
        files.reloads.clear();
        match with_files(self.decide_by_text(self.args.force), &files, true) {
            Decision::Nothing(_) | Decision::Reload(_) => Err(failure),
            rest => self.dry_run(rest).and(Err(failure)),
        }
    }
}
