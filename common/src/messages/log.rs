//! The log of one program: the file of `--log`, and with `--log-state` which faults it has already.

use std::fs::File;
use std::io::Write;
use std::mem;
use std::path::Path;
use std::time::SystemTime;

use crate::failure::{Code, Failure};

use super::log_file;
use super::log_state::LogState;

/// The log of a run. Lines have been made printable before they are passed to it.
#[derive(Debug)]
pub(super) struct Log {
    program: &'static str,
    /// `None` without --log, and after the file could not be written.
    file: Option<File>,
    /// The faults that earlier runs logged; `None` without --log-state.
    state: Option<LogState>,
    /// Lines about what was done. They are logged with the next fault, or when the run succeeds: a run that only fails
    /// as the last one did logs nothing.
    held: Vec<String>,
}

impl Log {
    /// A log that keeps nothing.
    pub(super) fn none(program: &'static str) -> Log {
        Log { program, file: None, state: None, held: Vec::new() }
    }

    /// Opens the file at `path` for appending.
    pub(super) fn open(program: &'static str, path: &Path) -> Result<Log, Failure> {
        let file = log_file::open(path).map_err(|err| {
            Failure::new(Code::Files, format!("cannot open log '{}': {err}", path.display()))
        })?;
        Ok(Log { file: Some(file), ..Log::none(program) })
    }

    /// Reads which faults the log has, from the file at `path`. Without a log there is nothing to know.
    pub(super) fn read_state(&mut self, path: &Path) {
        self.state = self.file.as_ref().map(|file| LogState::read(path, log_file::length(file)));
    }

    /// Notes that this run has met `fault`. Returns whether it must be logged now.
    pub(super) fn meet(&mut self, fault: &Failure) -> bool {
        self.state.as_mut().is_none_or(|state| state.meet(fault, SystemTime::now()))
    }

    /// Remembers for the next runs that the log has `fault`. Returns a message if that fails; then nothing is
    /// remembered.
    pub(super) fn logged(&mut self, fault: &Failure) -> Result<(), String> {
        let Some(mut state) = self.state.take() else { return Ok(()) };
        let Some(file) = &self.file else { return Ok(()) };
        state.logged(fault, log_file::length(file))?;
        self.state = Some(state);
        Ok(())
    }

    /// Logs a line, and before it the lines that were held.
    pub(super) fn add(&mut self, line: &str) -> Result<(), Failure> {
        self.release()?;
        self.append(&log_file::entry(self.program, line))
    }

    /// Logs a line about what was done, or holds it if an earlier run or this one had faults.
    pub(super) fn add_or_hold(&mut self, line: &str) -> Result<(), Failure> {
        let entry = log_file::entry(self.program, line);
        if self.state.as_ref().is_some_and(LogState::knows_faults) {
            self.held.push(entry);
            return Ok(());
        }
        self.append(&entry)
    }

    /// Logs the lines that were held.
    pub(super) fn release(&mut self) -> Result<(), Failure> {
        let held = mem::take(&mut self.held).concat();
        self.append(&held)
    }

    /// Ends the run. If it `is_whole`, it has met every fault that lasts. Returns the lines of the faults that have
    /// ended, and the state, which must still be saved.
    pub(super) fn end(&mut self, is_whole: bool) -> Option<(LogState, Vec<String>)> {
        let mut state = self.state.take()?;
        let ended = state.end(is_whole, SystemTime::now());
        Some((state, ended))
    }

    /// Appends to the file. After an error nothing more is logged.
    fn append(&mut self, entries: &str) -> Result<(), Failure> {
        let Some(file) = &mut self.file else { return Ok(()) };
        file.write_all(entries.as_bytes()).map_err(|err| {
            self.file = None;
            Failure::new(Code::Files, format!("cannot write 'the log': {err}"))
        })
    }
}
