//! The reload itself, in the way that the running HAProxy supports, and the proof that it came true.
//!
//! "The signal was sent" proves nothing: up to 3.0 a SIGUSR2 that arrives while a reload is in progress
//! is lost. "The socket answers" proves nothing: the old process owns the path until the new one takes
//! it. So the proof is a worker that was not there before and says itself what it runs.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use common::command;
use common::failure::{Code, Failure};
use common::messages::Messages;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::config::content::revision;
use crate::config::file::Config;
use crate::haproxy::instance::{Instance, Worker};
use crate::haproxy::process::{Process, since_boot};
use crate::haproxy::socket::{self, Processes, ReloadAnswer};
use crate::reload::check::{command_like, say_words};
use crate::reload::method::Method;
use crate::reload::retry::Attempts;
use crate::reload::successor;

const POLL: Duration = Duration::from_millis(5);
/// Without any socket, a new worker must live this long to count.
const PROBATION: Duration = Duration::from_millis(500);

/// One reload of one HAProxy to one configuration.
pub(crate) struct Reload<'a> {
    pub(crate) config: &'a Config,
    pub(crate) instance: &'a Instance,
    pub(crate) program: &'a Path,
    /// How long HAProxy takes to read the file, about.
    pub(crate) load_time: Duration,
    pub(crate) timeout: Duration,
}

/// What was there before a reload.
struct Before {
    workers: HashSet<i32>,
    /// Those that do not stand still: whoever has stopped the others, it was not this reload.
    running: HashSet<i32>,
    processes: Option<Processes>,
}

/// Why HAProxy was not seen to run the file.
#[derive(Debug)]
pub(crate) struct Unproven {
    pub(crate) failure: Failure,
    /// SHA-256 of the bytes that HAProxy was told to load and did not take; `None` if it was told nothing.
    pub(crate) refused: Option<String>,
    /// Workers that are stopped for ever, and hold their master.
    stalled: Vec<i32>,
}

impl From<Failure> for Unproven {
    fn from(failure: Failure) -> Unproven {
        Unproven { failure, refused: None, stalled: Vec::new() }
    }
}

impl Unproven {
    /// Ends it with a last line. Only now, with a good file in its place perhaps, workers that are stopped for
    /// ever go on: they end, and so does their master, for a supervisor to start it anew.
    pub(crate) fn end(self, line: Option<String>) -> Failure {
        for pid in self.stalled {
            // It may have ended since.
            let _ = kill(Pid::from_raw(pid), Signal::SIGCONT);
        }
        self.failure.with_more(line)
    }
}

/// What a reload came to.
pub(crate) struct Taken {
    /// The new worker.
    pub(crate) worker: Worker,
    /// Whether it took the file; otherwise the file has changed meanwhile, and there is more to do.
    pub(crate) is_proven: bool,
}

const LOST: &str = "its new worker died, and the old ones have ended";
const UNTOLD: &str = "it tells why only in its own log (journalctl -u haproxy, or where its stderr goes)";

/// What there is to see while a reload is under way.
enum Look {
    Pending,
    Loaded(Worker),
    Failed,
}

