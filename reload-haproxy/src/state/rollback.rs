//! What becomes of a file that HAProxy did not take: the last good one goes back to its place, so that the
//! next start of HAProxy works, and the refused one stays beside it and is tried again by the next run.
//!
//! A run may be killed between any two steps, so a mark says first which refused bytes belong to which good
//! ones, and a file counts only as far as its bytes are those that the mark names. A file that somebody
//! wrote meanwhile is neither of them: it is left alone, and it is what the next run tries.

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

/// The way back from a file that HAProxy does not take.
pub(crate) struct Rollback<'a> {
    state: &'a StateDir,
    /// Symlinks resolved.
    config: &'a Path,
    refused: PathBuf,
    /// How long to wait for others that write the file.
    patience: Duration,
}

impl<'a> Rollback<'a> {
    /// For the file at `config`, symlinks resolved. Others that write it are waited for as long as `patience`.
    pub(crate) fn new(state: &'a StateDir, config: &'a Path, patience: Duration) -> Rollback<'a> {
        Rollback { state, config, refused: rollback_marks::refused_path(config), patience }
    }

    /// The refused file that is to be tried again: the last good one stands in its place, as it was put there.
    pub(crate) fn due(&self) -> Option<&Path> {
        let mark = self.state.mark()?;
        let good = self.state.last_good().map(|good| fingerprint(&good));
        let is_due = rollback_marks::is_put_back(self.config)
            && good.as_ref() == Some(&mark.good)
            && holds(self.config, &mark.good)
            && holds(&self.refused, &mark.refused);
        is_due.then_some(&self.refused)
    }

    /// Puts the refused file back to its place, to be tried again. It stays beside it, too.
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

    /// Puts the last good file back if the refused one stands in its place. `told` is the SHA-256 of what
    /// HAProxy was told to load. Gives what there is to say.
    pub(crate) fn put_back(&self, told: Option<&str>) -> Option<String> {
        let path = self.config.display();
        self.roll_back(told)
            .unwrap_or_else(|err| Some(format!("cannot restore the last good file to '{path}': {err}")))
    }

    /// Forgets the refused file: HAProxy runs the one that stands in its place.
    pub(crate) fn forget(&self) -> Result<(), Failure> {
        let Some(mark) = self.state.mark() else { return Ok(()) };
        let refuse = |path: &Path, err| {
            Failure::new(Code::Files, format!("cannot remove '{}': {err}", path.display()))
        };
        // Other bytes are somebody's own.
        if holds(&self.refused, &mark.refused) {
            remove(&self.refused).map_err(|err| refuse(&self.refused, err))?;
        }
        remove(self.state.mark_path()).map_err(|err| refuse(self.state.mark_path(), err))
    }

    /// `told` is what HAProxy was told to load. Gives what there is to say.
    fn roll_back(&self, told: Option<&str>) -> io::Result<Option<String>> {
        let now = regular_file::read(self.config, CONFIG_MAX)?;
        let good = self.state.last_good();
        let mark = Mark {
            config: self.config.to_owned(),
            refused: fingerprint(&now),
            good: good.as_deref().map(fingerprint).unwrap_or_default(),
        };
        let verdict = verdict(&mark, told, self.state.mark().as_ref());
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
                "the last good file is restored to '{path}', the rejected one is '{beside}'; the next run tries it again"
            ),
            Some(Written::InPlace) => format!(
                "the last good file is restored to '{path}' (in place, because it is a mount point), the rejected \
                 one is '{beside}'; the next run tries it again"
            ),
            None => format!("'{path}' {CHANGED}"),
        })
    }

    /// Gives the configuration other bytes, and perhaps another time, if it still holds those of the
    /// fingerprint `old`.
    fn exchange(&self, old: &str, new: &[u8], time: Option<SystemTime>) -> io::Result<Option<Written>> {
        let lock = rewrite::lock(self.config, self.patience)?;
        let _lock = lock.ok_or_else(|| io::Error::other("another program holds its lock"))?;
        let staged = self.stage(self.config, new)?;
        let set = |file: &File| time.map_or(Ok(()), |time| file.set_modified(time));
        set(staged.file())?;
        staged.file().sync_all()?;
        // The last look: nobody who takes the lock writes from here on.
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

/// What becomes of the file that stands there after a run that proved nothing.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// It stays; what to say of it.
    Stays(Option<&'static str>),
    /// HAProxy did not take it.
    Refused,
}

/// Judges the file of the fingerprint `now.refused`, with `now.good` as the last good one. `told` is what
/// HAProxy was told to load, `before` the mark of an earlier refusal.
fn verdict(now: &Mark, told: Option<&str>, before: Option<&Mark>) -> Verdict {
    let is_told = told == Some(&now.refused);
    // It was put back to be tried again, by this run or by one that was killed: whatever went wrong then.
    let is_known = before.is_some_and(|before| before.refused == now.refused);
    match told {
        _ if now.refused == now.good => Verdict::Stays(None),
        _ if is_told || is_known => Verdict::Refused,
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
    fn the_file_that_haproxy_was_told_to_load_is_the_refused_one() {
        assert_eq!(verdict(&mark("z", "x"), Some("z"), None), Verdict::Refused);
        assert_eq!(verdict(&mark("z", ""), Some("z"), Some(&mark("y", "x"))), Verdict::Refused);
    }

    #[test]
    fn a_file_that_was_written_meanwhile_stays() {
        assert_eq!(verdict(&mark("w", "x"), Some("z"), None), Verdict::Stays(Some(CHANGED)));
        assert_eq!(verdict(&mark("w", "x"), Some("z"), Some(&mark("z", "x"))), Verdict::Stays(Some(CHANGED)));
    }

    #[test]
    fn a_file_that_haproxy_was_not_told_to_load_stays_unless_it_was_refused_before() {
        assert_eq!(verdict(&mark("z", "x"), None, None), Verdict::Stays(None));
        assert_eq!(verdict(&mark("z", "x"), None, Some(&mark("y", "x"))), Verdict::Stays(None));
        assert_eq!(verdict(&mark("z", "x"), None, Some(&mark("z", "x"))), Verdict::Refused);
    }

    #[test]
    fn the_last_good_file_itself_stays_whatever_happens() {
        assert_eq!(verdict(&mark("x", "x"), Some("x"), Some(&mark("x", "x"))), Verdict::Stays(None));
    }
}
