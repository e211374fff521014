//! The decision: nothing, server changes, or a reload and why.
//!
//! It is pure: it opens nothing, and is handed the file, the note, the worker, and HAProxy's answers, each of which
//! is fetched only if the decision depends on it.

mod up_to_date;

use std::time::SystemTime;

use common::servers_state::Row;

use crate::config::diff::{Difference, difference};
use crate::config::file::Config;
use crate::config::sections::Sections;
use crate::files::changes::FileChanges;
use crate::haproxy::instance::Worker;
use crate::servers::answer::Answer;
use crate::servers::change::{Change, Changes};
use crate::servers::compare::{Known, changes};
use crate::servers::few::Few;
use crate::servers::read_back::stat_ids;
use crate::servers::reason::Reason;
use crate::servers::scope::Scope;
use crate::state::note::{Note, Parked};
use up_to_date::up_to_date;

/// A reload clears the parked servers if there are more than this, and more than the file has.
const PARKED_MAX: usize = 1000;

/// What to do, with the server changes as `S` and the reason for a reload as `R`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision<S, R> {
    /// HAProxy runs the file; how that is known.
    Nothing(String),
    /// Change these servers; what differs.
    Servers(S, String),
    /// Change files that the configuration names, before anything else; what differs.
    Files(String),
    /// Load the file; why.
    Reload(R),
}

/// The decision as it is made here.
pub(crate) type Decided<'t> = Decision<Changes<'t>, Reason>;

/// Asks the worker, if the decision depends on it.
pub(crate) trait Ask {
    /// Its answer to `show servers state`, or why servers cannot be changed.
    fn servers(&self) -> Result<Answer, Reason>;

    /// Its answer to `add server help`.
    fn keywords(&self) -> Result<String, Reason>;

    /// Takes note of the servers after they were compared with the file.
    fn compared(&self, _rows: &[Row]) {}
}

/// What the decision is made from.
pub(crate) struct DecisionInput<'i, 't> {
    pub(crate) config: &'i Config,
    pub(crate) layout: &'i Sections<'t>,
    pub(crate) worker: &'i Worker,
    /// The worker's start, on the clock of files.
    pub(crate) born: SystemTime,
    /// The note, if it is about this worker.
    pub(crate) note: Option<&'i Note>,
    /// The servers to compare, if not all.
    pub(crate) few: Option<&'i Few>,
}

impl<'t> DecisionInput<'_, 't> {
    /// Decides. `loaded` returns the text that the worker was last proven to run. `ask` is `None` if servers must not be
    /// changed.
    pub(crate) fn decide(
        &self,
        loaded: impl FnOnce() -> Option<String>,
        ask: Option<&dyn Ask>,
    ) -> Decided<'t> {
        match up_to_date(self.config, self.worker, self.born, self.note) {
            Ok(how) => self.compare(self.layout, None, ask).unwrap_or(Decision::Nothing(how)),
            Err(_) if self.note.is_some_and(|note| note.is_begun) => Decision::Reload(Reason::Unfinished),
            Err(why) => match loaded() {
                Some(text) => self.decide_since(&text, why, ask),
                None => Decision::Reload(why),
            },
        }
    }

    /// Decides from `text`, which HAProxy was last proven to run. `why` is the reason without it.
    fn decide_since(&self, text: &str, why: Reason, ask: Option<&dyn Ask>) -> Decided<'t> {
        let before = Sections::read(text);
        let why = match difference(&before, self.layout) {
            Some(Difference::Line(line)) => return Decision::Reload(Reason::Line(line)),
            Some(servers) => Reason::Line(servers.to_string()),
            None => why,
        };
        self.compare(&before, Some(&why), ask).unwrap_or(Decision::Reload(why))
    }

    /// Compares HAProxy's servers with the file's. `different` is how the file differs from `known`. If it does
    /// not, what only a reload could change stays as it is.
    fn compare(
        &self,
        known: &Sections,
        different: Option<&Reason>,
        ask: Option<&dyn Ask>,
    ) -> Option<Decided<'t>> {
        let because = |why: Reason| {
            Some(Decision::Reload(Reason::Differs { difference: different?.to_string(), why: why.into() }))
        };
        if self.note.is_some_and(|note| note.is_unlike) {
            return because(Reason::Unlike);
        }
        if let Some(flaw) = self.config.flaw().filter(|_| different.is_some()) {
            return because(flaw.into());
        }
        match self.find(known, ask?) {
            // These last, and the worker runs the file.
            Err(Reason::OtherFiles | Reason::NoSocket | Reason::NoVersion) if different.is_none() => None,
            // Waiting loses nothing, and a reload for this might be repeated again and again.
            Err(why) if different.is_none() => {
                Some(Decision::Nothing(format!("worker {} loaded this file, but {why}", self.worker.pid)))
            }
            Err(why) => because(why),
            Ok(found) if found.changes.is_empty() => {
                different?;
                Some(Decision::Nothing(format!("the servers of worker {} match the file", self.worker.pid)))
            }
            Ok(_) if self.parked() > self.servers().max(PARKED_MAX) => because(Reason::Parked(self.parked())),
            Ok(found) => {
                let why = different.map_or_else(|| format!("HAProxy differs: {found}"), Reason::to_string);
                Some(Decision::Servers(found, why))
            }
        }
    }

    /// Finds the server changes, or why only a reload can make them.
    fn find(&self, known: &Sections, ask: &dyn Ask) -> Result<Changes<'t>, Reason> {
        let answer = ask.servers()?;
        let rows = answer.rows()?;
        let version = self.worker.version.ok_or(Reason::NoVersion)?;
        let none = Parked::new();
        let parked = self.note.map_or(&none, |note| &note.parked);
        let scope = self.few.map_or(&Scope::All, Few::scope);
        let found = changes(self.layout, &Known { layout: known, rows: &rows, parked, version, scope })?;
        // Options that another server has were accepted before.
        if found.is_untried {
            found.check_keywords(&ask.keywords()?)?;
        }
        ask.compared(&rows);
        let predict = |changes: &[Change]| match self.few {
            Some(few) => few.stat_ids(changes),
            None => stat_ids(changes, &rows),
        };
        Ok(Changes { stat_ids: predict(&found.changes), ..found })
    }

    fn parked(&self) -> usize {
        self.note.map_or(0, |note| note.parked.len())
    }

    fn servers(&self) -> usize {
        self.layout.sections.iter().map(|section| section.servers.len()).sum()
    }
}

/// The decision if the files that the configuration names count, too. `may_change`: whether they may be changed without
/// a reload.
pub(crate) fn with_files<'t>(decided: Decided<'t>, files: &FileChanges, may_change: bool) -> Decided<'t> {
    if matches!(decided, Decision::Reload(_)) {
        return decided;
    }
    match (files.reloads.first(), files.summary()) {
        (Some(why), _) => Decision::Reload(why.clone()),
        (None, Some(what)) if may_change => Decision::Files(what),
        (None, Some(what)) => Decision::Reload(Reason::FilesChanged(what)),
        (None, None) => decided,
    }
}

#[cfg(test)]
mod tests;
