//! What is wrong now, and what of it has been said: a program that looks every second must not say the same
//! every second.

use std::collections::BTreeSet;

use common::failure::Failure;
use common::messages::Messages;

/// So many new faults are said at a time, the others counted.
const SAID_MAX: usize = 100;

/// The faults of the last look.
#[derive(Debug, Default)]
pub(crate) struct Known {
    keys: BTreeSet<String>,
}

impl Known {
    /// Takes the faults of a look, and says those that the last one had not, or that `what` is well again.
    pub(crate) fn say(&mut self, faults: Vec<Failure>, what: &str, messages: &mut Messages) {
        let was_wrong = !self.keys.is_empty();
        let news = self.news(faults);
        for fault in news.iter().take(SAID_MAX) {
            messages.warn(&fault.line);
            fault.more.iter().for_each(|line| messages.warn(line));
        }
        if news.len() > SAID_MAX {
            messages.warn(format!("{} more faults like these", news.len() - SAID_MAX));
        }
        if was_wrong && self.keys.is_empty() {
            messages.warn(format!("{what} is well again"));
        }
    }

    /// Takes the faults of a look, and gives those that the last one had not.
    fn news(&mut self, faults: Vec<Failure>) -> Vec<Failure> {
        let keys: Vec<String> = faults.iter().map(key).collect();
        let old = std::mem::replace(&mut self.keys, keys.iter().cloned().collect());
        faults.into_iter().zip(keys).filter(|(_, key)| !old.contains(key)).map(|(fault, _)| fault).collect()
    }
}

/// A fault as it is each time. Daemons put their process id in brackets into every line.
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

    fn news(known: &mut Known, lines: &[&str]) -> Vec<String> {
        let faults = lines.iter().map(|line| Failure::new(Code::Input, line)).collect();
        known.news(faults).into_iter().map(|fault| fault.line).collect()
    }

    #[test]
    fn a_fault_is_news_once_until_it_has_been_mended() {
        let mut known = Known::default();
        assert_eq!(news(&mut known, &["a", "b"]), ["a", "b"]);
        assert!(news(&mut known, &["b", "a"]).is_empty());
        assert_eq!(news(&mut known, &["b", "c"]), ["c"]);
        assert!(news(&mut known, &[]).is_empty());
        assert_eq!(news(&mut known, &["b"]), ["b"]);
    }

    #[test]
    fn another_process_id_is_not_another_fault_and_another_line_is() {
        let mut known = Known::default();
        let mut is_news = |more: &str| {
            let fault = Failure::new(Code::Haproxy, "cannot use 'h'").with_more([more.to_owned()]);
            !known.news(vec![fault]).is_empty()
        };
        assert!(is_news("[ALERT]    (70) : config : parsing [h:2] : unknown keyword"));
        assert!(!is_news("[ALERT]    (123) : config : parsing [h:2] : unknown keyword"));
        assert!(is_news("[ALERT]    (123) : config : parsing [h:3] : unknown keyword"));
    }
}
