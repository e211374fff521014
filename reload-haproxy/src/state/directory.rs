//! The state directory: for each configuration file a note, a copy of the loaded bytes, the mark of a rejected file,
//! what was loaded of the files that it names, the host names of its certificates, the numbers of HAProxy's servers,
//! counters, and a lock.

use std::cell::RefCell;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use common::failure::{Code, Failure};
use common::lock;
use common::regular_file;
use common::replace::{Staged, replace};
use nix::fcntl::{Flock, OFlag};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::config::content::{fingerprint, owned_text};
use crate::config::file::{CONFIG_MAX, Config};
use crate::haproxy::instance::Worker;
use crate::state::begun;
use crate::state::certificate_hosts::CertificateHosts;
use crate::state::counter_file::CounterFile;
use crate::state::counters::Counters;
use crate::state::ids_file::IdsFile;
use crate::state::loaded_files::LoadedFiles;
use crate::state::note::{Mark, Note};
use crate::state::put::{cannot_write, put};

/// The note lists the parked servers with their options, as many as the file has.
const NOTE_MAX: u64 = CONFIG_MAX;

/// The time of a look is written only if it differs by more: a run with nothing to do then writes nothing.
const LOOK_GRAIN: Duration = Duration::from_secs(5);

/// The notes about one configuration file in the state directory.
#[derive(Debug)]
pub(crate) struct StateDir {
    note: PathBuf,
    copy: PathBuf,
    mark: PathBuf,
    counters: PathBuf,
    /// Its time is that of the last run that began. It marks changes that are under way.
    lock: PathBuf,
    /// An empty file. Its time is that of the last run that succeeded.
    success: PathBuf,
    /// What this run has done.
    counted: RefCell<Counters>,
    files: PathBuf,
    hosts: PathBuf,
    pub(crate) ids: IdsFile,
    /// Held while a run is at work.
    held: Option<Flock<File>>,
}

impl StateDir {
    /// Creates the directory if it is missing (mode 0750) and takes the lock of the file at `config`,
    /// waiting at most `timeout`.
    pub(crate) fn lock(directory: &Path, config: &Path, timeout: Duration) -> Result<StateDir, Failure> {
        let refuse =
            |verb, err| Failure::new(Code::Files, format!("cannot {verb} '{}': {err}", directory.display()));
        let made = DirBuilder::new().recursive(true).mode(0o750).create(directory);
        made.map_err(|err| refuse("create", err))?;
        let unlocked = StateDir::read_only(directory, config);
        let file = touch(&unlocked.lock, 0o600).map_err(|err| refuse("lock", err))?;
        let lock = lock::exclusive(file, timeout).map_err(|err| refuse("lock", err))?;
        match lock {
            Some(lock) => Ok(StateDir { held: Some(lock), ..unlocked }),
            None => {
                let line = format!(
                    "cannot lock '{}': another run has held it for {timeout:?}; see --lock-timeout",
                    directory.display()
                );
                Err(Failure::new(Code::Lock, line))
            }
        }
    }

    /// The notes without the lock, only to read them.
    pub(crate) fn read_only(directory: &Path, config: &Path) -> StateDir {
        let key = key(config);
        StateDir {
            note: directory.join(format!("{key}.json")),
            copy: directory.join(format!("{key}.loaded")),
            mark: directory.join(format!("{key}.refused")),
            counters: directory.join(format!("{key}.counters")),
            lock: directory.join(format!("{key}.lock")),
            success: directory.join(format!("{key}.success")),
            counted: RefCell::default(),
            files: directory.join(format!("{key}.files")),
            hosts: directory.join(format!("{key}.hosts")),
            ids: IdsFile::new(directory.join(format!("{key}.ids"))),
            held: None,
        }
    }

    /// The note, if there is one that can be read.
    pub(crate) fn note(&self) -> Option<Note> {
        let note: Note = serde_json::from_slice(&regular_file::read(&self.note, NOTE_MAX).ok()?).ok()?;
        let is_begun = note.is_begun || begun::is_marked(&self.lock, &note);
        Some(Note { is_begun, ..note })
    }

    /// The note, if it is about this worker.
    pub(crate) fn note_about(&self, worker: &Worker) -> Option<Note> {
        self.note().filter(|note| note.is_about(worker))
    }

    /// The text that the note is about, if there is a note about `worker`.
    pub(crate) fn loaded(&self, worker: &Worker) -> Option<String> {
        self.note_about(worker)?;
        self.last_good().map(owned_text)
    }

    /// The bytes that were last proven to run; their worker may have died since.
    pub(crate) fn last_good(&self) -> Option<Vec<u8>> {
        let copy = self.copy()?;
        // The note and the copy are written one after the other, so they may not belong together.
        self.note().filter(|note| note.fingerprint == fingerprint(&copy)).map(|_| copy)
    }

    /// The copy of the loaded bytes. It counts only if a note has its fingerprint.
    pub(crate) fn copy(&self) -> Option<Vec<u8>> {
        regular_file::read(&self.copy, CONFIG_MAX).ok()
    }

    /// Whether the copy has other bytes than the file. True if it cannot be read.
    pub(crate) fn has_other_copy(&self, config: &Config) -> bool {
        regular_file::open(&self.copy).and_then(|copy| config.differs(copy.take(CONFIG_MAX))).unwrap_or(true)
    }

    /// The files that the worker has loaded, if that is known.
    pub(crate) fn loaded_files(&self, worker: &Worker) -> Option<LoadedFiles> {
        LoadedFiles::parse(&regular_file::read(&self.files, NOTE_MAX).ok()?)
            .filter(|files| files.is_about(worker))
    }

