//! One pass: decide what to do from the file and HAProxy as they are now, and do it. A run makes several
//! passes while the file keeps changing.

mod asking;
mod dry_run;
mod few_servers;
mod files;
mod load;
mod look;
mod notes;
mod servers;
mod short_way;

use std::cell::Cell;

use common::failure::Failure;
use common::messages::Messages;

use crate::args::Args;
use crate::config::file::Config;
use crate::config::sections::Layout;
use crate::decision::{Decided, Decision, with_files};
use crate::files::changes::FileChanges;
use crate::files::refusals::Refusals;
use crate::files::scan::Scan;
use crate::haproxy::instance::{Instance, Worker};
use crate::haproxy::process::Process;
use crate::output::report::{Report, print};
use crate::output::status::Status;
use crate::reload::attempt::Unproven;
use crate::servers::ahead::Asked;
use crate::servers::apply::Runtime;
use crate::servers::compare::read_rows;
use crate::servers::reason::Reason;
use crate::state::counters::Stage;
use crate::state::directory::StateDir;

use look::Look;
use short_way::ShortWay;

/// What one pass works on.
pub(crate) struct Reconcile<'r, 't> {
    args: &'r Args,
    config: &'r Config,
    layout: &'r Layout<'t>,
    instance: &'r Instance,
    state: &'r StateDir,
    worker: Option<Worker>,
    scan: Scan<'r>,
    files: FileChanges,
    /// The question for the servers, until its answer is needed.
    asked: Cell<Option<Asked>>,
    /// What is looked at in place of all servers, if a few are enough.
    short_way: Option<ShortWay>,
    /// What was found when all servers were compared.
    look: Look,
}

/// How a pass ended.
pub(crate) enum Pass {
    /// HAProxy runs the file, which was still the same on disk afterwards.
    Done,
    /// Something has changed meanwhile, or is left to do.
    Again,
}

impl<'r, 't> Reconcile<'r, 't> {
    /// A pass over `config`, which has this layout. Files in `refused` are left out as long as they do not change.
    pub(crate) fn new(
        args: &'r Args,
        config: &'r Config,
        layout: &'r Layout<'t>,
        instance: &'r Instance,
        state: &'r StateDir,
        refused: &Refusals,
    ) -> Reconcile<'r, 't> {
        let (worker, scan) = (instance.worker(), Scan::new(config, instance));
        let files = FileChanges::default();
        let (asked, short_way, look) = (Cell::default(), None, Look::default());
        let mut reconcile =
            Reconcile { args, config, layout, instance, state, worker, scan, files, asked, short_way, look };
        reconcile.short_way = reconcile.find_short_way();
        if reconcile.short_way.is_none() {
            reconcile.asked.set(reconcile.ask_ahead());
        }
        reconcile.find_file_changes(refused);
        reconcile
    }

    /// Makes HAProxy run the file. Adds files that it refuses to `refused`.
    pub(crate) fn apply(
        &self,
        is_forced: bool,
        refused: &mut Refusals,
        messages: &mut Messages,
    ) -> Result<Pass, Unproven> {
        self.explain_files(messages);
        self.list_files(messages);
        let short = if is_forced { None } else { self.take_short_way(messages)? };
        let done = match short {
            Some(done) => done,
            None => self.act(self.decide(is_forced), refused, messages)?,
        };
        let why = match done {
            Ok(pass) => return Ok(pass),
            Err(why) => why,
        };
        match self.load(&why, messages) {
            Err(unproven) if self.can_go_on(&unproven, is_forced, refused) => {
                refused.reject(unproven.failure);
                Ok(Pass::Again)
            }
            loaded => loaded,
        }
    }

