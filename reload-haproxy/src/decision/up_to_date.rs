//! Whether the worker runs the file, from the file, the worker and the note.
//!
//! A revision that the worker reports proves what it loaded, unless the file was edited by hand and the revision
//! was left in it. So a file that changed after the worker started counts as different, even with the same
//! revision, unless the note has the fingerprint of its bytes.

use std::time::{Duration, SystemTime};

use crate::config::content::revision;
use crate::config::file::Config;
use crate::haproxy::instance::Worker;
use crate::servers::reason::Reason;
use crate::state::note::Note;

/// A worker starts after its file was read. Without a revision, a file counts as the one that it read only if it
/// had not changed for this long before: HAProxy reads for a few seconds at most.
const REST: Duration = Duration::from_secs(10);

/// The start of a process is known to a clock tick, the time of a file to a timer tick. Closer times are equal.
const GRAIN: Duration = Duration::from_millis(20);

/// Returns how it is known that the worker runs the file, or why HAProxy must load it. `born` is the worker's
/// start on the clock of files.
pub(crate) fn up_to_date(
    config: &Config,
    worker: &Worker,
    born: SystemTime,
    note: Option<&Note>,
) -> Result<String, Reason> {
    let pid = worker.pid;
    let running = worker.description.as_deref().and_then(revision);
    let note = note.filter(|note| note.is_about(worker));
    let vouched = note.map(|note| note.fingerprint == config.fingerprint() && !note.is_begun);
    if vouched == Some(true) {
        return Ok(format!("worker {pid} runs this file"));
    }
    match (config.facts.revision.clone(), running) {
        (Some(wanted), Some(running)) if wanted != running => {
            Err(Reason::OtherRevision { wanted, pid, running })
        }
        (Some(wanted), None) if worker.description.is_some() => Err(Reason::NoRevision { wanted, pid }),
        _ if vouched == Some(false) => Err(Reason::Changed(pid)),
        (Some(wanted), Some(_)) if config.changed <= born + GRAIN => {
            Ok(format!("worker {pid} runs {wanted}"))
        }
        (None, None) if config.changed + REST <= born => {
            Ok(format!("worker {pid} started after the file last changed"))
        }
        _ => Err(Reason::MayHaveChanged(pid)),
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
    fn the_same_revision_in_an_older_file_is_up_to_date() {
        assert!(up_to_date(&config(Some(A)), &worker(A), at(101), None).is_ok());
    }

    #[test]
    fn a_file_edited_by_hand_is_different_even_with_the_same_revision() {
        assert!(up_to_date(&config(Some(A)), &worker(A), at(99), None).is_err());
        let mut edited = config(Some(A));
        let note = Note::default().renewed(&edited, &worker(A));
        edited.hash = "g".to_owned().into();
        assert!(up_to_date(&edited, &worker(A), at(101), Some(&note)).is_err());
    }

    #[test]
    fn a_different_revision_or_none_is_a_reload_and_the_reason_names_both() {
        let reason = Reason::OtherRevision { wanted: A.to_owned(), pid: 7, running: B.to_owned() };
        assert_eq!(up_to_date(&config(Some(A)), &worker(B), at(101), None), Err(reason));
        assert!(up_to_date(&config(Some(A)), &worker("a lab"), at(101), None).is_err());
        assert!(up_to_date(&config(None), &worker(A), at(101), None).is_err());
    }

    #[test]
    fn a_note_counts_only_for_the_worker_that_it_is_about() {
        let config = config(None);
        let note = Note::default().renewed(&config, &worker(""));
        assert!(up_to_date(&config, &worker(""), at(0), Some(&note)).is_ok());
        let other = Worker { birth: Duration::from_secs(500), ..worker("") };
        assert!(up_to_date(&config, &other, at(0), Some(&note)).is_err());
    }

    #[test]
    fn without_a_revision_only_a_file_unchanged_for_long_is_up_to_date() {
        assert!(up_to_date(&config(None), &worker(""), at(111), None).is_ok());
        assert!(up_to_date(&config(None), &worker(""), at(105), None).is_err());
    }
}
