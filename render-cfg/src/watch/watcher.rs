//! The loop of `--watch`: decides when to render and when to run `--then`, and reports faults.

use std::fs::File;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use common::failure::{Code, Failure};
use common::messages::Messages;

use super::debounce::Debounce;
use super::events::Events;
use super::faults::{is_locked_out, not_notified, warn_if_watchdog_is_short, watch_limit};
use super::poll::{MOUNTS, wait};
use super::reported::Reported;
use super::service_manager::ServiceManager;
use super::signals::Signals;
use super::sources::Sources;
use super::then_runs::ThenRuns;
use crate::args::Args;
use crate::kept::Kept;
use crate::on_failure;
use crate::render::{Outcome, render_again};

/// How often to render if a kernel limit prevents watching, or while another run holds the lock.
const OFTEN: Duration = Duration::from_secs(1);

/// The state while watching.
pub(crate) struct Watcher<'a> {
    args: Args,
    messages: &'a mut Messages,
    service: ServiceManager,
    signals: Signals,
    events: Events,
    mounts: Option<File>,
    changes: Debounce,
    next_render: Instant,
    /// When to look at all of the route again: after `--look-every`, however many events there are.
    next_thorough: Instant,
    kept: Kept,
    thens: ThenRuns,
    /// The value of `--lock-timeout`.
    lock_timeout: Duration,
    renders: Reported,
}

impl<'a> Watcher<'a> {
    /// Fails if a given descriptor or socket cannot be used.
    pub(crate) fn start(args: Args, messages: &'a mut Messages) -> Result<Watcher<'a>, Failure> {
        let now = Instant::now();
        // This comes first, before another file can get the number of the descriptor.
        let service = ServiceManager::find(args.watching.ready_fd, now)?;
        let signals = Signals::install().map_err(|err| {
            Failure::new(Code::Unforeseen, format!("cannot install signal handlers: {err}"))
        })?;
        warn_if_watchdog_is_short(&service, &args, messages);
        Ok(Watcher {
            service,
            signals,
            events: Events::default(),
            mounts: File::open(MOUNTS).ok(),
            changes: Debounce::new(args.watching.quiet_for, args.watching.at_most),
            next_render: now,
            next_thorough: now,
            kept: Kept::default(),
            thens: ThenRuns::new(&args.watching, now),
            lock_timeout: args.lock_timeout,
            renders: Reported::default(),
            args,
            messages,
        })
    }

    /// Renders and runs `--then` whenever they are due, until a signal ends it. Fails only for a usage error.
    pub(crate) fn run(mut self) -> Result<(), Failure> {
        while !self.signals.is_ending() {
            self.render_if_due()?;
            self.run_then_if_due();
            // Events that came meanwhile are read here, so the last change is never lost.
            self.wait();
        }
        self.service.stopping();
        // Earlier faults do not change the exit code.
        self.messages.begin_round(&self.args.messages);
        Ok(())
    }

    /// Waits until something is due or happens.
    fn wait(&mut self) {
        let dues =
            [Some(self.next_render), self.changes.due(), self.thens.due(&self.args), self.service.due()];
        let until = dues.into_iter().flatten().min().unwrap_or(self.next_render);
        let fds: Vec<_> =
            [Some(self.signals.fd()), self.events.fd(), self.thens.fd()].into_iter().flatten().collect();
        let has_mounted = wait(&fds, self.mounts.as_ref().map(AsFd::as_fd), until);
        let now = Instant::now();
        self.signals.drain();
        if self.events.take() || (has_mounted && self.events.is_route_replaced()) {
            self.changes.note(now);
        }
        self.thens.note(has_mounted, now);
        if self.signals.is_render_requested() {
            (self.next_render, self.next_thorough) = (now, now);
            self.thens.hurry(now);
        }
        if self.service.due().is_some_and(|due| due <= now) {
            self.service.beat(now);
        }
    }

    fn render_if_due(&mut self) -> Result<(), Failure> {
        let now = Instant::now();
        if self.next_render > now && self.changes.due().is_none_or(|due| due > now) {
            return Ok(());
        }
        self.service.beat(now);
        self.changes.clear();
        self.messages.begin_round(&self.args.messages);
        let is_thorough = self.next_thorough <= now;
        if is_thorough {
            self.next_thorough = now + self.args.watching.look_every;
        }
        let Args { nodes, template, vars_files: vars, .. } = &self.args;
        let watched = self.events.set(Sources::Input { nodes, template, vars }, is_thorough);
        let rendered = render_again(&self.args, &mut self.kept, self.messages);
        let is_soon = watched.is_err() || is_locked_out(&rendered);
        self.next_render =
            now + self.args.watching.look_every.min(if is_soon { OFTEN } else { Duration::MAX });
        self.conclude(watched, rendered)
    }

    /// Reports the faults of a render, and requests `--then`.
    fn conclude(
        &mut self,
        watched: Result<(), &'static str>,
        rendered: Result<Outcome, Failure>,
    ) -> Result<(), Failure> {
        let mut faults = self.messages.take_faults();
        // Each wait for the lock leaves a thread behind until the lock is free, so it is not repeated.
        let was_locked_out = self.args.lock_timeout < self.lock_timeout;
        self.args.lock_timeout = if is_locked_out(&rendered) { Duration::ZERO } else { self.lock_timeout };
        if is_locked_out(&rendered) && was_locked_out {
            return Ok(());
        }
        faults.extend(self.tell_failure(on_failure::code(&faults, rendered.as_ref().err())).err());
        faults.extend(watched.err().map(|sysctl| watch_limit(sysctl, &self.args)));
        match rendered {
            // A wrong setting in a file can be corrected without a restart.
            Err(failure)
                if failure.code == Code::Usage
                    && !self.service.is_ready()
                    && self.args.vars_files.is_empty() =>
            {
                return Err(failure);
            }
            Err(failure) if failure.code != Code::Guard => faults.push(failure),
            good => {
                faults.extend(self.service.ready().err().map(not_notified));
                good.map(|outcome| self.thens.request(&outcome))
                    .unwrap_or_else(|failure| faults.push(failure));
            }
        }
        self.renders.report(faults, "rendering", self.messages);
        Ok(())
    }

    /// Runs `--on-failure` if a render ended with this code.
    fn tell_failure(&mut self, code: Option<Code>) -> Result<(), Failure> {
        match (&self.args.watching.on_failure, code) {
            (Some(command), Some(code)) => {
                self.service.beat(Instant::now());
                command.run(code, self.args.watching.then_timeout)
            }
            _ => Ok(()),
        }
    }

    fn run_then_if_due(&mut self) {
        let now = Instant::now();
        let is_due = self.thens.due(&self.args).is_some_and(|due| due <= now);
        let Some(then) = self.args.watching.then.as_ref().filter(|_| is_due) else { return };
        self.service.beat(now);
        self.messages.begin_round(&self.args.messages);
        self.thens.run(then, &self.args.watching, self.messages);
    }
}
