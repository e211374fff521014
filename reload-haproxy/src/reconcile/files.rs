//! What a pass does about the files that the configuration names.

use std::time::SystemTime;

use common::failure::Failure;
use common::messages::Messages;

use crate::decision::Decision;
use crate::files::applied::Applied;
use crate::files::apply::apply;
use crate::files::certificates::Names;
use crate::files::change::{Bad, Change};
use crate::files::paths::write_paths;
use crate::files::refusals::Refusals;
use crate::files::taken::take;
use crate::output::report::Report;
use crate::reconcile::Reconcile;
use crate::reload::attempt::Unproven;
use crate::servers::apply::Runtime;
use crate::servers::reason::Reason;
use crate::state::counters::{ChangeKind, Stage};
use crate::state::loaded_files::LoadedFiles;

impl Reconcile<'_, '_> {
    /// Finds the changes of files, without those in `refused`.
    pub(super) fn find_file_changes(&mut self, refused: &Refusals) {
        let named = &self.config.facts.files;
        let Some(worker) = self.worker.as_ref().filter(|_| !named.files.is_empty()) else { return };
        let mut files = self.scan.changes(worker, self.state.loaded_files(worker).as_ref());
        let runtime = self.runtime(worker).ok().filter(|_| self.args.method.may_change_servers());
        if let Some(runtime) = runtime {
            files.add_changes_by_hand(named, &runtime, SystemTime::now());
        }
        files.remove_refused(refused);
        self.files = files;
    }

    /// Lists the files, if that is asked for.
    pub(super) fn list_files(&self, messages: &mut Messages) {
        let Some(file) = &self.args.list_files else { return };
        if let Err(err) =
            write_paths(file, &self.config.facts.files, &self.scan.find(Some(&self.files.found)))
        {
            messages.warn(format!("cannot write '{}': {err}", file.display()));
        }
    }

    /// Whether the other changes of this run can be made although the reload that a file needs cannot.
    pub(super) fn can_go_on(&self, unproven: &Unproven, is_forced: bool, refused: &Refusals) -> bool {
        let needs_none = || !matches!(self.decide_by_text(is_forced), Decision::Reload(_));
        unproven.is_untried && !refused.have_rejected() && needs_none()
    }

    /// Files that cannot be read any more.
    pub(crate) fn unreadable(&self) -> &[Bad] {
        &self.files.bad
    }

    /// Logs which changes of files are not noticed or not made, and why.
    pub(super) fn explain_files(&self, messages: &mut Messages) {
        for (line, name) in &self.config.facts.files.unresolved {
            messages.verbose(format!(
                "line {line} names '{name}', which contains a variable: its changes are not noticed"
            ));
        }
        for (name, line) in &self.files.left_alone {
            messages.verbose(format!(
                "{name}, which line {line} names, has changed, but the configuration changes it at run time, so only a reload loads it"
            ));
        }
    }

    /// Changes files. Returns whether all were changed, or the reason if they could not be changed. HAProxy may refuse
    /// some.
    pub(super) fn change_files(
        &self,
        different: &str,
        refused: &mut Refusals,
        messages: &mut Messages,
    ) -> Result<Result<bool, Reason>, Failure> {
        let (worker, runtime) = match self.quiet_runtime() {
            Ok(found) => found,
            Err(why) => return Ok(Err(why)),
        };
        if let Err(why) = runtime.check_worker() {
            return Ok(Err(why));
        }
        messages.info(format!("runtime: {different}"));
        let names = Names::new(&runtime, self.state, &self.files, &self.config.facts.files);
        let (done, failed) = self.apply_changes(&runtime, &names, refused, messages);
        let failed = failed.or_else(|| runtime.check_worker().err());
        if failed.is_some() || self.instance.is_loading(worker) {
            return Ok(Err(failed.unwrap_or(Reason::Loading)));
        }
        let mut loaded = self.files.loaded();
        self.take_over(&done, &mut loaded, messages);
        self.state.remember_files(loaded, worker)?;
        names.remember()?;
        self.report(&Report::files(self.config, different, Some(worker), &done))?;
        Ok(Ok(done.len() == self.files.changes.len()))
    }

    /// Makes all changes. Returns those that HAProxy has taken, and why a reload is needed for the others, if it is.
    fn apply_changes(
        &self,
        runtime: &Runtime,
        names: &Names,
        refused: &mut Refusals,
        messages: &mut Messages,
    ) -> (Vec<Change>, Option<Reason>) {
        let mut done = Vec::new();
        for change in &self.files.changes {
            match apply(runtime, change, names, SystemTime::now()) {
                Ok(Some(Applied::Done)) => done.push(change.clone()),
                Ok(Some(Applied::Refused(why))) => self.refuse(change, why, refused),
                // The next pass plans it again.
                Ok(None) => {}
                // The file has not changed, and only a reload could undo what was done by hand.
                Err(why) if matches!(change, Change::Restore(_)) => {
                    messages.verbose(format!("{change}, but {why}"));
                    refused.skip(change);
                }
                // This is the file that is bad, or another one: both are loaded once that is mended.
                Err(_) if refused.have_rejected() => refused.skip(change),
                Err(why) => return (done, Some(why)),
            }
        }
        (done, None)
    }

    /// Counts and remembers a change that HAProxy refused.
    fn refuse(&self, change: &Change, why: String, refused: &mut Refusals) {
        self.refused(Stage::File);
        refused.add(change, why);
    }

    /// Counts and logs what was done, and adds it to what the worker has loaded.
    fn take_over(&self, done: &[Change], loaded: &mut LoadedFiles, messages: &mut Messages) {
        for change in done {
            take(loaded, change, &self.files.found);
            messages.info(change.done());
            if let Some(kind) = ChangeKind::of_file(change.kind()) {
                self.state.count(|counters| counters.change(kind));
            }
        }
    }

    /// Remembers the files that the worker has loaded, if that is not in the state directory yet.
    pub(super) fn remember_files(&self) -> Result<(), Failure> {
        match &self.worker {
            Some(worker) if self.files.is_unsaved => self.state.remember_files(self.files.loaded(), worker),
            _ => Ok(()),
        }
    }
}
