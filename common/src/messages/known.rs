//! The faults that have been reported and still last.
//!
//! A timer and `render-cfg --watch` meet the same fault again and again. A fault is reported when it begins, once an
//! hour while it lasts, and when it ends, so that the log shows changes.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::mem;
use std::time::{Duration, SystemTime};

use crate::failure::Failure;

/// A fault that lasts is reported again after this time.
const REPEAT: Duration = Duration::from_secs(60 * 60);

/// The known faults, and which of them this round has met.
#[derive(Debug, Default)]
pub struct Known {
    pub(super) faults: HashMap<u64, Entry>,
}

/// A known fault.
#[derive(Debug)]
pub(super) struct Entry {
    /// When it was reported last.
    pub(super) reported: SystemTime,
    /// Its first line.
    pub(super) line: String,
    /// The length of the log after that report.
    pub(super) log_length: u64,
    /// Whether this round has met it.
    is_met: bool,
}

impl Entry {
    pub(super) fn new(reported: SystemTime, line: String) -> Entry {
        Entry { reported, line, log_length: 0, is_met: false }
    }

    /// A clock that was set back must not silence a fault, so a report in the future counts as old.
    fn is_old(&self, now: SystemTime) -> bool {
        now.duration_since(self.reported).is_ok_and(|age| age >= REPEAT) || now < self.reported
    }
}

impl Known {
    /// Notes that this round has met `fault`. Returns whether it must be reported now.
    pub fn meet(&mut self, fault: &Failure, now: SystemTime) -> bool {
        let key = key(fault);
        let is_due = self.faults.get(&key).is_none_or(|entry| entry.is_old(now));
        let entry = self.faults.entry(key).or_insert_with(|| Entry::new(now, fault.line.clone()));
        entry.is_met = true;
        if is_due {
            entry.reported = now;
        }
        is_due
    }

    /// Whether no fault is known.
    pub fn is_empty(&self) -> bool {
        self.faults.is_empty()
    }

    /// Ends a complete round: a fault that it has not met has ended. Forgets these and returns their lines, sorted.
    pub fn end_round(&mut self) -> Vec<String> {
        let (lasting, ended): (HashMap<_, _>, HashMap<_, _>) =
            mem::take(&mut self.faults).into_iter().partition(|(_, entry)| entry.is_met);
        self.faults = lasting;
        self.begin_round();
        let mut lines: Vec<String> = ended.into_values().map(|entry| entry.line).collect();
        lines.sort();
        lines
    }

    /// Ends a round that has not seen everything, because it ended early: a fault that it has not met may last. Forgets
    /// only those that were reported an hour ago.
    pub fn end_partial_round(&mut self, now: SystemTime) {
        self.faults.retain(|_, entry| entry.is_met || !entry.is_old(now));
        self.begin_round();
    }

    fn begin_round(&mut self) {
        self.faults.values_mut().for_each(|entry| entry.is_met = false);
    }
}

/// A hash of a fault without its process ids, which differ each time.
pub(super) fn key(fault: &Failure) -> u64 {
    let mut hasher = DefaultHasher::new();
    without_numbers(&fault.line, &["worker ", "master "]).hash(&mut hasher);
    for line in &fault.more {
        // Daemons print their process id in parentheses in every line.
        without_numbers(line, &["(", "worker ", "master "]).hash(&mut hasher);
    }
    hasher.finish()
}

/// `line` without the digits that follow one of `marks`.
fn without_numbers(line: &str, marks: &[&str]) -> String {
    marks.iter().fold(line.to_owned(), |line, mark| {
        let mut parts = line.split(mark);
        let mut kept = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            kept.push_str(mark);
            kept.push_str(part.trim_start_matches(|c: char| c.is_ascii_digit()));
        }
        kept
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Code;

    /// The lines of a round that must be reported.
    fn round(known: &mut Known, lines: &[&str], now: SystemTime) -> Vec<String> {
        let faults = lines.iter().map(|line| Failure::new(Code::Input, line));
        faults.filter(|fault| known.meet(fault, now)).map(|fault| fault.line).collect()
    }

    #[test]
    fn a_fault_is_reported_once_until_it_is_gone() {
        let (mut known, now) = (Known::default(), SystemTime::now());
        assert_eq!(round(&mut known, &["b", "a"], now), ["b", "a"]);
        assert!(known.end_round().is_empty());
        assert!(round(&mut known, &["a", "b"], now).is_empty());
        assert!(known.end_round().is_empty());
        assert_eq!(round(&mut known, &["b", "c"], now), ["c"]);
        assert_eq!(known.end_round(), ["a"]);
        assert_eq!(known.end_round(), ["b", "c"]);
        assert_eq!(round(&mut known, &["b"], now), ["b"]);
    }

    #[test]
    fn a_fault_that_lasts_is_reported_again_after_an_hour_and_after_a_clock_was_set_back() {
        let (mut known, now) = (Known::default(), SystemTime::now());
        let minutes = |count: u64| now + Duration::from_secs(60 * count);
        for (at, is_due) in [(0, true), (59, false), (60, true), (119, false), (10, true)] {
            assert_eq!(round(&mut known, &["a"], minutes(at)).len() == 1, is_due, "after {at} minutes");
            assert!(known.end_round().is_empty());
        }
    }

    #[test]
    fn a_round_that_ended_early_ends_no_fault() {
        let (mut known, now) = (Known::default(), SystemTime::now());
        round(&mut known, &["a"], now);
        known.end_partial_round(now);
        known.end_partial_round(now);
        assert!(round(&mut known, &["a"], now).is_empty());
        known.end_partial_round(now);
        known.end_partial_round(now + REPEAT);
        assert!(known.is_empty());
    }

    #[test]
    fn a_different_process_id_is_the_same_fault_and_a_different_line_is_not() {
        let fault = |line: &str, more: &str| {
            let line = format!("cannot use 'h': {line}");
            key(&Failure::new(Code::Haproxy, line).with_more([more.to_owned()]))
        };
        let first = fault("worker 12 died", "[ALERT]    (70) : config : parsing [h:2] : unreported keyword");
        let again =
            fault("worker 345 died", "[ALERT]    (123) : config : parsing [h:2] : unreported keyword");
        let other =
            fault("worker 345 died", "[ALERT]    (123) : config : parsing [h:3] : unreported keyword");
        assert_eq!(first, again);
        assert_ne!(first, other);
    }
}
