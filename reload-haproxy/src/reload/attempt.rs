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
    /// About how long HAProxy takes to read the file.
    pub(crate) load_time: Duration,
    pub(crate) timeout: Duration,
}

/// What was there before a reload.
pub(crate) struct Before {
    pub(crate) workers: HashSet<i32>,
    /// Those that are not stopped: this reload did not stop the others.
    running: HashSet<i32>,
    pub(crate) processes: Option<Processes>,
}

/// Why it is not proven that HAProxy runs the file.
#[derive(Debug)]
pub(crate) struct Unproven {
    pub(crate) failure: Failure,
    /// SHA-256 of the bytes that HAProxy was asked to load and rejected; `None` if it was not asked.
    pub(crate) refused: Option<String>,
    /// Whether HAProxy was not even asked: the file was found to be bad before, or HAProxy must or can not be reloaded.
    pub(crate) is_untried: bool,
    /// Workers that are stopped for ever, and keep their master waiting.
    stalled: Vec<i32>,
}

impl From<Failure> for Unproven {
    fn from(failure: Failure) -> Unproven {
        Unproven { failure, refused: None, is_untried: false, stalled: Vec::new() }
    }
}

impl Unproven {
    /// A failure before HAProxy was asked.
    pub(crate) fn untried(failure: Failure) -> Unproven {
        Unproven { is_untried: true, ..failure.into() }
    }

    /// The failure, with a last line. Only now, when the good file may be back, stopped workers are
    /// continued: they end, and so does their master, so that a supervisor can restart it.
    pub(crate) fn end(self, line: Option<String>) -> Failure {
        for pid in self.stalled {
            // It may have ended since.
            let _ = kill(Pid::from_raw(pid), Signal::SIGCONT);
        }
        self.failure.with_more(line)
    }
}

pub(crate) const LOST: &str = "HAProxy rejected it: the new worker died, and the old workers have ended";
pub(crate) const SEE_ABOVE: &str = "HAProxy rejected it; see its messages above";
pub(crate) const REASON_IN_LOG: &str =
    "HAProxy rejected it; the reason is only in its own log (journalctl -u haproxy, or its stderr)";

impl Reload<'_> {
    /// What is there now. Waits for a master that is loading another file.
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
        let line = format!("cannot reload '{path}': {reason}; {serving}");
        let refused = Some(self.config.fingerprint().to_owned());
        let failure = Failure::new(Code::Haproxy, line);
        Unproven { failure, refused, is_untried: false, stalled: self.instance.stalled() }
    }

    /// Whether no process is left that could load the file or serve without it.
    pub(crate) fn is_lost(&self, before: &Before) -> bool {
        let instance = self.instance;
        instance.has_ended() || instance.is_any_stopped(&before.running) && !instance.stalled().is_empty()
    }
}

/// Whether a reload failed between the two. Up to 2.4 such a master has only old workers.
pub(crate) fn has_failed(before: &Processes, now: &Processes) -> bool {
    match (before.failed, now.failed) {
        (before, Some(now)) => now > before.unwrap_or(0),
        (_, None) => !before.workers.is_empty() && now.workers.is_empty() && !now.old_workers.is_empty(),
    }
}

pub(crate) fn cannot(verb: &str, object: &str, reason: &str) -> Unproven {
    Failure::new(Code::Haproxy, format!("cannot {verb} '{object}': {reason}")).into()
}