    /// Remembers the files that the worker has loaded.
    pub(crate) fn remember_files(&self, files: LoadedFiles, worker: &Worker) -> Result<(), Failure> {
        put(&self.files, &files.of(worker).bytes(), 0o640)
    }

    /// The host names of certificates, as far as they are known.
    pub(crate) fn hosts(&self) -> CertificateHosts {
        regular_file::read(&self.hosts, NOTE_MAX)
            .map(|bytes| CertificateHosts::parse(&bytes))
            .unwrap_or_default()
    }

    /// Remembers the bytes of `CertificateHosts`.
    pub(crate) fn remember_hosts(&self, bytes: &[u8]) -> Result<(), Failure> {
        put(&self.hosts, bytes, 0o640)
    }

    /// The mark of a refused file, if there is one that can be read.
    pub(crate) fn mark(&self) -> Option<Mark> {
        serde_json::from_slice(&regular_file::read(&self.mark, NOTE_MAX).ok()?).ok()
    }

    /// The path of the mark.
    pub(crate) fn mark_path(&self) -> &Path {
        &self.mark
    }

    /// Marks a file as refused.
    pub(crate) fn set_mark(&self, mark: &Mark) -> io::Result<()> {
        replace(&self.mark, &json(mark), 0o640)
    }

    /// Counts something that this run has done.
    pub(crate) fn count(&self, count: impl FnOnce(&mut Counters)) {
        count(&mut self.counted.borrow_mut());
    }

    /// Adds what this run has counted to the counters.
    pub(crate) fn keep_counts(&self) -> io::Result<()> {
        let counted = self.counted.take();
        if counted == Counters::default() { Ok(()) } else { self.counters()?.add(&counted) }
    }

    /// The counters, locked.
    pub(crate) fn counters(&self) -> io::Result<CounterFile> {
        CounterFile::lock(&self.counters)
    }

    /// Notes that a run has succeeded now.
    pub(crate) fn note_success(&self) -> io::Result<()> {
        touch(&self.success, 0o640).map(drop)
    }

    /// When the last run began, and when the last run that succeeded ended; `None` if there was none.
    pub(crate) fn times(&self) -> [Option<SystemTime>; 2] {
        [&self.lock, &self.success].map(|path| fs::metadata(path).and_then(|file| file.modified()).ok())
    }

    /// Notes that server changes are about to begin, so that the next run reloads if this one is killed. Returns the copy of
    /// the file that will be loaded: if there is no room for it, nothing is changed.
    pub(crate) fn begin(&self, config: &Config, worker: &Worker) -> Result<Staged, Failure> {
        let copy = self.stage_copy(config)?;
        // Without a note the next run compares everything anyway.
        if let (Some(lock), Some(note)) = (&self.held, self.note_about(worker)) {
            begun::mark(lock, &note).map_err(|err| cannot_write(&self.lock, &err))?;
        }
        Ok(copy)
    }

    /// Writes a note after server changes that began with this copy.
    pub(crate) fn end(&self, copy: Staged, note: &Note) -> Result<(), Failure> {
        copy.rename().map_err(|err| cannot_write(&self.copy, &err))?;
        self.write(note)
    }

    /// Writes a note, and the bytes that it is about, unless it is already there.
    pub(crate) fn remember(&self, config: &Config, note: &Note) -> Result<(), Failure> {
        let before = self.note();
        if before.as_ref() == Some(note) {
            return Ok(());
        }
        // Mostly only the time of the last look differs.
        match before.and_then(|before| before.age_of_look(note)) {
            Some(age) if age < LOOK_GRAIN => Ok(()),
            Some(_) => self.write(note),
            None => self.end(self.stage_copy(config)?, note),
        }
    }

    /// Only the owner may read the copy: a configuration may hold passwords.
    fn stage_copy(&self, config: &Config) -> Result<Staged, Failure> {
        Staged::write(&self.copy, &config.bytes, 0o600).map_err(|err| cannot_write(&self.copy, &err))
    }

    fn write(&self, note: &Note) -> Result<(), Failure> {
        put(&self.note, &json(note), 0o640)?;
        self.held
            .as_ref()
            .map_or(Ok(()), |lock| begun::clear(lock))
            .map_err(|err| cannot_write(&self.lock, &err))
    }
}

/// Opens a file, creates it if it is missing, and sets its time to now. That is much quicker than writing a time.
fn touch(path: &Path, mode: u32) -> io::Result<File> {
    let mut open = OpenOptions::new();
    open.write(true).create(true).truncate(false).mode(mode).custom_flags(OFlag::O_NOFOLLOW.bits());
    let file = open.open(path)?;
    // A file of another user can be locked, but not be given a time.
    let _ = file.set_modified(SystemTime::now());
    Ok(file)
}

fn json(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = serde_json::to_vec(value).expect("strings and numbers are always JSON");
    bytes.push(b'\n');
    bytes
}

/// The file name for a configuration's path: its own name for people, and a hash to make it unique.
fn key(config: &Path) -> String {
    let hash = format!("{:x}", Sha256::digest(config.as_os_str().as_encoded_bytes()));
    let name = config.file_name().unwrap_or_default().to_string_lossy();
    format!("{name}-{}", &hash[..12])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_one_name_have_notes_of_their_own() {
        assert_ne!(key(Path::new("/a/haproxy.cfg")), key(Path::new("/b/haproxy.cfg")));
        assert!(key(Path::new("/a/haproxy.cfg")).starts_with("haproxy.cfg-"));
    }
}
