//! Restores the last good file if HAProxy rejected a new one, so that the next start of HAProxy works. The
//! rejected file is kept beside it, and the next run tries it again.
//!
//! A run may be killed between any two steps. So a mark is written first: which rejected bytes belong to
//! which good ones. A file counts only if its bytes are those in the mark. Any other file was written
//! meanwhile: it is left alone, and the next run loads it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use common::failure::{Code, Failure};
use common::messages::Messages;
use common::regular_file;
use common::replace::Staged;
use common::rewrite::{self, Written};
use common::rollback_marks;

use crate::config::content::fingerprint;
use crate::config::file::CONFIG_MAX;
use crate::state::directory::StateDir;
use crate::state::note::Mark;

/// Restores the last good file, and later tries the rejected one again.
pub(crate) struct Rollback<'a> {
    state: &'a StateDir,
    /// Symlinks resolved.
    config: &'a Path,
    refused: PathBuf,
    /// How long to wait for other writers of the file.
    patience: Duration,
}

impl<'a> Rollback<'a> {
    /// For the file at `config`, symlinks resolved. Waits at most `patience` for other writers.
    pub(crate) fn new(state: &'a StateDir, config: &'a Path, patience: Duration) -> Rollback<'a> {
        Rollback { state, config, refused: rollback_marks::refused_path(config), patience }
    }

    /// The rejected file, if it must be tried again: the restored good file is still in its place.
    pub(crate) fn due(&self) -> Option<&Path> {
        let mark = self.state.mark()?;
        let good = self.state.last_good().map(|good| fingerprint(&good));
        let is_due = rollback_marks::is_put_back(self.config)
            && good.as_ref() == Some(&mark.good)
            && holds(self.config, &mark.good)
            && holds(&self.refused, &mark.refused);
        is_due.then_some(&self.refused)
    }

    /// Restores the rejected file to its place, to be tried again. The copy beside it is kept.
    pub(crate) fn try_again(&self, messages: &mut Messages) -> Result<(), Failure> {
        let path = self.config.display();
        let refuse =
            |err| Failure::new(Code::Files, format!("cannot restore the rejected file to '{path}': {err}"));
        let Some(mark) = self.state.mark() else { return Ok(()) };
        let refused = regular_file::read(&self.refused, CONFIG_MAX).map_err(refuse)?;
        if self.exchange(&mark.good, &refused, None).map_err(refuse)?.is_some() {
            messages.info(format!("'{}' is restored to '{path}' and tried again", self.refused.display()));
        }
        Ok(())
    }

    /// Restores the last good file if the rejected one is in its place. `loaded` is the SHA-256 of what HAProxy
    /// was asked to load. Returns the line to print.
    pub(crate) fn put_back(&self, loaded: Option<&str>) -> Option<String> {
        let path = self.config.display();
        self.roll_back(loaded)
            .unwrap_or_else(|err| Some(format!("cannot restore the last good file to '{path}': {err}")))
    }

    /// Removes the rejected file and its mark: HAProxy runs the file in its place.
    pub(crate) fn forget(&self) -> Result<(), Failure> {
        let Some(mark) = self.state.mark() else { return Ok(()) };
        let refuse = |path: &Path, err| {
            Failure::new(Code::Files, format!("cannot remove '{}': {err}", path.display()))
        };
        // A file with other bytes was put there by hand.
        if holds(&self.refused, &mark.refused) {
            remove(&self.refused).map_err(|err| refuse(&self.refused, err))?;
        }
        remove(self.state.mark_path()).map_err(|err| refuse(self.state.mark_path(), err))
    }

    /// `loaded` is what HAProxy was asked to load. Returns the line to print.
    fn roll_back(&self, loaded: Option<&str>) -> io::Result<Option<String>> {
        let now = regular_file::read(self.config, CONFIG_MAX)?;
        let good = self.state.last_good();
        let mark = Mark {
            config: self.config.to_owned(),
            refused: fingerprint(&now),
            good: good.as_deref().map(fingerprint).unwrap_or_default(),
        };
        let verdict = verdict(&mark, loaded, self.state.mark().as_ref());
        match (verdict, good) {
            (Verdict::Stays(line), _) => Ok(line.map(|line| format!("'{}' {line}", self.config.display()))),
            (Verdict::Refused, Some(good)) => self.keep_and_restore(&mark, &now, &good).map(Some),
            (Verdict::Refused, None) => Ok(Some(format!(
                "'{}' stays in place: no earlier file was proven loaded",
                self.config.display()
            ))),
        }
    }

    fn keep_and_restore(&self, mark: &Mark, refused: &[u8], good: &[u8]) -> io::Result<String> {
        let (path, beside) = (self.config.display(), self.refused.display());
        self.state.set_mark(mark)?;
        let staged = self.stage(&self.refused, refused)?;
        let time = staged.file().metadata()?.modified()?;
        staged.commit()?;
        Ok(match self.exchange(&mark.refused, good, Some(time))? {
            Some(Written::Replaced) => format!(
                "the last good file is restored to '{path}'; the next run tries the rejected one, '{beside}', again"
            ),
            Some(Written::InPlace) => format!(
                "the last good file is restored to '{path}' (in place, because it is a mount point); the \
                 next run tries the rejected one, '{beside}', again"
            ),
            None => format!("'{path}' {CHANGED}"),
        })
    }

    /// Replaces the configuration, and perhaps its time, if its fingerprint is still `old`.
    fn exchange(&self, old: &str, new: &[u8], time: Option<SystemTime>) -> io::Result<Option<Written>> {
        let lock = rewrite::lock(self.config, self.patience)?;
        let _lock = lock.ok_or_else(|| io::Error::other("another program holds its lock"))?;
        let staged = self.stage(self.config, new)?;
        let set = |file: &File| time.map_or(Ok(()), |time| file.set_modified(time));
        set(staged.file())?;
        staged.sync()?;
        // The last check: no program that takes the lock writes from here on.
        let now = regular_file::read(self.config, CONFIG_MAX)?;
        if fingerprint(&now) != old {
            return Ok(None);
        }
        let written = rewrite::install(staged, Some(&now), new)?;
        if written == Written::InPlace {
            set(&File::open(self.config)?)?;
        }
        Ok(Some(written))
    }

    /// Stages `bytes` for `target` with the mode and the owner of the configuration.
    fn stage(&self, target: &Path, bytes: &[u8]) -> io::Result<Staged> {
        let staged = Staged::write(target, bytes, 0o600)?;
        rewrite::keep(staged.file(), &fs::metadata(self.config)?)?;
        Ok(staged)
    }
}

