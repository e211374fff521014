//! The difference between the file and the configuration that HAProxy loaded, in one line for the operator.
//!
//! It is the first line that changed, or the number of servers added, removed and changed if nothing else did.

use std::fmt::{self, Display};

use crate::config::by_name::Lookup;
use crate::config::sections::{Section, Sections, ServerLine, says_the_same};

/// A difference between two configurations that HAProxy would see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Difference {
    /// A line that is not a `server` line, and where it is.
    Line(String),
    /// Only servers: how many in each section.
    Servers(Vec<Count>),
}

/// How many servers of one section were added, removed and changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) added: usize,
    pub(crate) removed: usize,
    pub(crate) changed: usize,
    /// The section: `backend nodes`.
    pub(crate) title: String,
}

impl Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Difference::Line(line) => f.write_str(line),
            Difference::Servers(counts) => {
                let counts: Vec<String> = counts.iter().map(Count::to_string).collect();
                f.write_str(&counts.join(", "))
            }
        }
    }
}

impl Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Count { added, removed, changed, title } = self;
        write!(f, "+{added} -{removed} ~{changed} servers in {title}")
    }
}

/// How the configuration `new` differs from `old`; `None` if they mean the same to HAProxy.
pub(crate) fn difference(old: &Sections, new: &Sections) -> Option<Difference> {
    let pairs = || old.sections.iter().zip(&new.sections);
    let line = pairs().find_map(|(old, new)| changed_line(old, new));
    let gone = || old.sections.get(new.sections.len()).map(|section| format!("{} is gone", section.title()));
    let added = || {
        let section = new.sections.get(old.sections.len())?;
        Some(format!("line {}: {} is new", section.lines.first()?.number, section.title()))
    };
    line.or_else(gone).or_else(added).map(Difference::Line).or_else(|| {
        let counts: Vec<Count> = pairs().filter_map(|(old, new)| count(old, new)).collect();
        (!counts.is_empty()).then_some(Difference::Servers(counts))
    })
}

/// The first line that differs and is not a server.
fn changed_line(old: &Section, new: &Section) -> Option<String> {
    for (index, line) in new.lines.iter().enumerate() {
        if old.lines.get(index).is_none_or(|old| !says_the_same(old.text, line.text)) {
            return Some(format!("line {} of {} changed", line.number, new.title()));
        }
    }
    (old.lines.len() > new.lines.len()).then(|| format!("a line of {} is gone", new.title()))
}

fn count(old: &Section, new: &Section) -> Option<Count> {
    let mut before = Lookup::new(&old.servers, |server| &server.name);
    let (mut added, mut changed) = (0, 0);
    for server in &new.servers {
        match before.take(&server.name) {
            None => added += 1,
            Some(old) => changed += usize::from(!old.says_the_same(server)),
        }
    }
    let removed = before.rest().count();
    (added + removed + changed > 0).then(|| Count { added, removed, changed, title: new.title() })
}

impl Section<'_> {
    /// Whether both have equal `server` lines in the same order.
    pub(crate) fn has_the_same_servers(&self, other: &Section) -> bool {
        let mut pairs = self.servers.iter().zip(&other.servers);
        self.servers.len() == other.servers.len()
            && pairs.all(|(a, b)| a.name == b.name && a.says_the_same(b))
    }
}

impl ServerLine<'_> {
    /// Whether both lines mean the same.
    pub(crate) fn says_the_same(&self, other: &ServerLine) -> bool {
        self.defaults == other.defaults && says_the_same(self.text, other.text)
    }
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
        difference(&Sections::read(OLD), &Sections::read(new)).map(|difference| difference.to_string())
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
    fn comments_spacing_and_the_revision_are_not_a_difference() {
        let new = OLD.replace("0001", "0002").replace("bind :80", "# why\n\n\tbind   :80 # here");
        assert_eq!(reason(&new), None);
    }

    #[test]
    fn a_server_with_another_default_server_line_before_it_has_changed() {
        let old = OLD.replace("  server s2", "  default-server weight 2\n  server s2");
        let new = OLD.replace("  server s1", "  default-server weight 2\n  server s1");
        let seen = difference(&Sections::read(&old), &Sections::read(&new)).map(|d| d.to_string());
        assert_eq!(seen.as_deref(), Some("+0 -0 ~1 servers in backend nodes"));
    }
}
