//! The watching itself: what is due when, and what follows from a look.

use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use common::failure::{Code, Failure};
use common::messages::Messages;

use super::debounce::Changes;
use super::events::Events;
use super::poll::{MOUNTS, idle};
use super::reported::Known;
use super::retry::Retry;
use super::service_manager::Service;
use super::signals::Signals;
use crate::args::Args;
use crate::render::{Looked, once};

/// Where the kernel tells nothing, or another run holds the lock, it looks this often.
const OFTEN: Duration = Duration::from_secs(1);

/// All that there is while watching.
pub(crate) struct Watcher<'a> {
    args: Args,
    messages: &'a mut Messages,
    service: Service,
    signals: Signals,
    events: Events,
    mounts: Option<File>,
    changes: Changes,
    next_look: Instant,
    owed: Retry,
    /// A hash of the text for which `--then` was asked last.
    asked: Option<u64>,
    /// How long to wait for the lock, as it was asked for.
    patience: Duration,
    looks: Known,
    thens: Known,
}

impl<'a> Watcher<'a> {
    /// Begins. Fails if a descriptor or a socket that it was given cannot be used.
    pub(crate) fn start(args: Args, messages: &'a mut Messages) -> Result<Watcher<'a>, Failure> {
        let now = Instant::now();
        // First: nothing else may have taken the descriptor.
        let service = Service::find(args.watching.ready_fd, now)?;
        let signals = Signals::take_over()
            .map_err(|err| Failure::new(Code::Unforeseen, format!("cannot take 'signals': {err}")))?;
        warn_if_impatient(&service, &args, messages);
        Ok(Watcher {
            service,
            signals,
            events: Events::default(),
            mounts: File::open(MOUNTS).ok(),
            changes: Changes::new(args.watching.quiet_for, args.watching.at_most),
            next_look: now,
            owed: Retry::owed(now),
            asked: None,
            patience: args.lock_timeout,
            looks: Known::default(),
            thens: Known::default(),
            args,
            messages,
        })
    }

    /// Looks and runs `--then` whenever there is reason to, until a signal ends it. Fails only if it was called
    /// wrongly.
    pub(crate) fn run(mut self) -> Result<(), Failure> {
        while !self.signals.is_ending() {
            self.look_if_due()?;
            self.run_then_if_due();
            // What came meanwhile is taken here, so that the last change is never lost.
            self.wait();
        }
        self.service.stopping();
        // Of what was wrong before, nothing is wrong with the end.
        self.messages.begin_round(&self.args.messages);
        Ok(())
    }

    /// Waits until something is due, or something happens.
    fn wait(&mut self) {
        let dues = [Some(self.next_look), self.changes.due(), self.owed_since(), self.service.due()];
        let until = dues.into_iter().flatten().min().unwrap_or(self.next_look);
        let fds: Vec<_> = [Some(self.signals.fd()), self.events.fd()].into_iter().flatten().collect();
        let has_mounted = idle(&fds, self.mounts.as_ref().map(AsFd::as_fd), until);
        let now = Instant::now();
        self.signals.drain();
        if self.events.take() || (has_mounted && self.events.is_route_replaced()) {
            self.changes.note(now);
        }
        if self.signals.is_asked() {
            self.next_look = now;
            self.owed.hurry(now);
        }
        if self.service.due().is_some_and(|due| due <= now) {
            self.service.beat(now);
        }
    }

    /// When `--then` is to be run; never before there is an output.
    fn owed_since(&self) -> Option<Instant> {
        self.args.watching.then.as_ref().and(self.owed.due()).filter(|_| self.args.output.exists())
    }

    fn look_if_due(&mut self) -> Result<(), Failure> {
        let now = Instant::now();
        if self.next_look > now && self.changes.due().is_none_or(|due| due > now) {
            return Ok(());
        }
        self.service.beat(now);
        self.changes.clear();
        self.messages.begin_round(&self.args.messages);
        let watched = self.events.set(&self.args.nodes, &self.args.template);
        let looked = once(&self.args, self.messages);
        let is_soon = watched.is_err() || is_locked_out(&looked);
        self.next_look = now + self.args.watching.look_every.min(if is_soon { OFTEN } else { Duration::MAX });
        self.judge(watched, looked)
    }

    /// Draws the conclusions from a look.
    fn judge(
        &mut self,
        watched: Result<(), &'static str>,
        looked: Result<Looked, Failure>,
    ) -> Result<(), Failure> {
        let mut faults = self.messages.take_faults();
        // A wait that is over leaves a thread behind, so it is not repeated as long as the lock is held.
        let was_locked_out = self.args.lock_timeout < self.patience;
        self.args.lock_timeout = if is_locked_out(&looked) { Duration::ZERO } else { self.patience };
        if is_locked_out(&looked) && was_locked_out {
            return Ok(());
        }
        faults.extend(watched.err().map(|sysctl| unwatched(sysctl, &self.args)));
        match looked {
            Err(failure) if failure.code == Code::Usage && !self.service.is_ready() => return Err(failure),
            Err(failure) if failure.code != Code::Guard => faults.push(failure),
            good => {
                faults.extend(self.service.ready().err().map(untold));
                good.map(|looked| self.ask_for_then(&looked)).unwrap_or_else(|failure| faults.push(failure));
            }
        }
        self.looks.say(faults, "rendering", self.messages);
        Ok(())
    }

    /// `--then` is owed after a write, and for another text than the last, whoever wrote that: a run by hand, or
    /// one of ours that failed after its rename.
    fn ask_for_then(&mut self, looked: &Looked) {
        let mut hasher = DefaultHasher::new();
        looked.text.hash(&mut hasher);
        let text = Some(hasher.finish());
        // What a refused reload puts back is written anew, but it is not new.
        let is_new = text != self.asked;
        if looked.is_written || is_new {
            self.owed.ask(Instant::now(), is_new);
            self.asked = text;
        }
    }

    fn run_then_if_due(&mut self) {
        let now = Instant::now();
        let is_due = self.owed_since().is_some_and(|due| due <= now);
        let Some(then) = self.args.watching.then.as_ref().filter(|_| is_due) else { return };
        self.service.beat(now);
        self.messages.begin_round(&self.args.messages);
        let mut faults = Vec::new();
        match then.run(self.args.watching.then_timeout) {
            Ok(words) => {
                self.owed.succeeded();
                words.iter().for_each(|line| self.messages.info(line));
                self.messages.info(format!("ran '{}'", then.text()));
            }
            Err(failure) => {
                self.owed.failed(Instant::now());
                faults.push(failure);
            }
        }
        faults.extend(self.messages.take_faults());
        self.thens.say(faults, &format!("'{}'", then.text()), self.messages);
    }
}

fn is_locked_out(looked: &Result<Looked, Failure>) -> bool {
    looked.as_ref().is_err_and(|failure| failure.code == Code::Lock)
}

fn unwatched(sysctl: &str, args: &Args) -> Failure {
    let nodes = args.nodes.display();
    Failure::new(
        Code::Files,
        format!(
            "cannot watch '{nodes}': the limit {sysctl} is reached; raise it (sysctl); until then it looks every second"
        ),
    )
}

fn untold(err: std::io::Error) -> Failure {
    Failure::new(Code::Files, format!("cannot tell 'the service manager': {err}"))
}

/// systemd ends what gives no sign of life while a check takes its time.
fn warn_if_impatient(service: &Service, args: &Args, messages: &mut Messages) {
    let step = (args.lock_timeout + args.check_timeout).max(args.watching.then_timeout);
    if let Some(patience) = service.patience().filter(|patience| *patience <= step) {
        messages.warn(format!(
            "WatchdogSec is {patience:?}, and a step may take {step:?}: make it longer, or lower --lock-timeout, \
             --check-timeout and --then-timeout"
        ));
    }
}
