//! The file of `--log-state`: the known faults, kept from one run to the next.
//!
//! The file has a line for each fault: when it was logged (seconds since 1970), the length of the log then, a hash of
//! all lines of the fault, whether its end has been logged, and its first line. A fault is appended when it is logged, so a run that is killed has
//! remembered it. A run that reaches its end replaces the file. If the file is missing or damaged, the log only repeats
//! some lines.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use nix::fcntl::OFlag;

use crate::failure::Failure;
use crate::regular_file;
use crate::replace::Staged;

use super::known::{Entry, Known, key};
use super::printable::{printable, truncate};

/// A larger file is not ours.
const FILE_MAX: u64 = 1 << 20;
/// The most faults that are kept, the latest first.
const FAULTS_MAX: usize = 1000;
/// The most characters of a fault's line.
const LINE_MAX: usize = 500;
const MODE: u32 = 0o640;
/// How the file marks a fault whose end has been logged.
const ENDED: &str = "ended";

/// The known faults, and the file that keeps them.
#[derive(Debug)]
pub(super) struct LogState {
    path: PathBuf,
    known: Known,
    /// Whether the file differs from `known`.
    is_changed: bool,
}

impl LogState {
    /// Reads the file. If the log is shorter than it was when a fault was logged, it has been rotated, and that fault
    /// must be logged again.
    pub(super) fn read(path: &Path, log_length: u64) -> LogState {
        let bytes = refuse_symlink(path).and_then(|()| regular_file::read(path, FILE_MAX));
        let (mut known, is_changed) = match bytes {
            Ok(bytes) => (parse(&String::from_utf8_lossy(&bytes)), false),
            Err(err) if err.kind() == ErrorKind::NotFound => (Known::default(), false),
            Err(_) => {
                // Otherwise a file that is too large would grow for ever. If it cannot be removed, replacing it fails
                // too, and that is reported.
                let _ = fs::remove_file(path);
                (Known::default(), true)
            }
        };
        for entry in known.faults.values_mut().filter(|entry| entry.log_length > log_length) {
            entry.reported = SystemTime::UNIX_EPOCH;
        }
        LogState { path: path.to_owned(), known, is_changed }
    }

    /// Whether a run within the hour, or this one, has met faults.
    pub(super) fn knows_faults(&self) -> bool {
        !self.known.faults.is_empty()
    }

    /// Whether `fault` must be logged now.
    pub(super) fn meet(&mut self, fault: &Failure, now: SystemTime) -> bool {
        self.known.meet(fault, now)
    }

    /// Remembers that `fault`, which was just met, has been logged, even if this run is killed.
    pub(super) fn logged(&mut self, fault: &Failure, log_length: u64) -> Result<(), String> {
        self.is_changed = true;
        let key = key(fault);
        let Some(entry) = self.known.faults.get_mut(&key) else { return Ok(()) };
        entry.log_length = log_length;
        let line = entry_line(key, entry);
        let mut open = OpenOptions::new();
        // Something may be in its place by now: a symlink must not be followed, and a pipe must not block.
        let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
        let file = open.append(true).create(true).mode(MODE).custom_flags(flags.bits()).open(&self.path);
        file.and_then(|mut file| file.write_all(line.as_bytes())).map_err(|err| self.cannot_write(&err))
    }

    /// Ends the run. If it `is_whole`, it has met every fault that lasts. Returns the lines of the faults that have
    /// ended.
    pub(super) fn end(&mut self, is_whole: bool, now: SystemTime) -> Vec<String> {
        let before = self.known.faults.len();
        let ended = if is_whole { self.known.end_round(now) } else { Vec::new() };
        if !is_whole {
            self.known.end_partial_round(now);
        }
        self.is_changed |= self.known.faults.len() != before || !ended.is_empty();
        ended
    }

    /// Writes the file, if it has changed.
    pub(super) fn save(&self) -> Result<(), String> {
        if !self.is_changed {
            return Ok(());
        }
        // Not synced: after a power failure the log only repeats some lines.
        let written = Staged::write(&self.path, text(&self.known).as_bytes(), MODE).and_then(Staged::rename);
        written.map_err(|err| self.cannot_write(&err))
    }

    fn cannot_write(&self, err: &io::Error) -> String {
        format!("cannot write '{}': {err}; until then the log repeats errors", self.path.display())
    }
}

