//! Reports the faults of the rounds: a program that renders every second must not report the same fault every second.

use std::time::SystemTime;

use common::failure::Failure;
use common::messages::{Known, Messages};

/// At most this many new faults are reported at a time. The others are only counted.
const REPORTED_MAX: usize = 100;

/// The faults that have been reported and still last.
#[derive(Debug, Default)]
pub(crate) struct Reported {
    known: Known,
}

impl Reported {
    /// Takes the faults of a round. Reports those that are new or an hour old or, if no fault is left, that `what`
    /// works again.
    pub(crate) fn report(&mut self, faults: Vec<Failure>, what: &str, messages: &mut Messages) {
        let (was_wrong, now) = (!self.known.have_all_ended(), SystemTime::now());
        let news: Vec<Failure> = faults.into_iter().filter(|fault| self.known.meet(fault, now)).collect();
        for fault in news.iter().take(REPORTED_MAX) {
            messages.warn(&fault.line);
            fault.more.iter().for_each(|line| messages.warn(line));
        }
        if news.len() > REPORTED_MAX {
            messages.warn(format!("{} more faults like these", news.len() - REPORTED_MAX));
        }
        self.known.end_round(now);
        if was_wrong && self.known.have_all_ended() {
            messages.warn(format!("{what} works again"));
        }
    }
}
