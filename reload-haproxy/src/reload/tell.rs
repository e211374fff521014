//! Asks HAProxy to reload: by its master's socket, by a signal to its master, or by starting a successor.

use std::io;
use std::path::PathBuf;
use std::thread;
use std::time::Instant;

use common::command;
use common::haproxy_socket as socket;
use common::messages::Messages;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::haproxy::answers::{self, ReloadAnswer};
use crate::reload::attempt::{
    Before, LOST, POLL, REASON_IN_LOG, Reload, SEE_ABOVE, Unproven, cannot, has_failed,
};
use crate::reload::check::{command_like, log_messages};
use crate::reload::method::Method;
use crate::reload::successor;

impl Reload<'_> {
    /// Asks HAProxy once.
    pub(crate) fn tell(
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

    /// Sends `reload` until the master accepts it: a master that is loading refuses connections or answers
    /// so.
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
                // The command may have been accepted although its answer was lost.
                if before.processes.as_ref().is_some_and(|before| has_failed(before, &now)) {
                    return Err(self.refused(REASON_IN_LOG));
                }
                // These workers belong to an earlier reload, perhaps by another program.
                before.workers.extend(now.workers);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match socket::ask(path, "reload", left).map(|answer| answers::parse_reload(&answer)) {
                Ok(ReloadAnswer::Nothing | ReloadAnswer::Success) => return Ok(()),
                Ok(ReloadAnswer::Failure(words)) => {
                    log_messages(&words.join("\n"), messages);
                    return Err(self.refused(SEE_ABOVE));
                }
                _ if self.is_lost(before) => return Err(self.refused(LOST)),
                _ if Instant::now() >= deadline => {
                    return Err(self.refused("HAProxy's master does not answer"));
                }
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

    /// Starts a new process with the arguments of the old one. It takes over the listeners if it can, and
    /// asks the old one to finish.
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
        log_messages(&words, messages);
        Err(self.refused(SEE_ABOVE))
    }

    /// The sockets to fetch listeners from; at last `None`, which drops a few connections.
    fn exporters(&self) -> Vec<Option<&PathBuf>> {
        let exposing = self.config.facts.stats_sockets.iter().filter(|socket| socket.exposes_listeners);
        exposing.map(|socket| Some(&socket.path)).take(1).chain([None]).collect()
    }
}

/// Whether a master that is loading a configuration causes this error.
fn is_passing(err: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionRefused, ConnectionReset, NotFound};
    matches!(err.kind(), BrokenPipe | ConnectionRefused | ConnectionReset | NotFound)
}
