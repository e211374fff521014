//! What there is to do, from the file, the note, the worker and the servers that it has: nothing, changes of
//! servers, or a reload and why.

use crate::config::diff::{Difference, difference};
use crate::config::file::Config;
use crate::config::sections::Sections;
use crate::haproxy::instance::Worker;
use crate::haproxy::process::wall_clock;
use crate::plan::{Plan, plan};
use crate::servers::apply::{Runtime, parse};
use crate::servers::change::Changes;
use crate::servers::compare::{Known, changes};
use crate::servers::read_back::places;
use crate::state::note::{Note, State};

/// More servers in maintenance than this, and than the file has, are a burden: a reload forgets them.
const PARKED_MAX: usize = 1000;

/// What there is to do.
#[derive(Debug)]
pub(crate) enum Decision<'t> {
    /// HAProxy runs the file; how that is known.
    Nothing(String),
    /// Its servers are to be changed; what is different.
    Servers(Changes<'t>, String),
    /// It must be loaded; why.
    Reload(String),
}

/// What a decision is made on. Without `runtime` servers are not changed but by a reload, and there may be
/// something to say about why.
pub(crate) struct Facts<'f, 't> {
    pub(crate) config: &'f Config,
    pub(crate) layout: &'f Sections<'t>,
    pub(crate) worker: &'f Worker,
    pub(crate) runtime: Result<&'f Runtime<'f>, Option<&'static str>>,
    pub(crate) state: &'f State,
}

impl<'t> Facts<'_, 't> {
    /// Decides.
    pub(crate) fn decide(&self) -> Decision<'t> {
        let note = self.state.note_about(self.worker);
        match plan(self.config, self.worker, wall_clock(self.worker.birth), note.as_ref()) {
            Plan::Nothing(how) => self.compare(self.layout, note, None).unwrap_or(Decision::Nothing(how)),
            Plan::Reload(_) if note.as_ref().is_some_and(|note| note.is_begun) => {
                Decision::Reload("an earlier run did not finish its changes of servers".to_owned())
            }
            Plan::Reload(why) => match self.state.loaded(self.worker) {
                Some(text) => self.decide_since(&text, note, why),
                None => Decision::Reload(why),
            },
        }
    }

    /// Decides by the text that HAProxy was last proven to run. `why` is what is known without it.
    fn decide_since(&self, text: &str, note: Option<Note>, why: String) -> Decision<'t> {
        let before = Sections::read(text);
        match difference(&before, self.layout) {
            Some(Difference::Line(line)) => Decision::Reload(line),
            difference => {
                let why = difference.map_or(why, |difference| difference.to_string());
                self.compare(&before, note, Some(&why)).unwrap_or(Decision::Reload(why))
            }
        }
    }

    /// Compares the servers that HAProxy has with the file's. `different` says in what the file is another
    /// one than `known`; if it is not, what only a reload could change stays as it is.
    fn compare(&self, known: &Sections, note: Option<Note>, different: Option<&str>) -> Option<Decision<'t>> {
        let because = |why: String| Some(Decision::Reload(format!("{}, and {why}", different?)));
        if note.as_ref().is_some_and(|note| note.is_unlike) {
            return because(
                "HAProxy showed other servers than the file's right after it was loaded".to_owned(),
            );
        }
        if let Some(flaw) = self.config.flaw().filter(|_| different.is_some()) {
            return because(flaw.to_string());
        }
        let runtime = match self.runtime {
            Ok(runtime) => runtime,
            Err(why) => return because(why?.to_owned()),
        };
        let parked = note.map(|note| note.parked).unwrap_or_default();
        let found = runtime.servers().and_then(|answer| {
            let rows = parse(&answer)?;
            let known = Known { layout: known, rows: &rows, parked: &parked, version: runtime.version };
            let found = changes(self.layout, &known)?;
            Ok(Changes { places: places(&found.changes, &rows), ..found })
        });
        match found {
            // Nothing is lost by waiting, and a reload for it might come again and again.
            Err(why) if different.is_none() => {
                Some(Decision::Nothing(format!("worker {} took this file; but {why}", self.worker.pid)))
            }
            Err(why) => because(why),
            Ok(found) if found.changes.is_empty() => {
                different?;
                Some(Decision::Nothing(format!("worker {} runs what the file says", self.worker.pid)))
            }
            Ok(_) if parked.len() > self.servers().max(PARKED_MAX) => {
                because(format!("{} servers that have left are parked", parked.len()))
            }
            Ok(found) => {
                let why = different.map_or_else(|| format!("HAProxy differs: {found}"), str::to_owned);
                Some(Decision::Servers(found, why))
            }
        }
    }

    fn servers(&self) -> usize {
        self.layout.sections.iter().map(|section| section.servers.len()).sum()
    }
}
