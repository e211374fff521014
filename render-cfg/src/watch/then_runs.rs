//! The runs of `--then`: after a change of the output or of a listed file, at intervals, and again after a failure.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::fd::BorrowedFd;
use std::time::Instant;

use common::failure::Failure;
use common::messages::Messages;

use super::reported::Reported;
use super::retry::Retry;
use super::then_files::ThenFiles;
use crate::args::{Args, WatchArgs};
use crate::render::Outcome;
use crate::then::Then;

/// When the command runs, and what was reported about it.
pub(crate) struct ThenRuns {
    retry: Retry,
    /// A hash of the text for which it was requested last.
    requested: Option<u64>,
    files: Option<ThenFiles>,
    reported: Reported,
}

impl ThenRuns {
    /// The first run is pending.
    pub(crate) fn new(args: &WatchArgs, now: Instant) -> ThenRuns {
        ThenRuns {
            retry: Retry::pending(now, args.then_every),
            requested: None,
            files: ThenFiles::new(args),
            reported: Reported::default(),
        }
    }

    /// Requests a run after a write, and if the text is new: it may have been written by another run, or by one of ours that
    /// failed after its rename.
    pub(crate) fn request(&mut self, outcome: &Outcome) {
        let mut hasher = DefaultHasher::new();
        outcome.text.hash(&mut hasher);
        let text = Some(hasher.finish());
        // A text that reload-haproxy has put back is written again, but it is not new.
        let is_new = text != self.requested;
        if outcome.is_written || is_new {
            self.retry.request(Instant::now(), is_new);
            self.requested = text;
        }
    }

    /// Makes a run that is due later due now.
    pub(crate) fn hurry(&mut self, now: Instant) {
        self.retry.hurry(now);
    }

    /// Notes the changes of the files; `has_mounted` if the table of mounts has changed.
    pub(crate) fn note(&mut self, has_mounted: bool, now: Instant) {
        self.files.as_mut().into_iter().for_each(|files| files.note(has_mounted, now));
    }

    /// When the next run is due; never before the output exists.
    pub(crate) fn due(&self, args: &Args) -> Option<Instant> {
        let changed = self.files.as_ref().and_then(ThenFiles::due);
        let due = self.retry.due().into_iter().chain(changed).min();
        args.watching.then.as_ref().and(due).filter(|_| args.output.exists())
    }

    /// Becomes readable when a file has changed.
    pub(crate) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.files.as_ref().and_then(ThenFiles::fd)
    }

    /// Runs the command, which is due, and reports its faults.
    pub(crate) fn run(&mut self, then: &Then, args: &WatchArgs, messages: &mut Messages) {
        let watched = self.files.as_mut().map_or(Ok(()), ThenFiles::watch);
        let mut faults: Vec<Failure> = watched.err().into_iter().collect();
        match then.run(args.then_timeout) {
            Ok(lines) => self.conclude(then, &lines, messages),
            Err(failure) => {
                self.retry.failed(Instant::now());
                faults.push(failure);
            }
        }
        self.files.as_mut().into_iter().for_each(|files| files.compare(Instant::now()));
        faults.extend(messages.take_faults());
        self.reported.report(faults, &format!("'{}'", then.text()), messages);
    }

    /// After a success. A run that was not requested and printed nothing had nothing to do: it would fill the log.
    fn conclude(&mut self, then: &Then, lines: &[String], messages: &mut Messages) {
        let ran = format!("ran '{}'", then.text());
        lines.iter().for_each(|line| messages.info(line));
        if self.retry.is_requested() || !lines.is_empty() {
            messages.info(ran)
        } else {
            messages.verbose(ran)
        }
        self.retry.succeeded(Instant::now());
    }
}