    /// Does what was decided; returns the reason if that is a reload.
    fn act(
        &self,
        decided: Decided,
        refused: &mut Refusals,
        messages: &mut Messages,
    ) -> Result<Result<Pass, Reason>, Unproven> {
        Ok(match decided {
            Decision::Nothing(how) => {
                messages.verbose(self.nothing(&how, refused));
                self.note_loaded()?;
                self.remember_files()?;
                self.report(&Report::nothing(self.config, &how, self.worker.as_ref()))?;
                Ok(Pass::Done)
            }
            Decision::Files(different) => match self.change_files(&different, refused, messages)? {
                Ok(were_all) => Ok(self.end_after_files(were_all, refused, messages)?),
                Err(why) => Err(Reason::Differs { difference: different, why: why.into() }),
            },
            Decision::Servers(found, different) => self.change_servers(&found, different, messages)?,
            Decision::Reload(why) => Err(why),
        })
    }

    /// The line for the log if there is nothing to do, or nothing but files that must not be loaded.
    fn nothing(&self, how: &str, refused: &Refusals) -> String {
        let is_all = refused.are_none() && self.unreadable().is_empty();
        format!("nothing {}to do: {how}", if is_all { "" } else { "else " })
    }

    /// What runs.
    pub(crate) fn status(&self) -> Status {
        let runtime = self.worker.as_ref().and_then(|worker| self.runtime(worker).ok());
        let answer = runtime.and_then(|runtime| runtime.servers().ok()).unwrap_or_default();
        let rows = read_rows(&answer).unwrap_or_default();
        let note = self.worker.as_ref().and_then(|worker| self.state.note_about(worker)).unwrap_or_default();
        let decision = self.decide(false);
        let worker = self.worker.as_ref();
        Status::new(self.config, self.instance, worker, &rows, &note.parked, &self.files, &decision)
    }

    /// Whether HAProxy is being reloaded, so that another worker will serve.
    pub(crate) fn is_loading(&self) -> bool {
        self.worker.as_ref().is_some_and(|worker| self.instance.is_loading(worker))
    }

    /// Decides what to do.
    pub(crate) fn decide(&self, is_forced: bool) -> Decided<'t> {
        with_files(self.decide_by_text(is_forced), &self.files, self.args.method.may_change_servers())
    }

    /// Ends a pass that has changed files: the last one, if it has changed all and there is nothing else to do.
    fn end_after_files(
        &self,
        were_all: bool,
        refused: &Refusals,
        messages: &mut Messages,
    ) -> Result<Pass, Unproven> {
        match self.decide_by_text(false) {
            Decision::Nothing(how) if were_all && !self.config.is_outdated() => {
                messages.verbose(self.nothing(&how, refused));
                self.note_loaded()?;
                Ok(Pass::Done)
            }
            _ => Ok(Pass::Again),
        }
    }

    /// The worker's socket for server changes, or why they cannot be made.
    fn runtime<'a>(&'a self, worker: &'a Worker) -> Result<Runtime<'a>, Reason> {
        // The other files may set defaults.
        if self.instance.main.as_ref().is_some_and(Process::has_several_files) {
            return Err(Reason::OtherFiles);
        }
        let socket = self.instance.stats_socket.as_deref().ok_or(Reason::NoSocket)?;
        let version = worker.version.ok_or(Reason::NoVersion)?;
        Ok(Runtime { socket, worker, version, patience: self.args.timeout })
    }

    /// The worker and its socket, unless HAProxy is being reloaded.
    fn quiet_runtime(&self) -> Result<(&Worker, Runtime<'_>), Reason> {
        let worker = self.worker.as_ref().ok_or(Reason::NoWorker)?;
        let runtime = self.runtime(worker)?;
        // The new worker may load an earlier file, and start after these changes.
        if self.instance.is_loading(worker) { Err(Reason::Loading) } else { Ok((worker, runtime)) }
    }

    /// Counts a file that was not loaded.
    fn refused(&self, stage: Stage) {
        self.state.count(|counters| counters.refusal(stage));
    }

    /// With `--json`, prints what was done.
    fn report(&self, report: &Report) -> Result<(), Failure> {
        if self.args.json { print(&json(report)) } else { Ok(()) }
    }
}

/// A value as JSON, on one line.
pub(crate) fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("maps with names for keys are always JSON") + "\n"
}
