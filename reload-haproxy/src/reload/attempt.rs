//! One reload: what is reloaded, what was there before, and how it fails.

use std::collections::HashSet;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use common::failure::{Code, Failure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::config::file::Config;
use crate::haproxy::answers::Processes;
use crate::haproxy::instance::Instance;

/// How often HAProxy is polled.
pub(crate) const POLL: Duration = Duration::from_millis(5);

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
pub(crate) struct Before {
    pub(crate) workers: HashSet<i32>,
    /// Those that do not stand still: whoever has stopped the others, it was not this reload.
    running: HashSet<i32>,
    pub(crate) processes: Option<Processes>,
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

pub(crate) const LOST: &str = "the new worker died, and the old workers have ended";
pub(crate) const UNTOLD: &str =
    "the reason is only in HAProxy's own log (journalctl -u haproxy, or its stderr)";

impl Reload<'_> {
    /// What there is now. A master that is just loading another configuration is waited for.
    pub(crate) fn before(&self, deadline: Instant) -> Before {
        let mut processes = self.instance.processes();
        while processes.is_none() && self.instance.master_socket.is_some() && Instant::now() < deadline {
            thread::sleep(POLL);
            processes = self.instance.processes();
        }
        let workers: HashSet<i32> = self.instance.workers().into_iter().collect();
        let is_running = |pid: &i32| !self.instance.is_any_stopped(&HashSet::from([*pid]));
        Before { running: workers.iter().copied().filter(is_running).collect(), workers, processes }
    }

    pub(crate) fn refused(&self, reason: &str) -> Unproven {
        let serving = match self.instance.worker() {
            Some(worker) => format!("worker {} still serves with the previous configuration", worker.pid),
            None => "no worker answers".to_owned(),
        };
        let path = self.config.path.display();
        let line = format!("cannot reload '{path}': HAProxy rejected it: {reason}; {serving}");
        let refused = Some(self.config.fingerprint.clone());
        Unproven { failure: Failure::new(Code::Haproxy, line), refused, stalled: self.instance.stalled() }
    }

    /// Whether nobody is left that could load the file or go on without it.
    pub(crate) fn is_lost(&self, before: &Before) -> bool {
        let instance = self.instance;
        instance.has_ended() || instance.is_any_stopped(&before.running) && !instance.stalled().is_empty()
    }
}

/// Whether a reload failed between the two. Up to 2.4 it shows as a master without workers but old ones.
pub(crate) fn has_failed(before: &Processes, now: &Processes) -> bool {
    match (before.failed, now.failed) {
        (before, Some(now)) => now > before.unwrap_or(0),
        (_, None) => !before.workers.is_empty() && now.workers.is_empty() && !now.old_workers.is_empty(),
    }
}

pub(crate) fn cannot(verb: &str, object: &str, reason: &str) -> Unproven {
    Failure::new(Code::Haproxy, format!("cannot {verb} '{object}': {reason}")).into()
}
