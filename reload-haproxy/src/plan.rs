//! What there is to do, from the file, the worker and the note: nothing, or a reload and why.
//!
//! A revision that the worker tells proves what it took, unless somebody edited the file by hand and
//! left the revision in it. So a file that changed after the worker began is another file, whatever it
//! says, until a note vouches for its very bytes.

use std::time::{Duration, SystemTime};

use crate::config::content::revision;
use crate::config::file::Config;
use crate::haproxy::instance::Worker;
use crate::state::note::Note;

/// A worker begins after its file was read. Without a revision, only a file that had been at rest for
/// this long before is believed to be the one that it read: reading takes HAProxy seconds at most.
const REST: Duration = Duration::from_secs(10);

/// A process's birth is known to a clock tick and the time of a file to a timer's: within this, they are
/// the same moment.
const GRAIN: Duration = Duration::from_millis(20);

/// What there is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// HAProxy runs the file; how that is known.
    Nothing(String),
    /// It does not, or nobody knows; why.
    Reload(String),
}

/// Decides. `born` is the worker's birth on the clock of files.
pub(crate) fn plan(config: &Config, worker: &Worker, born: SystemTime, note: Option<&Note>) -> Plan {
    let pid = worker.pid;
    let running = worker.description.as_deref().and_then(revision);
    let note = note.filter(|note| note.is_about(worker));
    let vouched = note.map(|note| note.fingerprint == config.fingerprint && !note.is_begun);
    if vouched == Some(true) {
        return Plan::Nothing(format!("worker {pid} runs this file"));
    }
    match (&config.facts.revision, running) {
        (Some(wanted), Some(running)) if *wanted != running => {
            Plan::Reload(format!("the file is {wanted}, worker {pid} runs {running}"))
        }
        (Some(wanted), None) if worker.description.is_some() => {
            Plan::Reload(format!("the file is {wanted}, worker {pid} runs one without a revision"))
        }
        _ if vouched == Some(false) => {
            Plan::Reload(format!("the file has changed since worker {pid} took it"))
        }
        (Some(wanted), Some(_)) if config.changed <= born + GRAIN => {
            Plan::Nothing(format!("worker {pid} runs {wanted}"))
        }
        (None, None) if config.changed + REST <= born => {
            Plan::Nothing(format!("worker {pid} began after the file last changed"))
        }
        _ => Plan::Reload(format!("the file may have changed since worker {pid} began")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::facts::ConfigFacts;

    const AT: u64 = 1_000_000;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(AT + seconds)
    }

    fn config(revision: Option<&str>) -> Config {
        let facts = ConfigFacts { revision: revision.map(str::to_owned), ..ConfigFacts::default() };
        Config::with(facts, at(100))
    }

    fn worker(description: &str) -> Worker {
        Worker {
            pid: 7,
            birth: Duration::from_secs(50),
            description: Some(description.to_owned()),
            ..Worker::default()
        }
    }

    const A: &str = "rollcall-aaaaaaaaaaaaaaaa";
    const B: &str = "rollcall-bbbbbbbbbbbbbbbb";

    #[test]
    fn the_same_revision_in_an_older_file_needs_nothing() {
        assert!(matches!(plan(&config(Some(A)), &worker(A), at(101), None), Plan::Nothing(_)));
    }

    #[test]
    fn a_file_edited_by_hand_is_another_file_though_its_revision_is_the_same() {
        assert!(matches!(plan(&config(Some(A)), &worker(A), at(99), None), Plan::Reload(_)));
        let mut edited = config(Some(A));
        let note = Note::default().renewed(&edited, &worker(A));
        edited.fingerprint = "g".to_owned();
        assert!(matches!(plan(&edited, &worker(A), at(101), Some(&note)), Plan::Reload(_)));
    }

    #[test]
    fn another_revision_or_none_is_a_reload_and_the_reason_names_both() {
        let reason = Plan::Reload(format!("the file is {A}, worker 7 runs {B}"));
        assert_eq!(plan(&config(Some(A)), &worker(B), at(101), None), reason);
        assert!(matches!(plan(&config(Some(A)), &worker("a lab"), at(101), None), Plan::Reload(_)));
        assert!(matches!(plan(&config(None), &worker(A), at(101), None), Plan::Reload(_)));
    }

    #[test]
    fn a_note_about_this_worker_settles_it_and_one_about_another_says_nothing() {
        let config = config(None);
        let note = Note::default().renewed(&config, &worker(""));
        assert!(matches!(plan(&config, &worker(""), at(0), Some(&note)), Plan::Nothing(_)));
        let other = Worker { birth: Duration::from_secs(500), ..worker("") };
        assert!(matches!(plan(&config, &other, at(0), Some(&note)), Plan::Reload(_)));
    }

    #[test]
    fn without_a_revision_only_a_file_long_at_rest_is_believed() {
        assert!(matches!(plan(&config(None), &worker(""), at(111), None), Plan::Nothing(_)));
        assert!(matches!(plan(&config(None), &worker(""), at(105), None), Plan::Reload(_)));
    }
}
