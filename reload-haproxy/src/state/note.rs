//! The note about what was last proven loaded: which bytes, by which worker; and the mark of a rejected file.
//!
//! If it is lost, a reload writes it again. Pids are reused, so a worker is the same one only if both its pid and
//! its start are the same.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::file::Config;
use crate::haproxy::instance::Worker;

/// HAProxy reports ages in whole seconds.
const BIRTH_TOLERANCE: Duration = Duration::from_secs(2);

/// Servers that are in maintenance because they were removed, as `backend/server`, with their options.
pub(crate) type Parked = BTreeMap<String, String>;

/// What was last proven loaded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Note {
    /// The configuration file, for people who read the note.
    pub(crate) config: PathBuf,
    /// SHA-256 of the file's bytes.
    pub(crate) fingerprint: String,
    /// The worker that took them.
    pub(crate) pid: i32,
    /// Its start, in milliseconds since the machine's.
    pub(crate) birth: u64,
    /// Whether a run has begun to change its servers and has not proven that it finished.
    #[serde(default)]
    pub(crate) is_begun: bool,
    /// Whether its servers differed from the file right after it was loaded: then they cannot be compared.
    #[serde(default)]
    pub(crate) is_unlike: bool,
    /// Servers that were removed since and are in maintenance.
    #[serde(default)]
    pub(crate) parked: Parked,
}

impl Note {
    /// The same note for `worker`, which runs `config` now.
    pub(crate) fn renewed(self, config: &Config, worker: &Worker) -> Note {
        Note {
            config: config.path.clone(),
            fingerprint: config.fingerprint().to_owned(),
            pid: worker.pid,
            birth: u64::try_from(worker.birth.as_millis()).unwrap_or(u64::MAX),
            is_begun: false,
            ..self
        }
    }

    /// Whether it is about this worker.
    pub(crate) fn is_about(&self, worker: &Worker) -> bool {
        let apart = Duration::from_millis(self.birth).abs_diff(worker.birth);
        self.pid == worker.pid && apart <= BIRTH_TOLERANCE
    }
}

/// Which rejected bytes belong to which good ones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark {
    /// The configuration file, for people who read the mark.
    pub(crate) config: PathBuf,
    /// SHA-256 of the bytes that HAProxy rejected.
    pub(crate) refused: String,
    /// SHA-256 of the last good bytes.
    pub(crate) good: String,
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::config::facts::ConfigFacts;

    #[test]
    fn a_reused_pid_is_a_different_worker() {
        let worker = |pid, birth| Worker { pid, birth: Duration::from_millis(birth), ..Worker::default() };
        let config = Config::with(ConfigFacts::default(), SystemTime::UNIX_EPOCH);
        let note = Note::default().renewed(&config, &worker(7, 10_000));
        assert!(note.is_about(&worker(7, 11_000)));
        assert!(!note.is_about(&worker(7, 20_000)));
        assert!(!note.is_about(&worker(8, 10_000)));
    }
}
