//! Whether an event fits the records: what `--verdict` prints.
//!
//! Serf can lose events, so a caller asks for the whole list from time to time. An event that does not fit shows that one
//! was lost, or that the agent has just started. Then the caller asks at once.

use std::env;
use std::io::{self, Write};

use crate::failure::{Code, Failure};

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
    fn an_empty_payload_is_doubtful() {
        let mut verdict = Verdict::default();
        verdict.add_payload(b"");
        assert_eq!(verdict, Verdict::Doubtful);
    }
}
