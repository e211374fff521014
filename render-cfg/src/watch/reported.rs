//! Remembers the reported faults: a program that renders every second must not report the same fault every second.

use std::collections::BTreeSet;

use common::failure::Failure;
use common::messages::Messages;

/// At most this many new faults are reported at a time. The others are only counted.
const REPORTED_MAX: usize = 100;

/// The faults of the last round.
#[derive(Debug, Default)]
pub(crate) struct Reported {
    keys: BTreeSet<String>,
}

impl Reported {
    /// Takes the faults of a round. Reports the new ones or, if no fault is left, that `what` works again.
    pub(crate) fn report(&mut self, faults: Vec<Failure>, what: &str, messages: &mut Messages) {
        let was_wrong = !self.keys.is_empty();
        let news = self.news(faults);
        for fault in news.iter().take(REPORTED_MAX) {
            messages.warn(&fault.line);
            fault.more.iter().for_each(|line| messages.warn(line));
        }
        if news.len() > REPORTED_MAX {
            messages.warn(format!("{} more faults like these", news.len() - REPORTED_MAX));
        }
        if was_wrong && self.keys.is_empty() {
            messages.warn(format!("{what} works again"));
        }
    }

    /// Takes the faults of a round, and returns those that the last round did not have.
    fn news(&mut self, faults: Vec<Failure>) -> Vec<Failure> {
        let keys: Vec<String> = faults.iter().map(key).collect();
        let old = std::mem::replace(&mut self.keys, keys.iter().cloned().collect());
        faults.into_iter().zip(keys).filter(|(_, key)| !old.contains(key)).map(|(fault, _)| fault).collect()
    }
}

/// A fault without the parts that differ each time: daemons print their process id in parentheses in every line.
fn key(fault: &Failure) -> String {
    let mut key = fault.line.clone();
    for line in &fault.more {
        key.push('\n');
        let mut parts = line.split('(');
        key.push_str(parts.next().unwrap_or_default());
        for part in parts {
            key.push_str(part.trim_start_matches(|c: char| c.is_ascii_digit()));
        }
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::failure::Code;

    fn news(reported: &mut Reported, lines: &[&str]) -> Vec<String> {
        let faults = lines.iter().map(|line| Failure::new(Code::Input, line)).collect();
        reported.news(faults).into_iter().map(|fault| fault.line).collect()
    }

    #[test]
    fn a_fault_is_new_once_until_it_is_gone() {
        let mut reported = Reported::default();
        assert_eq!(news(&mut reported, &["a", "b"]), ["a", "b"]);
        assert!(news(&mut reported, &["b", "a"]).is_empty());
        assert_eq!(news(&mut reported, &["b", "c"]), ["c"]);
        assert!(news(&mut reported, &[]).is_empty());
        assert_eq!(news(&mut reported, &["b"]), ["b"]);
    }

    #[test]
    fn a_different_process_id_is_the_same_fault_and_a_different_line_is_not() {
        let mut reported = Reported::default();
        let mut is_news = |more: &str| {
            let fault = Failure::new(Code::Haproxy, "cannot use 'h'").with_more([more.to_owned()]);
            !reported.news(vec![fault]).is_empty()
        };
        assert!(is_news("[ALERT]    (70) : config : parsing [h:2] : unreported keyword"));
        assert!(!is_news("[ALERT]    (123) : config : parsing [h:2] : unreported keyword"));
        assert!(is_news("[ALERT]    (123) : config : parsing [h:3] : unreported keyword"));
    }
}
