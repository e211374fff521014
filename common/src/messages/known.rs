//! The faults that have been reported and still last, or ended within the hour.
//!
//! A timer and `render-cfg --watch` meet the same fault again and again. A fault is reported when it begins, once an
//! hour while it lasts, and when it ends, so that the log shows changes. One that comes and goes is reported once an
//! hour, with its first end: for an hour after a report, neither its return nor another end is reported.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
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
    /// Whether its end was reported after that.
    pub(super) has_ended: bool,
    /// Whether this round has met it.
    is_met: bool,
}

impl Entry {
    pub(super) fn new(reported: SystemTime, line: String) -> Entry {
        Entry { reported, line, log_length: 0, has_ended: false, is_met: false }
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
            entry.has_ended = false;
        }
        is_due
    }

    /// Whether the end of every known fault has been reported.
    pub fn have_all_ended(&self) -> bool {
        self.faults.values().all(|entry| entry.has_ended)
    }

    /// Ends a complete round: a fault that it has not met has ended. Returns the lines of those whose end must be
    /// reported now, sorted.
    pub fn end_round(&mut self, now: SystemTime) -> Vec<String> {
        let ended = self.faults.values_mut().filter(|entry| !entry.is_met && !entry.has_ended);
        let mut lines: Vec<String> = ended
            .map(|entry| {
                entry.has_ended = true;
                entry.line.clone()
            })
            .collect();
        lines.sort();
        self.end_partial_round(now);
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
        assert!(known.end_round(now).is_empty());
        assert!(round(&mut known, &["a", "b"], now).is_empty());
        assert!(known.end_round(now).is_empty());
        assert_eq!(round(&mut known, &["b", "c"], now), ["c"]);
        assert_eq!(known.end_round(now), ["a"]);
        assert!(!known.have_all_ended());
        assert_eq!(known.end_round(now), ["b", "c"]);
        assert!(known.have_all_ended());
        assert_eq!(round(&mut known, &["b"], now + REPEAT), ["b"]);
    }

    #[test]
    fn a_fault_that_comes_and_goes_is_reported_once_an_hour_with_its_first_end() {
        let (mut known, now) = (Known::default(), SystemTime::now());
        let mut reports = Vec::new();
        for minute in 0..=120 {
            let at = now + Duration::from_secs(60 * minute);
            let met = round(&mut known, if minute % 2 == 0 { &["a"] } else { &[] }, at);
            let ended = known.end_round(at);
            reports.extend(
                met.into_iter()
                    .chain(ended.iter().map(|line| format!("ended: {line}")))
                    .map(|line| (minute, line)),
            );
        }
        let reports: Vec<(u64, &str)> =
            reports.iter().map(|(minute, line)| (*minute, line.as_str())).collect();
        assert_eq!(reports, [(0, "a"), (1, "ended: a"), (60, "a"), (61, "ended: a"), (120, "a")]);
    }

    #[test]
    fn a_fault_that_returned_and_lasts_is_reported_after_an_hour() {
        let (mut known, now) = (Known::default(), SystemTime::now());
        round(&mut known, &["a"], now);
        known.end_round(now);
        assert_eq!(known.end_round(now), ["a"]);
        for (at, is_due) in [(Duration::ZERO, false), (REPEAT / 2, false), (REPEAT, true), (REPEAT, false)] {
            assert_eq!(round(&mut known, &["a"], now + at).len() == 1, is_due, "after {at:?}");
            assert!(known.end_round(now + at).is_empty());
        }
    }

    #[test]
    fn a_fault_that_lasts_is_reported_again_after_an_hour_and_after_a_clock_was_set_back() {
        let (mut known, now) = (Known::default(), SystemTime::now());
        let minutes = |count: u64| now + Duration::from_secs(60 * count);
        for (at, is_due) in [(0, true), (59, false), (60, true), (119, false), (10, true)] {
            assert_eq!(round(&mut known, &["a"], minutes(at)).len() == 1, is_due, "after {at} minutes");
            assert!(known.end_round(minutes(at)).is_empty());
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
        assert!(known.faults.is_empty());
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