/// In a directory that others may write, a symlink could point to any file.
fn refuse_symlink(path: &Path) -> io::Result<()> {
    if fs::symlink_metadata(path)?.is_symlink() { Err(io::Error::other("it is a symlink")) } else { Ok(()) }
}

fn text(known: &Known) -> String {
    let mut faults: Vec<(&u64, &Entry)> = known.faults.iter().collect();
    faults.sort_by_key(|(key, entry)| (std::cmp::Reverse(entry.reported), **key));
    faults.truncate(FAULTS_MAX);
    faults.into_iter().map(|(key, entry)| entry_line(*key, entry)).collect()
}

fn entry_line(key: u64, entry: &Entry) -> String {
    let time = entry.reported.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let length = entry.log_length;
    let state = if entry.has_ended { ENDED } else { "lasts" };
    format!("{time} {length} {key:016x} {state} {}\n", printable(&truncate(&entry.line, LINE_MAX)))
}

/// Parses the file. A damaged line is ignored. If two lines are for one fault, the later counts.
fn parse(text: &str) -> Known {
    let entry = |line: &str| {
        let mut fields = line.splitn(5, ' ');
        let seconds = fields.next()?.parse().ok()?;
        let time = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))?;
        let log_length = fields.next()?.parse().ok()?;
        let key = u64::from_str_radix(fields.next()?, 16).ok()?;
        let has_ended = fields.next()? == ENDED;
        let mut entry = Entry::new(time, fields.next()?.to_owned());
        (entry.log_length, entry.has_ended) = (log_length, has_ended);
        Some((key, entry))
    };
    Known { faults: text.lines().filter_map(entry).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Code;

    fn fault(line: &str) -> Failure {
        Failure::new(Code::Input, line)
    }

    #[test]
    fn a_run_that_is_killed_has_remembered_what_it_logged() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        let now = SystemTime::now();
        let mut killed = LogState::read(&path, 0);
        assert!(killed.meet(&fault("a"), now));
        killed.logged(&fault("a"), 10).unwrap();
        drop(killed);
        let mut next = LogState::read(&path, 10);
        assert!(!next.meet(&fault("a"), now));
        assert!(next.meet(&fault("b"), now));
    }

    #[test]
    fn a_new_log_gets_the_faults_that_last_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        let now = SystemTime::now();
        let mut state = LogState::read(&path, 0);
        state.meet(&fault("a"), now);
        state.logged(&fault("a"), 10).unwrap();
        assert!(LogState::read(&path, 9).meet(&fault("a"), now));
        assert!(!LogState::read(&path, 10).meet(&fault("a"), now));
    }

    #[test]
    fn a_damaged_file_is_read_as_far_as_possible() {
        let text = "x\n\n99999999999999999999 0 0 far\n18446744073709551615 0 0 far\n12 0 zz no\n12 5 00ff lasts a b\n13";
        let known = parse(text);
        assert_eq!(known.faults.len(), 1);
        assert_eq!(known.faults[&0xff].line, "a b");
    }

    #[test]
    fn a_file_in_its_place_that_cannot_be_one_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let mut state = LogState::read(&path, 0);
        assert!(state.meet(&fault("a"), SystemTime::now()));
        state.save().unwrap();
        assert_eq!(LogState::read(&path, 0).known.faults.len(), 1);
    }

    #[test]
    fn a_symlink_in_its_place_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (path, other) = (dir.path().join("state"), dir.path().join("other"));
        crate::replace::replace(&other, b"other\n", 0o600).unwrap();
        for is_early in [true, false] {
            let link = || std::os::unix::fs::symlink(&other, &path).unwrap();
            if is_early {
                link();
            }
            let mut state = LogState::read(&path, 0);
            state.meet(&fault("a"), SystemTime::now());
            if !is_early {
                link();
            }
            assert_eq!(state.logged(&fault("a"), 1).is_ok(), is_early);
            assert_eq!(fs::read(&other).unwrap(), b"other\n");
            fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn the_file_is_bounded() {
        let mut known = Known::default();
        for number in 0..2 * FAULTS_MAX {
            known.meet(&fault(&format!("{number} {}", "ü".repeat(3000))), SystemTime::now());
        }
        let text = text(&known);
        assert_eq!(text.lines().count(), FAULTS_MAX);
        assert!(text.len() < 2 * FAULTS_MAX * (LINE_MAX + 50));
    }
}
