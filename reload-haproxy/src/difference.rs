//! Why the file is another one than HAProxy runs, in one line for the operator: the first line that
//! changed, or how many servers came, went and changed where nothing else did.
//!
//! Comments, blank lines and spacing make no difference, and neither does the revision, which changes
//! with every other line.

use std::collections::BTreeMap;

use crate::config::{is_section, revision};
use crate::line::{Word, words};

/// A section: its servers, and all its other lines with their numbers, its own first line among them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Section {
    title: String,
    lines: Vec<(usize, Vec<Word>)>,
    servers: BTreeMap<String, Vec<Word>>,
}

/// Says in what the configuration `new` differs from `old`; `None` if HAProxy would see no difference.
pub(crate) fn difference(old: &str, new: &str) -> Option<String> {
    let (old, new) = (sections(old), sections(new));
    let mut pairs = old.iter().zip(&new);
    let line = pairs.find_map(|(old, new)| changed_line(old, new));
    let gone = || old.get(new.len()).map(|section| format!("{} is gone", section.title));
    let added = || {
        let section = new.get(old.len())?;
        Some(format!("line {}: {} is new", section.lines.first()?.0, section.title))
    };
    line.or_else(gone).or_else(added).or_else(|| {
        let changes: Vec<String> =
            old.iter().zip(&new).filter_map(|(old, new)| changed_servers(old, new)).collect();
        (!changes.is_empty()).then(|| changes.join(", "))
    })
}

/// The first line that is no server and not the same.
fn changed_line(old: &Section, new: &Section) -> Option<String> {
    for (index, (number, words)) in new.lines.iter().enumerate() {
        if old.lines.get(index).is_none_or(|(_, old)| old != words) {
            return Some(format!("line {number} of {} changed", new.title));
        }
    }
    (old.lines.len() > new.lines.len()).then(|| format!("a line of {} is gone", new.title))
}

/// `+2 -1 ~1 servers in backend nodes`.
fn changed_servers(old: &Section, new: &Section) -> Option<String> {
    let added = new.servers.keys().filter(|name| !old.servers.contains_key(*name)).count();
    let removed = old.servers.keys().filter(|name| !new.servers.contains_key(*name)).count();
    let is_changed =
        |(name, words): &(&String, &Vec<Word>)| old.servers.get(*name).is_some_and(|old| old != *words);
    let changed = new.servers.iter().filter(is_changed).count();
    (added + removed + changed > 0)
        .then(|| format!("+{added} -{removed} ~{changed} servers in {}", new.title))
}

/// Reads a configuration; lines before the first section are in one without a title.
fn sections(text: &str) -> Vec<Section> {
    let mut sections = vec![Section::default()];
    for (index, line) in text.lines().enumerate() {
        let words = without_revision(words(line));
        let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
        if texts.first().is_some_and(|first| is_section(first)) {
            let title = texts[..texts.len().min(2)].join(" ");
            sections.push(Section { title, ..Section::default() });
        }
        // There is one from the start on.
        let Some(section) = sections.last_mut() else { continue };
        match texts[..] {
            [] => {}
            ["server", name, ..] => drop(section.servers.insert(name.to_owned(), words)),
            _ => section.lines.push((index + 1, words)),
        }
    }
    sections
}

fn without_revision(mut words: Vec<Word>) -> Vec<Word> {
    if words.first().is_some_and(|word| word.text == "description") {
        for word in &mut words {
            if let Some(revision) = revision(&word.text) {
                word.text = word.text.replace(&revision, "");
            }
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "\
global
  description \"shop rollcall-0000000000000001\"
frontend web
  bind :80
backend nodes
  balance leastconn
  server s1 10.0.0.1:80 check weight 5
  server s2 10.0.0.2:80 check
";

    fn reason(new: &str) -> Option<String> {
        difference(OLD, new)
    }

    #[test]
    fn servers_alone_are_counted() {
        let new = OLD
            .replace("server s2 10.0.0.2:80 check", "server s3 10.0.0.3:80 check\n  server s4 10.0.0.4:80")
            .replace("weight 5", "weight 6");
        assert_eq!(reason(&new).as_deref(), Some("+2 -1 ~1 servers in backend nodes"));
    }

    #[test]
    fn the_first_other_line_is_named_before_any_server() {
        let servers = OLD.replace("server s2", "server s3");
        assert_eq!(
            reason(&servers.replace(":80\nb", ":81\nb")).as_deref(),
            Some("line 4 of frontend web changed")
        );
        assert_eq!(
            reason(&OLD.replace("  bind :80\n", "")).as_deref(),
            Some("a line of frontend web is gone")
        );
        assert_eq!(reason(&format!("{OLD}listen x\n")).as_deref(), Some("line 9: listen x is new"));
        assert_eq!(reason(&OLD[..OLD.find("backend").unwrap()]).as_deref(), Some("backend nodes is gone"));
        assert_eq!(reason(&OLD.replace("shop", "store")).as_deref(), Some("line 2 of global changed"));
    }

    #[test]
    fn comments_spacing_and_the_revision_make_no_difference() {
        let new = OLD.replace("0001", "0002").replace("bind :80", "# why\n\n\tbind   :80 # here");
        assert_eq!(reason(&new), None);
    }
}
