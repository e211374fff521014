//! One look: asks, decides, and runs at most one command.

use std::fs::File;
use std::sync::atomic::{AtomicBool, Ordering};

use common::failure::{Code, Failure};
use common::messages::Messages;
use nix::fcntl::Flock;

use super::ask::{Asker, Number};
use super::decision::action::Action;
use super::decision::decide;
use super::decision::situation::{Choice, Situation};
use super::decision::victim::Victim;
use super::dry_run;
use super::engine::Engine;
use super::notes::NotesFile;
use super::setup::additions::{additions, scratch};
use super::setup::args::Args;
use super::setup::settings::Settings;
use super::state_directory;
use crate::clock;

/// Looks once. Returns the exit code of `autoscale`, or 0 after a signal.
pub(crate) fn look(args: &Args, is_interrupted: &AtomicBool, messages: &mut Messages) -> Result<u8, Failure> {
    let settings = Settings::read(&args.settings)?;
    let Some(_turn) = Turn::take(args, &settings, is_interrupted)? else { return Ok(0) };
    let mut notes = NotesFile::read(&args.state_dir, clock::now()?);
    wait_for_a_killed_run(args, &mut notes, is_interrupted, messages);
    let scratch = scratch(args, &settings)?;
    let options = &args.options;
    let additions = additions(args, &settings, scratch.as_ref());
    let asker = Asker { settings: &settings, options, additions, is_interrupted };
    let mut look = Look { args, settings: &settings, asker, notes, messages, is_interrupted };
    let code = look.run()?;
    let is_known = look.notes.has_failed;
    if args.dry_run {
        return Ok(code);
    }
    if let Some(fault) = look.notes.write().err().filter(|_| !is_known) {
        look.messages.fault(fault);
    }
    Ok(code)
}

/// The lock is held as long as this lives. A dry run takes none, because it changes nothing.
struct Turn {
    _lock: Option<Flock<File>>,
}

impl Turn {
    fn take(args: &Args, settings: &Settings, is_interrupted: &AtomicBool) -> Result<Option<Turn>, Failure> {
        if args.dry_run {
            return Ok(Some(Turn { _lock: None }));
        }
        let lock = state_directory::lock(&args.state_dir, settings.lock_timeout(), is_interrupted)?;
        Ok(lock.map(|lock| Turn { _lock: Some(lock) }))
    }
}

fn wait_for_a_killed_run(
    args: &Args,
    file: &mut NotesFile,
    is_interrupted: &AtomicBool,
    messages: &mut Messages,
) {
    let Some(running) = file.notes.running.as_ref().filter(|running| running.lives()) else { return };
    if args.dry_run {
        return dry_run::print(&format!(
            "would wait for the command that a killed run has left, to {}",
            running.goal
        ));
    }
    messages.announce(format!("waits for the command that a killed run has left, to {}", running.goal));
    running.wait(|| clock::now().unwrap_or(u64::MAX), is_interrupted);
    if !is_interrupted.load(Ordering::SeqCst) {
        file.notes.running = None;
    }
}

/// A look that holds the lock.
struct Look<'a> {
    args: &'a Args,
    settings: &'a Settings,
    asker: Asker<'a>,
    notes: NotesFile,
    messages: &'a mut Messages,
    is_interrupted: &'a AtomicBool,
}

impl Look<'_> {
    fn run(&mut self) -> Result<u8, Failure> {
        let victim = self.victim();
        let count = self.count(victim.as_ref());
        let answer = self.asker.number(count.unwrap_or_default());
        if self.is_interrupted.load(Ordering::SeqCst) {
            self.messages.sees_only_a_part();
            return Ok(0);
        }
        let answer = answer?;
        let is_sure = answer.code == 0 && count.is_some();
        if !is_sure {
            self.messages.sees_only_a_part();
        }
        let Some(number) = answer.number else { return Ok(answer.code) };
        for action in self.decide(&number, is_sure, victim.as_ref())? {
            if !self.is_interrupted.load(Ordering::SeqCst) {
                self.act(action)?;
            }
        }
        Ok(answer.code)
    }

    /// The server that is chosen to go, if one is chosen at all.
    fn victim(&self) -> Option<Victim> {
        self.settings.stop.as_ref().and_then(|_| self.notes.notes.victim.clone())
    }

    /// How many servers the engine runs, without the one that is chosen to go. The outer `None`: the count command failed.
    /// The inner `None`: there is no count command, so HAProxy's count is used.
    #[allow(clippy::option_option, reason = "unknown is not the same as not asked")]
    fn count(&mut self, victim: Option<&Victim>) -> Option<Option<u32>> {
        let Some(command) = &self.settings.count else { return Some(None) };
        match self.asker.count(command) {
            Ok(count) => Some(Some(count.saturating_sub(victim.map_or(0, Victim::still_runs)))),
            Err(_) if self.is_interrupted.load(Ordering::SeqCst) => None,
            Err(fault) => {
                self.messages.fault(fault);
                None
            }
        }
    }

    fn decide(
        &mut self,
        number: &Number,
        is_sure: bool,
        victim: Option<&Victim>,
    ) -> Result<Vec<Action>, Failure> {
        let limit = u64::try_from(self.settings.drain_limit.as_millis()).unwrap_or(u64::MAX);
        let choice =
            self.settings.stop.as_ref().map(|_| Choice { drains: self.settings.drain.is_some(), limit });
        let are_needed = choice.is_some() && is_sure && (victim.is_some() || number.wanted < number.count);
        let servers = if are_needed { self.asker.servers() } else { None };
        if are_needed && servers.is_none() {
            self.messages.sees_only_a_part();
            let line = "cannot choose a server to stop: 'autoscale --servers' did not list them; the next run tries again";
            self.messages.fault(Failure::new(Code::Unforeseen, line));
        }
        Ok(decide(&Situation {
            wanted: number.wanted,
            count: number.count,
            reason: number.reason.as_deref().unwrap_or_default(),
            is_sure,
            choice,
            servers: servers.as_deref(),
            attempts: &self.notes.notes.attempts,
            victim,
            now: clock::now()?,
        }))
    }

    fn act(&mut self, action: Action) -> Result<(), Failure> {
        if self.args.dry_run {
            dry_run::show(self.settings, &action);
            return Ok(());
        }
        let notes = &mut self.notes.notes;
        match action {
            Action::Run(order, tries) => return self.engine().run(&order, tries),
            Action::Wait { failure, .. } => {
                let fault = failure.map(|line| Failure::new(Code::Unforeseen, line));
                fault.into_iter().for_each(|fault| self.messages.fault(fault));
            }
            Action::Settle { count } => {
                notes.attempts.scale = None;
                self.messages.announce(format!("servers: {count}, as wanted"));
            }
            Action::Note(victim) => notes.victim = Some(victim),
            Action::Forget { why } => {
                notes.victim = None;
                (notes.attempts.drain, notes.attempts.stop) = (None, None);
                self.messages.announce(why);
            }
        }
        Ok(())
    }

    fn engine(&mut self) -> Engine<'_> {
        Engine {
            settings: self.settings,
            notes: &mut self.notes,
            messages: self.messages,
            is_interrupted: self.is_interrupted,
        }
    }
}
