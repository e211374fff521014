//! Reloads, and waits for the proof: a worker that was not there before and that reports the file's revision.
//!
//! A signal that was sent proves nothing: up to 3.0 a SIGUSR2 that arrives during a reload is lost. A socket that
//! answers proves nothing: the old process owns the path until the new one takes it.

use std::thread;
use std::time::{Duration, Instant};

use common::messages::Messages;

use crate::config::content::revision;
use crate::haproxy::instance::Worker;
use crate::haproxy::proc::since_boot;
use crate::haproxy::process::Process;
use crate::reload::attempt::{Before, LOST, POLL, REASON_IN_LOG, Reload, Unproven, has_failed};
use crate::reload::method::Method;
use crate::reload::retry::Attempts;

/// Without any socket, a new worker must live this long to count.
const PROBATION: Duration = Duration::from_millis(500);

/// The result of a reload.
pub(crate) struct Taken {
    /// The new worker.
    pub(crate) worker: Worker,
    /// Whether it loaded the file; otherwise the file has changed meanwhile, and must be loaded again.
    pub(crate) is_proven: bool,
}

/// The state of a reload.
enum Progress {
    Pending,
    Loaded(Worker),
    Failed,
}

impl Reload<'_> {
    /// Reloads, and returns the new worker.
    pub(crate) fn run(&self, method: Method, messages: &mut Messages) -> Result<Taken, Unproven> {
        let deadline = Instant::now() + self.timeout;
        let mut before = self.before(deadline);
        let mut attempts = Attempts::new(method, self.load_time, Instant::now());
        let mut reason = format!("no new worker within {:?}; see --timeout", self.timeout);
        let mut was_sent = false;
        loop {
            if attempts.is_due(Instant::now()) {
                attempts.sent(Instant::now(), since_boot());
                if std::mem::replace(&mut was_sent, true) {
                    messages.info(format!("{method} sent again"));
                }
                self.tell(method, &mut before, deadline, messages)?;
            }
            match self.poll(&before) {
                Progress::Loaded(worker) if self.has_loaded(&worker, &attempts) => {
                    return Ok(Taken { worker, is_proven: true });
                }
                Progress::Loaded(worker) if self.config.is_outdated() => {
                    return Ok(Taken { worker, is_proven: false });
                }
                // It belongs to a reload by another program, of an earlier file, which may have absorbed
                // ours.
                Progress::Loaded(worker) => {
                    before.workers.insert(worker.pid);
                    reason = format!("worker {} loaded another file", worker.pid);
                    attempts.overtaken(Instant::now());
                }
                Progress::Failed => return Err(self.refused(REASON_IN_LOG)),
                Progress::Pending if self.is_lost(&before) => return Err(self.refused(LOST)),
                Progress::Pending if Instant::now() >= deadline => return Err(self.refused(&reason)),
                Progress::Pending => thread::sleep(POLL),
            }
        }
    }

    /// Whether the worker loaded the file: it reports the revision, or, without a revision, it can be of this
    /// reload.
    fn has_loaded(&self, worker: &Worker, attempts: &Attempts) -> bool {
        match (&self.config.facts.revision, &worker.description) {
            (Some(wanted), Some(description)) => revision(description).as_ref() == Some(wanted),
            _ => attempts.can_be_of_ours(worker),
        }
    }

    fn poll(&self, before: &Before) -> Progress {
        if let Some(processes) = self.instance.processes() {
            if before.processes.as_ref().is_some_and(|before| has_failed(before, &processes)) {
                return Progress::Failed;
            }
            let new = processes.workers.iter().filter(|pid| !before.workers.contains(pid));
            let answering = new.filter_map(|&pid| self.instance.worker_through_master(pid)).next();
            return answering.map_or(Progress::Pending, Progress::Loaded);
        }
        if self.instance.master_socket.is_some() {
            return Progress::Pending;
        }
        if self.instance.stats_socket.is_some() {
            let worker = self.instance.worker_by_stats_socket();
            let is_new = |worker: &Worker| !before.workers.contains(&worker.pid);
            return worker.filter(is_new).map_or(Progress::Pending, Progress::Loaded);
        }
        self.poll_processes(before)
    }

    fn poll_processes(&self, before: &Before) -> Progress {
        let processes =
            if self.instance.is_master { self.instance.children() } else { self.instance.alone() };
        let settled = |process: &&Process| {
            !before.workers.contains(&process.pid) && since_boot().saturating_sub(process.birth) >= PROBATION
        };
        processes.iter().rfind(settled).map_or(Progress::Pending, |process| {
            Progress::Loaded(Worker { pid: process.pid, birth: process.birth, ..Worker::default() })
        })
    }
}
