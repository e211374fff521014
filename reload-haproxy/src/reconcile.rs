//! One pass over the file and HAProxy as they are at one moment: what there is to do, and doing it. While a
//! file goes on changing, a run makes several.

use common::failure::{Code, Failure};
use common::messages::Messages;

use crate::args::{Args, MethodChoice};
use crate::config::file::Config;
use crate::config::sections::Sections;
use crate::decision::{Decision, Facts};
use crate::haproxy::instance::{Instance, Worker};
use crate::haproxy::process::Process;
use crate::output::report::{Report, print};
use crate::output::status::Status;
use crate::reload::attempt::{Reload, Taken, Unproven};
use crate::reload::check;
use crate::reload::health;
use crate::reload::method::Method;
use crate::servers::apply::{Runtime, parse};
use crate::servers::change::Changes;
use crate::state::note::{Note, Parked, State};

/// What one pass looks at.
pub(crate) struct Pass<'p, 't> {
    args: &'p Args,
    config: &'p Config,
    layout: &'p Sections<'t>,
    instance: &'p Instance,
    state: &'p State,
    worker: Option<Worker>,
}

impl<'p, 't> Pass<'p, 't> {
    /// A pass over `config`, which has this layout.
    pub(crate) fn new(
        args: &'p Args,
        config: &'p Config,
        layout: &'p Sections<'t>,
        instance: &'p Instance,
        state: &'p State,
    ) -> Pass<'p, 't> {
        Pass { args, config, layout, instance, state, worker: instance.worker() }
    }

    /// Brings HAProxy to the file. Gives whether it still was the file on disk then.
    pub(crate) fn bring(&self, is_forced: bool, messages: &mut Messages) -> Result<bool, Unproven> {
        let why = match self.decide(is_forced) {
            Decision::Nothing(how) => {
                messages.verbose(format!("nothing to do: {how}"));
                self.keep()?;
                self.report(&Report::nothing(self.config, &how, self.worker.as_ref()))?;
                return Ok(true);
            }
            Decision::Servers(found, different) => match self.change(&found, &different, messages)? {
                None => return Ok(!self.config.is_outdated()),
                Some(why) => format!("{different}, and {why}"),
            },
            Decision::Reload(why) => why,
        };
        self.load(&why, messages)
    }

    /// Says on stdout what would be done.
    pub(crate) fn rehearse(&self, decision: Decision) -> Result<(), Failure> {
        let (report, lines) = match decision {
            Decision::Nothing(how) => {
                let line = format!("nothing to do: {how}");
                (Report::nothing(self.config, &how, self.worker.as_ref()), vec![line])
            }
            Decision::Servers(found, why) => {
                let mut lines = vec![format!("runtime: {why}")];
                if self.args.messages.verbose {
                    lines.extend(found.lines(&Parked::new()));
                }
                (Report::runtime(self.config, &why, self.worker.as_ref(), &found, &Parked::new()), lines)
            }
            Decision::Reload(why) => {
                let method = self.args.method(self.instance, &why)?;
                let line = format!("reload ({method}): {why}");
                (Report::reload(self.config, &why, self.worker.as_ref(), &method.to_string()), vec![line])
            }
        };
        if self.args.json { self.report(&report.rehearsed()) } else { print(&(lines.join("\n") + "\n")) }
    }

    /// Says on stdout what runs. Fails if that is not the file.
    pub(crate) fn tell_status(&self) -> Result<(), Failure> {
        let runtime = self.worker.as_ref().and_then(|worker| self.runtime(worker).ok());
        let answer = runtime.and_then(|runtime| runtime.servers().ok()).unwrap_or_default();
        let rows = parse(&answer).unwrap_or_default();
        let note = self.worker.as_ref().and_then(|worker| self.state.note_about(worker)).unwrap_or_default();
        let decision = self.decide(false);
        let worker = self.worker.as_ref();
        let status = Status::new(self.config, self.instance, worker, &rows, &note.parked, &decision);
        print(&if self.args.json { json(&status) } else { status.to_string() })?;
        status.verdict().map_err(|different| {
            let path = self.config.path.display();
            Failure::new(Code::Haproxy, format!("cannot call '{path}' loaded: {different}"))
        })
    }

