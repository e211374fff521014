//! The running HAProxy, found out and not configured: its processes, its sockets, its worker.
//!
//! The stats socket that the configuration names is asked first: who answers there is the one. Then the
//! pid file, then all HAProxy processes that were started on this file. A master is known by its
//! children, its socket by its command line.

use std::cell::RefCell;
use std::collections::HashSet;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::failure::{Code, Failure};
use common::haproxy_socket as socket;
use common::regular_file;

use crate::config::file::Config;
use crate::haproxy::answers::{self, Info, Processes};
use crate::haproxy::locate::{Hints, PID_FILE_MAX, locate, master_socket, tops};
use crate::haproxy::proc::since_boot;
use crate::haproxy::process::Process;
use crate::haproxy::version::Version;

/// The running HAProxy.
#[derive(Clone, Debug)]
pub(crate) struct Instance {
    /// The master, or the one process of a HAProxy without; `None` if only sockets reach it from here.
    pub(crate) main: Option<Process>,
    /// Whether `main` is a master.
    pub(crate) is_master: bool,
    /// The master's socket.
    pub(crate) master_socket: Option<PathBuf>,
    /// A stats socket that answers, or the first one that should.
    pub(crate) stats_socket: Option<PathBuf>,
    /// The worker that answered when the instance was found, for the first call of `worker`.
    answered: RefCell<Option<Worker>>,
    /// The configuration file.
    config: PathBuf,
    hints: Hints,
}

/// The worker that serves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Worker {
    pub(crate) pid: i32,
    /// When it began, since the machine did; good to a second.
    pub(crate) birth: Duration,
    /// The `description` that it runs with, if it was asked.
    pub(crate) description: Option<String>,
    /// Its version, if it was asked.
    pub(crate) version: Option<Version>,
}

impl Instance {
    /// Finds the HAProxy that runs `config`. Fails if there is none, or more than one.
    pub(crate) fn find(config: &Config, hints: &Hints) -> Result<Instance, Failure> {
        Instance::seek(config, hints)?.ok_or_else(|| none_running(&config.path))
    }

    /// The same; `None` if no HAProxy runs the file.
    pub(crate) fn seek(config: &Config, hints: &Hints) -> Result<Option<Instance>, Failure> {
        let sockets = match &hints.stats_socket {
            Some(path) => vec![path.clone()],
            None => config.facts.stats_sockets.iter().map(|socket| socket.path.clone()).collect(),
        };
        let answer = sockets.iter().find_map(|path| Some((path.clone(), info(path, hints.patience)?)));
        let answering = answer.as_ref().and_then(|(_, info)| Process::find(info.pid, &hints.name));
        let answered = answer.as_ref().map(|(_, info)| Worker::of(info, answering.as_ref()));
        let (main, is_master) = locate(config, hints, answering)?;
        let master_socket = hints.master_socket.clone().or_else(|| main.as_ref().and_then(master_socket));
        let has_answered = answered.is_some();
        let stats_socket = answer.map(|(path, _)| path).or_else(|| sockets.into_iter().next());
        let (config, hints) = (config.path.clone(), hints.clone());
        let answered = RefCell::new(answered);
        let instance = Instance { main, is_master, master_socket, stats_socket, answered, config, hints };
        let is_reached = has_answered || instance.main.is_some() || instance.processes().is_some();
        Ok(is_reached.then_some(instance))
    }

    /// The worker that serves, if it is known.
    pub(crate) fn worker(&self) -> Option<Worker> {
        let answered = self.answered.take();
        answered
            .or_else(|| self.worker_by_stats_socket())
            .or_else(|| self.worker_by_master_socket())
            .or_else(|| self.worker_by_process())
    }

    /// All workers that there are, old ones too.
    pub(crate) fn workers(&self) -> Vec<i32> {
        let mut pids: Vec<i32> = self.children().iter().map(|child| child.pid).collect();
        if !self.is_master {
            pids.extend(self.alone().iter().map(|process| process.pid));
        }
        if let Some(known) = self.processes() {
            pids.extend(known.workers.iter().chain(&known.old_workers));
        }
        pids.extend(self.worker().map(|worker| worker.pid));
        pids
    }

    /// What the master reports about its processes.
    pub(crate) fn processes(&self) -> Option<Processes> {
        processes(self.master_socket.as_ref()?, self.hints.patience)
    }

    /// Whether the master is reloading, so that `worker` will be replaced. Up to 3.0 it refuses connections
    /// then; later it has another worker. False if it cannot be asked.
    pub(crate) fn is_loading(&self, worker: &Worker) -> bool {
        let Some(path) = &self.master_socket else { return false };
        match socket::ask(path, "show proc", self.hints.patience) {
            Ok(answer) if answer.trim().is_empty() => true,
            Ok(answer) => answers::parse_processes(&answer)
                .is_some_and(|processes| processes.workers.iter().any(|pid| *pid != worker.pid)),
            Err(err) => !matches!(err.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied),
        }
    }

    /// The worker that answers at the stats socket, unless it is stopping.
    pub(crate) fn worker_by_stats_socket(&self) -> Option<Worker> {
        Some(self.known_worker(info(self.stats_socket.as_ref()?, self.hints.patience)?))
    }

    /// What the worker `pid` reports through the master.
    pub(crate) fn worker_through_master(&self, pid: i32) -> Option<Worker> {
        let command = format!("@!{pid} show info");
        let answer = socket::ask(self.master_socket.as_ref()?, &command, self.hints.patience).ok()?;
        let info = answers::parse_info(&answer).filter(|info| info.pid == pid && !info.is_stopping)?;
        Some(self.known_worker(info))
    }

