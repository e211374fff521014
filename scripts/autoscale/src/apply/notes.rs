//! What is remembered from one look to the next: one file, replaced as a whole.
//!
//! Times are counted from the start of the machine, so notes of another start are ignored, as are notes that cannot be
//! read. Then a command may run without a pause, and a server that drains is never stopped. That is the safe side.

use std::path::{Path, PathBuf};

use common::failure::{Code, Failure};
use common::regular_file;
use common::replace::Staged;
use serde::{Deserialize, Serialize};

use super::decision::attempts::Attempts;
use super::decision::victim::Victim;
use super::running::Running;
use crate::clock;
use crate::sizing::look::Millis;

/// Much larger than any notes.
const NOTES_MAX: u64 = 64 << 10;

const MODE: u32 = 0o640;

/// The content of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Notes {
    /// The start of the machine to which all times belong.
    boot: String,
    pub(crate) attempts: Attempts,
    /// The server that is chosen to go.
    pub(crate) victim: Option<Victim>,
    /// The command that runs. It is still here if this program was killed meanwhile.
    pub(crate) running: Option<Running>,
}

/// The notes and their file.
#[derive(Debug)]
pub(crate) struct NotesFile {
    path: PathBuf,
    /// What is in the file.
    written: Notes,
    pub(crate) notes: Notes,
    /// Whether writing has failed. It is reported only once.
    pub(crate) has_failed: bool,
}

impl NotesFile {
    /// Reads the notes in a state directory.
    pub(crate) fn read(directory: &Path, now: Millis) -> NotesFile {
        let path = directory.join("autoscale-run.json");
        let bytes = regular_file::read(&path, NOTES_MAX).unwrap_or_default();
        let written = parse(&bytes, now).unwrap_or(Notes { boot: clock::boot(), ..Notes::default() });
        NotesFile { path, notes: written.clone(), written, has_failed: false }
    }

    /// Writes the notes if they have changed. The file is not synced, because its times mean nothing after a restart of the
    /// machine.
    pub(crate) fn write(&mut self) -> Result<(), Failure> {
        if self.notes == self.written {
            return Ok(());
        }
        let bytes = serde_json::to_vec(&self.notes).expect("strings and numbers are always JSON");
        Staged::write(&self.path, &bytes, MODE).and_then(Staged::rename).map_err(|err| {
            self.has_failed = true;
            let shown = self.path.display();
            let line = format!("cannot write '{shown}': {err}; see ROLLCALL_STATE_DIR (is the disk full?)");
            Failure::new(Code::Files, line)
        })?;
        self.written = self.notes.clone();
        Ok(())
    }
}

/// The notes, if they may be of this start of the machine.
fn parse(bytes: &[u8], now: Millis) -> Option<Notes> {
    let notes: Notes = serde_json::from_slice(bytes).ok()?;
    let is_plausible = notes.boot == clock::boot()
        && notes.attempts.are_plausible(now)
        && notes.victim.as_ref().is_none_or(|victim| victim.is_plausible(now));
    is_plausible.then_some(notes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_come_back_and_spoiled_ones_are_ignored() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = NotesFile::read(dir.path(), 5);
        assert!(!dir.path().join("autoscale-run.json").exists());
        file.notes.running = Some(Running { process: 7, started: 8, goal: "scale".into(), until: 9 });
        file.write().unwrap();
        assert_eq!(NotesFile::read(dir.path(), 5).notes, file.notes);
        let good = String::from_utf8(std::fs::read(&file.path).unwrap()).unwrap();
        for bad in [
            "",
            "{",
            "[]",
            "\0",
            &good[..20],
            &good.replace(&clock::boot(), "x"),
            &good.replace("attempts", "x"),
        ] {
            common::replace::replace(&file.path, bad.as_bytes(), 0o640).unwrap();
            assert_eq!(NotesFile::read(dir.path(), 5).notes.running, None, "{bad}");
        }
    }

    #[test]
    fn a_time_that_is_to_come_is_ignored() {
        let notes = r#"{"boot":"BOOT","victim":{"name":"s1","since":6,"idle":0,"phase":"draining"}}"#;
        let notes = notes.replace("BOOT", &clock::boot());
        assert!(parse(notes.as_bytes(), 6).is_some());
        assert_eq!(parse(notes.as_bytes(), 5), None);
        assert_eq!(parse(notes.replace("s1", "-s1").as_bytes(), 6), None);
    }
}