impl Reload<'_> {
    /// Reloads, and gives the worker that came of it.
    pub(crate) fn run(&self, method: Method, messages: &mut Messages) -> Result<Taken, Unproven> {
        let deadline = Instant::now() + self.timeout;
        let mut before = self.before(deadline);
        let mut attempts = Attempts::new(method, self.load_time, Instant::now());
        let mut reason = format!("no new worker within {:?}", self.timeout);
        let mut was_told = false;
        loop {
            if attempts.is_due(Instant::now()) {
                attempts.told(Instant::now(), since_boot());
                if std::mem::replace(&mut was_told, true) {
                    messages.info(format!("{method} sent again"));
                }
                self.tell(method, &mut before, deadline, messages)?;
            }
            match self.look(&before) {
                Look::Loaded(worker) if self.took(&worker, &attempts) => {
                    return Ok(Taken { worker, is_proven: true });
                }
                Look::Loaded(worker) if self.config.is_outdated() => {
                    return Ok(Taken { worker, is_proven: false });
                }
                // Of a reload that somebody else had begun on an earlier file; it may have swallowed ours.
                Look::Loaded(worker) => {
                    before.workers.insert(worker.pid);
                    reason = format!("worker {} came with another file", worker.pid);
                    attempts.overtaken(Instant::now());
                }
                Look::Failed => return Err(self.refused(UNTOLD)),
                Look::Pending if self.is_lost(&before) => return Err(self.refused(LOST)),
                Look::Pending if Instant::now() >= deadline => return Err(self.refused(&reason)),
                Look::Pending => thread::sleep(POLL),
            }
        }
    }

    /// Whether the worker took the file: it says so, or, without a revision, nothing speaks against it.
    fn took(&self, worker: &Worker, attempts: &Attempts) -> bool {
        match (&self.config.facts.revision, &worker.description) {
            (Some(wanted), Some(description)) => revision(description).as_ref() == Some(wanted),
            _ => attempts.can_be_of_ours(worker.birth),
        }
    }

    /// What there is now. A master that is just loading another configuration is waited for.
    fn before(&self, deadline: Instant) -> Before {
        let mut processes = self.instance.processes();
        while processes.is_none() && self.instance.master_socket.is_some() && Instant::now() < deadline {
            thread::sleep(POLL);
            processes = self.instance.processes();
        }
        let workers: HashSet<i32> = self.instance.workers().into_iter().collect();
        let is_running = |pid: &i32| !self.instance.is_any_stopped(&HashSet::from([*pid]));
        Before { running: workers.iter().copied().filter(is_running).collect(), workers, processes }
    }

    fn tell(
        &self,
        method: Method,
        before: &mut Before,
        deadline: Instant,
        messages: &mut Messages,
    ) -> Result<(), Unproven> {
        match method {
            Method::Master => self.tell_master(before, deadline, messages),
            Method::Signal => self.signal(),
            Method::Classic => self.start_successor(before, deadline, messages),
        }
    }

    /// Asks the master to reload, until it listens: one that is loading refuses connections, or says so.
    fn tell_master(
        &self,
        before: &mut Before,
        deadline: Instant,
        messages: &mut Messages,
    ) -> Result<(), Unproven> {
        let Some(path) = &self.instance.master_socket else {
            return Err(cannot("find the master socket of", "haproxy", "give --master-socket"));
        };
        loop {
            if let Some(now) = self.instance.processes() {
                // Its answer may have been lost, though it took the command.
                if before.processes.as_ref().is_some_and(|before| has_failed(before, &now)) {
                    return Err(self.refused(UNTOLD));
                }
                // Who is there now came of an earlier reload, somebody else's perhaps.
                before.workers.extend(now.workers);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match socket::ask(path, "reload", left).map(|answer| socket::parse_reload(&answer)) {
                Ok(ReloadAnswer::Nothing | ReloadAnswer::Success) => return Ok(()),
                Ok(ReloadAnswer::Failure(words)) => {
                    say_words(&words.join("\n"), messages);
                    return Err(self.refused("its words are above"));
                }
                _ if self.is_lost(before) => return Err(self.refused(LOST)),
                _ if Instant::now() >= deadline => return Err(self.refused("its master does not listen")),
                Ok(ReloadAnswer::Busy) => thread::sleep(POLL),
                Err(err) if is_passing(&err) => thread::sleep(POLL),
                Err(err) => {
                    return Err(cannot("reload through", &path.display().to_string(), &err.to_string()));
                }
            }
        }
    }

    fn signal(&self) -> Result<(), Unproven> {
        let Some(main) = self.instance.main.as_ref().filter(|_| self.instance.is_master) else {
            return Err(cannot(
                "signal",
                "haproxy",
                "it has no master; start it with -W, or use --method classic",
            ));
        };
        let pid = main.pid;
        let sent = kill(Pid::from_raw(pid), Signal::SIGUSR2);
        sent.map_err(|err| cannot("signal", &format!("master {pid}"), err.desc()))
    }

    /// Starts a new process as the old one was started, which takes over its listeners if it can and
    /// tells it to finish.
    fn start_successor(
        &self,
        before: &Before,
        deadline: Instant,
        messages: &mut Messages,
    ) -> Result<(), Unproven> {
        let Some(main) = self.instance.main.as_ref().filter(|_| !self.instance.is_master) else {
            return Err(cannot(
                "start a successor of",
                "haproxy",
                "it has a master; use --method master or signal",
            ));
        };
        let predecessors = self.instance.predecessors(&before.workers);
        let own = if main.is_trusted() {
            successor::like(main)
        } else {
            successor::plain(&self.config.path, self.instance.pid_file(main))
        };
        let mut words = String::new();
        for exporter in self.exporters() {
            let mut command = command_like(Some(main), self.program);
            command.args(successor::arguments(own.clone(), &predecessors, exporter));
            let left = deadline.saturating_duration_since(Instant::now());
            let outcome = command::run(&mut command, left);
            let outcome = outcome
                .map_err(|err| cannot("run", &self.program.display().to_string(), &err.to_string()))?;
            if outcome.status.is_some_and(|status| status.success()) {
                return Ok(());
            }
            words = outcome.words;
            if !words.contains("Failed to get the sockets") {
                break;
            }
        }
        say_words(&words, messages);
        Err(self.refused("its words are above"))
    }

    /// The sockets to fetch listeners from, best first; none at last, which drops a few connections.
    fn exporters(&self) -> Vec<Option<&PathBuf>> {
        let exposing = self.config.facts.stats_sockets.iter().filter(|socket| socket.exposes_listeners);
        exposing.map(|socket| Some(&socket.path)).take(1).chain([None]).collect()
    }

    fn look(&self, before: &Before) -> Look {
        if let Some(processes) = self.instance.processes() {
            if before.processes.as_ref().is_some_and(|before| has_failed(before, &processes)) {
                return Look::Failed;
            }
            let new = processes.workers.iter().filter(|pid| !before.workers.contains(pid));
            let answering = new.filter_map(|&pid| self.instance.worker_through_master(pid)).next();
            return answering.map_or(Look::Pending, Look::Loaded);
        }
        if self.instance.master_socket.is_some() {
            return Look::Pending;
        }
        if self.instance.stats_socket.is_some() {
            let worker = self.instance.worker_by_stats_socket();
            let is_new = |worker: &Worker| !before.workers.contains(&worker.pid);
            return worker.filter(is_new).map_or(Look::Pending, Look::Loaded);
        }
        self.look_at_processes(before)
    }

    fn look_at_processes(&self, before: &Before) -> Look {
        let processes =
            if self.instance.is_master { self.instance.children() } else { self.instance.alone() };
        let settled = |process: &&Process| {
            !before.workers.contains(&process.pid) && since_boot().saturating_sub(process.birth) >= PROBATION
        };
        processes.iter().rfind(settled).map_or(Look::Pending, |process| {
            Look::Loaded(Worker { pid: process.pid, birth: process.birth, ..Worker::default() })
        })
    }

    fn refused(&self, reason: &str) -> Unproven {
        let serving = match self.instance.worker() {
            Some(worker) => format!("worker {} goes on with the configuration before it", worker.pid),
            None => "no worker answers now".to_owned(),
        };
        let path = self.config.path.display();
        let line = format!("cannot reload '{path}': HAProxy did not take it: {reason}; {serving}");
        let refused = Some(self.config.fingerprint.clone());
        Unproven { failure: Failure::new(Code::Haproxy, line), refused, stalled: self.instance.stalled() }
    }

    /// Whether nobody is left that could load the file or go on without it.
    fn is_lost(&self, before: &Before) -> bool {
        let instance = self.instance;
        instance.has_ended() || instance.is_any_stopped(&before.running) && !instance.stalled().is_empty()
    }
}

/// Whether a reload failed between the two. Up to 2.4 it shows as a master without workers but old ones.
fn has_failed(before: &Processes, now: &Processes) -> bool {
    match (before.failed, now.failed) {
        (before, Some(now)) => now > before.unwrap_or(0),
        (_, None) => !before.workers.is_empty() && now.workers.is_empty() && !now.old_workers.is_empty(),
    }
}

fn cannot(verb: &str, object: &str, reason: &str) -> Unproven {
    Failure::new(Code::Haproxy, format!("cannot {verb} '{object}': {reason}")).into()
}

/// Whether a master that is just loading a configuration would cause this.
fn is_passing(err: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionRefused, ConnectionReset, NotFound};
    matches!(err.kind(), BrokenPipe | ConnectionRefused | ConnectionReset | NotFound)
}