    /// Whether it has a socket at which it can be asked.
    pub(crate) fn has_socket(&self) -> bool {
        self.stats_socket.is_some() || self.master_socket.is_some()
    }

    /// The answer of the worker that serves to a command, at its own socket or through the master's.
    pub(crate) fn ask_worker(&self, command: &str) -> Option<String> {
        let ask = |path: &Path, command: &str| socket::ask(path, command, self.hints.patience).ok();
        let directly = || ask(self.stats_socket.as_ref()?, command);
        let through_master = || {
            let worker = self.worker_by_master_socket()?;
            ask(self.master_socket.as_ref()?, &format!("@!{} {command}", worker.pid))
        };
        directly().or_else(through_master)
    }

    fn worker_by_master_socket(&self) -> Option<Worker> {
        let processes = self.processes()?;
        let mut candidates = processes.workers.iter().chain(&processes.old_workers);
        candidates.find_map(|&pid| self.worker_through_master(pid))
    }

    /// The youngest worker, or the youngest process where there is no master.
    fn worker_by_process(&self) -> Option<Worker> {
        let youngest = if self.is_master { self.children().pop() } else { self.alone().pop() };
        youngest.filter(|process| !process.is_stopped()).map(|process| Worker {
            pid: process.pid,
            birth: process.birth,
            ..Worker::default()
        })
    }

    /// The master's children that are HAProxy, the oldest first.
    pub(crate) fn children(&self) -> Vec<Process> {
        match &self.main {
            Some(main) if self.is_master => main.children(&self.hints.name),
            _ => Vec::new(),
        }
    }

    /// Whether its master has ended: up to 3.0 it ends if a new worker cannot start.
    pub(crate) fn has_ended(&self) -> bool {
        self.is_master && self.main.as_ref().is_some_and(Process::has_ended)
    }

    /// The workers of a master that has only stopped ones: up to 3.0, with `hard-stop-after`, a new worker
    /// that cannot start stops them with SIGTTIN for ever. Empty if the master itself is stopped: another
    /// program did that.
    pub(crate) fn stalled(&self) -> Vec<i32> {
        let children = self.children();
        let is_stalled =
            children.iter().all(Process::is_stopped) && !self.main.as_ref().is_some_and(Process::is_stopped);
        if is_stalled { children.iter().map(|child| child.pid).collect() } else { Vec::new() }
    }

    /// Whether one of these workers is stopped; far cheaper than `stalled`.
    pub(crate) fn is_any_stopped(&self, workers: &HashSet<i32>) -> bool {
        let find = |pid: &i32| Process::find(*pid, &self.hints.name);
        workers.iter().filter_map(find).any(|worker| worker.is_stopped())
    }

    /// Those of `pids` that a successor may replace: HAProxy processes that run the file. A socket can report
    /// any pid.
    pub(crate) fn predecessors(&self, pids: &HashSet<i32>) -> Vec<i32> {
        let is_one = |pid: &&i32| {
            let process = Process::find(**pid, &self.hints.name);
            process.is_some_and(|process| process.runs(&self.config))
        };
        let mut pids: Vec<i32> = pids.iter().filter(is_one).copied().collect();
        pids.sort_unstable();
        pids
    }

    /// The pid file of `main`: the one given, or the one on its command line if it is safe to use.
    pub(crate) fn pid_file(&self, main: &Process) -> Option<PathBuf> {
        let own = || {
            let path = main.directory().join(main.option("-p").into_iter().next_back()?);
            let is_its = regular_file::read(&path, PID_FILE_MAX).is_ok_and(|bytes| {
                String::from_utf8_lossy(&bytes).split_whitespace().any(|word| word == main.pid.to_string())
            });
            let is_trusted =
                path.metadata().is_ok_and(|metadata| metadata.uid() == 0 && metadata.mode() & 0o022 == 0);
            (is_its && is_trusted).then_some(path)
        };
        self.hints.pid_file.clone().or_else(own)
    }

    /// The processes without a master that were started on the file, the oldest first.
    pub(crate) fn alone(&self) -> Vec<Process> {
        let mut alone = tops(&self.config, &self.hints.name);
        let main = self.main.iter().filter(|main| !alone.iter().any(|process| process.pid == main.pid));
        let main: Vec<Process> = main.cloned().collect();
        alone.splice(..0, main);
        alone
    }

    fn known_worker(&self, info: Info) -> Worker {
        Worker::of(&info, Process::find(info.pid, &self.hints.name).as_ref())
    }
}

impl Worker {
    /// The worker that answered `info`; `process` is its process, if it is visible from here.
    fn of(info: &Info, process: Option<&Process>) -> Worker {
        let birth = process.map_or_else(|| since_boot().saturating_sub(info.uptime), |process| process.birth);
        Worker { pid: info.pid, birth, description: Some(info.description.clone()), version: info.version }
    }
}

fn info(path: &Path, patience: Duration) -> Option<Info> {
    let answer = socket::ask(path, "show info", patience).ok()?;
    answers::parse_info(&answer).filter(|info| !info.is_stopping)
}

fn processes(path: &Path, patience: Duration) -> Option<Processes> {
    answers::parse_processes(&socket::ask(path, "show proc", patience).ok()?)
}

fn none_running(config: &Path) -> Failure {
    let path = config.display();
    let start = format!("haproxy -W -S /run/haproxy-master.sock -f {path}");
    Failure::new(
        Code::Haproxy,
        format!("cannot find 'haproxy': no running HAProxy was started on '{path}'; start one: {start}"),
    )
}
