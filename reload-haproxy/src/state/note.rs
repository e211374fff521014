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

/// For so long after all servers were compared, a change looks only at the servers that it is about.
const COMPARED_MAX: Duration = Duration::from_secs(30);

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
    /// When all its servers were last compared with the file, in milliseconds since the machine's start: a wall clock can
    /// be set back.
    #[serde(default)]
    pub(crate) compared: Option<u64>,
}

impl Note {
    /// The same note for `worker`, which runs `config` now.
    pub(crate) fn renewed(self, config: &Config, worker: &Worker) -> Note {
        Note {
            config: config.path.clone(),
            fingerprint: config.fingerprint().to_owned(),
            is_begun: false,
            ..self.of(worker)
        }
    }

    /// The same note about this worker.
    pub(crate) fn of(self, worker: &Worker) -> Note {
        Note { pid: worker.pid, birth: milliseconds(worker.birth), ..self }
    }

    /// The same note after all servers were compared at a moment since the machine's start.
    pub(crate) fn compared_at(self, moment: Option<Duration>) -> Note {
        Note { compared: moment.map(milliseconds).or(self.compared), ..self }
    }

    /// How far the last looks of both are apart, if all else is the same.
    pub(crate) fn age_of_look(&self, other: &Note) -> Option<Duration> {
        let is_same = Note { compared: other.compared, ..self.clone() } == *other;
        let apart = self.compared.zip(other.compared).map(|(one, two)| one.abs_diff(two));
        is_same.then(|| apart.map_or(Duration::MAX, Duration::from_millis))
    }

    /// Whether all servers but a few may be taken to be as the file says: they were compared a short time before `now`, and
    /// every run since has ended well.
    pub(crate) fn may_look_at_few(&self, now: Duration) -> bool {
        let age = self.compared.and_then(|compared| milliseconds(now).checked_sub(compared));
        !self.is_begun
            && !self.is_unlike
            && age.is_some_and(|age| u128::from(age) <= COMPARED_MAX.as_millis())
    }

    /// Whether it is about this worker.
    pub(crate) fn is_about(&self, worker: &Worker) -> bool {
        let apart = Duration::from_millis(self.birth).abs_diff(worker.birth);
        self.pid == worker.pid && apart <= BIRTH_TOLERANCE
    }
}

fn milliseconds(moment: Duration) -> u64 {
    u64::try_from(moment.as_millis()).unwrap_or(u64::MAX)
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

    #[test]
    fn a_few_servers_are_enough_only_for_a_while_after_all_were_compared() {
        let at = Duration::from_secs;
        let note = Note::default().compared_at(Some(at(100)));
        assert_eq!(note.clone().compared_at(None), note);
        assert!(note.may_look_at_few(at(100)) && note.may_look_at_few(at(130)));
        assert!(!note.may_look_at_few(at(131)) && !note.may_look_at_few(at(99)));
        assert!(!Note::default().may_look_at_few(at(0)));
        assert!(!Note { is_begun: true, ..note.clone() }.may_look_at_few(at(101)));
        assert!(!Note { is_unlike: true, ..note }.may_look_at_few(at(101)));
    }
}