    /// Decides what there is to do.
    pub(crate) fn decide(&self, is_forced: bool) -> Decision<'t> {
        let Pass { config, layout, state, .. } = self;
        match &self.worker {
            None => Decision::Reload("no worker says what it runs".to_owned()),
            Some(_) if is_forced => Decision::Reload("--force".to_owned()),
            Some(worker) => {
                let runtime = self.runtime(worker);
                Facts { config, layout, worker, runtime: runtime.as_ref().map_err(|why| *why), state }
                    .decide()
            }
        }
    }

    /// The worker's socket for changes of servers, or why there is none; no reason if none is wanted.
    fn runtime<'a>(&'a self, worker: &'a Worker) -> Result<Runtime<'a>, Option<&'static str>> {
        if !matches!(self.args.method, MethodChoice::Auto | MethodChoice::Runtime) {
            return Err(None);
        }
        // What the others say of defaults, say, is not known.
        if self.instance.main.as_ref().is_some_and(Process::has_several_files) {
            return Err(Some("HAProxy runs other files, too"));
        }
        let socket = self.instance.stats_socket.as_deref().ok_or("the file names no stats socket")?;
        let version = worker.version.ok_or("the stats socket does not tell the version")?;
        Ok(Runtime { socket, worker, version, patience: self.args.timeout })
    }

    /// Keeps in mind that the worker runs the file.
    fn keep(&self) -> Result<(), Failure> {
        let Some(worker) = &self.worker else { return Ok(()) };
        let note = self.state.note_about(worker).unwrap_or_default();
        self.state.remember(self.config, &note.renewed(self.config, worker))
    }

    /// Changes servers; gives the reason if they could not be changed.
    fn change(
        &self,
        found: &Changes,
        different: &str,
        messages: &mut Messages,
    ) -> Result<Option<String>, Failure> {
        let Some(worker) = &self.worker else { return Ok(Some("no worker answers".to_owned())) };
        let runtime = match self.runtime(worker) {
            Ok(runtime) => runtime,
            Err(why) => return Ok(Some(why.unwrap_or("the method is another one").to_owned())),
        };
        // Its new worker may come with an earlier file, and after these changes.
        const LOADS: &str = "its master is at work on a reload";
        if self.instance.is_loading(worker) {
            return Ok(Some(LOADS.to_owned()));
        }
        if found.is_untried {
            // Refused in the middle, it could not be loaded either, and what runs would be neither file.
            let program = self.args.program(self.instance);
            check::check(self.config, self.instance, &program, self.args.timeout, messages)?;
        }
        messages.info(format!("runtime: {different}"));
        if self.state.note_about(worker).is_none() {
            // Without a note it runs the file, but for its servers.
            self.keep()?;
        }
        self.state.begin(worker)?;
        let note = self.state.note_about(worker).unwrap_or_default().renewed(self.config, worker);
        match runtime.apply(found, self.layout, &note.parked) {
            Err(why) => Ok(Some(why)),
            Ok(_) if self.instance.is_loading(worker) => Ok(Some(LOADS.to_owned())),
            Ok(parked) => {
                found.lines(&parked).iter().for_each(|line| messages.info(line));
                // First kept, then told: a reader that is gone must not cost a reload.
                let report = Report::runtime(self.config, different, Some(worker), found, &parked);
                self.state.remember(self.config, &Note { parked, ..note })?;
                self.report(&report).map(|()| None)
            }
        }
    }

    /// Loads the file. Gives whether it still was the file on disk then.
    fn load(&self, why: &str, messages: &mut Messages) -> Result<bool, Unproven> {
        let method = self.args.method(self.instance, why)?;
        messages.info(format!("reload ({}): {why}", method));
        let Taken { worker, is_proven } = self.reload(method, messages)?;
        if !is_proven || self.config.is_outdated() {
            return Ok(false);
        }
        messages.info(format!("worker {} runs '{}'", worker.pid, self.config.path.display()));
        let is_unlike = self.runtime(&worker).is_ok_and(|runtime| runtime.differs(self.layout));
        let note = Note { is_unlike, ..Note::default() }.renewed(self.config, &worker);
        self.state.remember(self.config, &note)?;
        self.report(&Report::reload(self.config, why, Some(&worker), &method.to_string()))?;
        Ok(true)
    }

    /// Checks the file and reloads.
    fn reload(&self, method: Method, messages: &mut Messages) -> Result<Taken, Unproven> {
        let (config, instance, timeout) = (self.config, self.instance, self.args.timeout);
        let program = self.args.program(instance);
        let load_time = check::check(config, instance, &program, timeout, messages)?;
        check::look_ahead(config, instance)?;
        let reload = Reload { config, instance, program: &program, load_time, timeout };
        health::kept_over(config, instance, messages, |messages| reload.run(method, messages))
    }

    /// With `--json`, says on stdout what was done.
    fn report(&self, report: &Report) -> Result<(), Failure> {
        if self.args.json { print(&json(report)) } else { Ok(()) }
    }
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("maps with names for keys are always JSON") + "\n"
}