const CHANGED: &str = "has changed meanwhile and stays in place; the next run loads it";

/// What to do with the file after a run that proved nothing.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// It stays; the line to print.
    Stays(Option<&'static str>),
    /// HAProxy rejected it.
    Refused,
}

/// Judges the file with the fingerprint `now.refused`; the last good one is `now.good`. `loaded` is what HAProxy
/// was asked to load, `before` the mark of an earlier rejection.
fn verdict(now: &Mark, loaded: Option<&str>, before: Option<&Mark>) -> Verdict {
    let is_loaded = loaded == Some(&now.refused);
    // This run or a killed one restored it to be tried again, and failed.
    let is_known = before.is_some_and(|before| before.refused == now.refused);
    match loaded {
        _ if now.refused == now.good => Verdict::Stays(None),
        _ if is_loaded || is_known => Verdict::Refused,
        Some(_) => Verdict::Stays(Some(CHANGED)),
        None => Verdict::Stays(None),
    }
}

/// Whether the file at `path` has these bytes.
fn holds(path: &Path, expected: &str) -> bool {
    regular_file::read(path, CONFIG_MAX).is_ok_and(|bytes| fingerprint(&bytes) == expected)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(err) if err.kind() != io::ErrorKind::NotFound => Err(err),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(refused: &str, good: &str) -> Mark {
        Mark { config: "/c".into(), refused: refused.to_owned(), good: good.to_owned() }
    }

    #[test]
    fn a_file_that_haproxy_was_asked_to_load_is_rejected() {
        assert_eq!(verdict(&mark("z", "x"), Some("z"), None), Verdict::Refused);
        assert_eq!(verdict(&mark("z", ""), Some("z"), Some(&mark("y", "x"))), Verdict::Refused);
    }

    #[test]
    fn a_file_that_was_written_meanwhile_stays() {
        assert_eq!(verdict(&mark("w", "x"), Some("z"), None), Verdict::Stays(Some(CHANGED)));
        assert_eq!(verdict(&mark("w", "x"), Some("z"), Some(&mark("z", "x"))), Verdict::Stays(Some(CHANGED)));
    }

    #[test]
    fn a_file_that_was_not_loaded_stays_unless_it_was_rejected_before() {
        assert_eq!(verdict(&mark("z", "x"), None, None), Verdict::Stays(None));
        assert_eq!(verdict(&mark("z", "x"), None, Some(&mark("y", "x"))), Verdict::Stays(None));
        assert_eq!(verdict(&mark("z", "x"), None, Some(&mark("z", "x"))), Verdict::Refused);
    }

    #[test]
    fn the_last_good_file_stays() {
        assert_eq!(verdict(&mark("x", "x"), Some("x"), Some(&mark("x", "x"))), Verdict::Stays(None));
    }
}
