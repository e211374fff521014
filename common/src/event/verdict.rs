//! Whether an event fits the records: what `--verdict` prints.
//!
//! Serf can lose events, so a caller asks for the whole list from time to time. An event that does not fit shows that one
//! was lost, or that the agent has just started. Then the caller asks at once.

use std::env;
use std::io::{self, Write};
use std::time::{Duration, SystemTime};

use crate::failure::{Code, Failure};

/// A record that was written within this time may come from a list that is newer than the event. An event waits while the
/// handler works on an earlier one, and that call may ask for a list.
const SETTLED: Duration = Duration::from_secs(60);

/// What an event meant for the records. The greater of two counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// The records were already as the event says.
    #[default]
    Unchanged,
    /// The event changed records, as it does if no event before it was lost.
    Changed,
    /// The event does not fit, or was not understood as a whole. Only the whole list shows what is right.
    Doubtful,
}

impl Verdict {
    /// Keeps the greater of this verdict and another one.
    pub fn add(&mut self, other: Verdict) {
        *self = (*self).max(other);
    }

    /// Makes the verdict doubtful if the payload is empty or its last line was cut off, as when the agent stops.
    pub fn add_payload(&mut self, payload: &[u8]) {
        if payload.last() != Some(&b'\n') {
            self.add(Verdict::Doubtful);
        }
    }

    /// The verdict on an event that replaces or removes a record. `written` is when the record was written.
    pub fn on_changed(written: Option<SystemTime>) -> Verdict {
        // A time in the future tells nothing.
        let age = written.and_then(|written| SystemTime::now().duration_since(written).ok());
        if age.is_some_and(|age| age >= SETTLED) { Verdict::Changed } else { Verdict::Doubtful }
    }

    /// Prints it as one word. Fails if stdout cannot be written.
    pub fn print(self) -> Result<(), Failure> {
        let word = match self {
            Verdict::Unchanged => "unchanged",
            Verdict::Changed => "changed",
            Verdict::Doubtful => "doubtful",
        };
        let mut stdout = io::stdout();
        let written = writeln!(stdout, "{word}").and_then(|()| stdout.flush());
        written.map_err(|err| Failure::new(Code::Files, format!("cannot write 'stdout': {err}")))
    }
}

/// The name of the agent that calls the handler, from `SERF_SELF_NAME`. Its own join shows that it has just started, and
/// its own leave that it stops.
pub fn own_name() -> Option<String> {
    env::var("SERF_SELF_NAME").ok().filter(|name| !name.is_empty())
}

/// The event that Serf calls its handler for, from `SERF_EVENT`.
pub fn kind() -> Option<String> {
    env::var("SERF_EVENT").ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_counts() {
        let mut verdict = Verdict::default();
        verdict.add(Verdict::Changed);
        verdict.add(Verdict::Unchanged);
        assert_eq!(verdict, Verdict::Changed);
        verdict.add_payload(b"a\t10.0.0.1\t\t\n");
        assert_eq!(verdict, Verdict::Changed);
        verdict.add_payload(b"a\t10.0");
        assert_eq!(verdict, Verdict::Doubtful);
    }

    #[test]
    fn a_record_that_was_just_written_may_be_newer_than_the_event() {
        let now = SystemTime::now();
        assert_eq!(Verdict::on_changed(Some(now - SETTLED)), Verdict::Changed);
        for young in [None, Some(now), Some(now - SETTLED / 2), Some(now + SETTLED)] {
            assert_eq!(Verdict::on_changed(young), Verdict::Doubtful, "{young:?}");
        }
    }

    #[test]
    fn an_empty_payload_is_doubtful() {
        let mut verdict = Verdict::default();
        verdict.add_payload(b"");
        assert_eq!(verdict, Verdict::Doubtful);
    }
}
