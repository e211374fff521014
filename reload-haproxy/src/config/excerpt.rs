//! An excerpt of two configurations that differ in a few `server` lines: both, without most of the servers that both
//! have.
//!
//! The rules for server changes read other lines too: a section's `balance`, the options that other servers have, a line
//! that names a server. So all other lines stay, and of servers in a row with equal options two: one shows that HAProxy
//! accepts these options, and two that there are several. On the excerpt the rules lead to the same changes as on the
//! whole files, and ten thousand servers need not be read.

use std::borrow::Cow;

use memchr::memmem;

use crate::config::hunks::{Hunk, hunks};
use crate::config::lines::{Line, lines};
use crate::config::server::Glance;

/// Words of a line that name servers of other lines. `server` lines that have one are kept.
pub(crate) const MENTIONS: [&str; 3] = ["use-server", "track", "srv_"];
/// How many equal servers in a row are kept.
const KEPT: usize = 2;

/// What two configurations have in common in short, and all in which they differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Excerpt {
    pub(crate) old: String,
    pub(crate) new: String,
    /// The servers whose lines differ. The excerpts have all lines about them.
    pub(crate) servers: Vec<ChangedServer>,
}

/// A server whose line differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ChangedServer {
    pub(crate) backend: String,
    pub(crate) server: String,
    /// Whether the old file has it.
    pub(crate) was_there: bool,
}

/// The excerpt; `None` if they differ in other lines than servers and the revision, in many lines, or in no server.
pub(crate) fn excerpt(old: &str, new: &str) -> Option<Excerpt> {
    let hunks = hunks(old, new)?;
    let mut names: Vec<Cow<str>> = Vec::new();
    for line in hunks.iter().flat_map(|hunk| [&old[hunk.old.clone()], &new[hunk.new.clone()]]).flat_map(lines)
    {
        match &*line.keyword {
            "server" => names.push(line.second()),
            "description" => {}
            _ => return None,
        }
    }
    if names.is_empty() {
        return None;
    }
    let is_mentioned = |mention: &&str| memmem::find(new.as_bytes(), mention.as_bytes()).is_some();
    let mentions = MENTIONS.into_iter().filter(is_mentioned).collect();
    let excerpt = Excerpt { old: String::new(), new: String::new(), servers: Vec::new() };
    let place = Place::default();
    let mut search = Search { texts: [old, new], names, mentions, place, last: None, excerpt };
    let mut hunks = hunks.iter().peekable();
    // The end of the hunk that was added last.
    let mut end = 0;
    for line in lines(new) {
        let start = line.text.as_ptr() as usize - new.as_ptr() as usize;
        while let Some(hunk) = hunks.next_if(|hunk| hunk.new.start <= start) {
            search.add_hunk(hunk)?;
            end = hunk.new.end;
        }
        if start >= end {
            search.add_line(&line);
        }
    }
    hunks.try_for_each(|hunk| search.add_hunk(hunk))?;
    Some(search.excerpt)
}

/// The section at a line.
#[derive(Default)]
struct Place<'t> {
    kind: &'static str,
    name: Cow<'t, str>,
    is_conditional: bool,
}

struct Search<'t> {
    texts: [&'t str; 2],
    /// The names of the servers whose lines differ.
    names: Vec<Cow<'t, str>>,
    /// Those of `MENTIONS` that the file has.
    mentions: Vec<&'static str>,
    place: Place<'t>,
    /// The options of the server before, and how many in a row have them.
    last: Option<(&'t str, usize)>,
    excerpt: Excerpt,
}

impl<'t> Search<'t> {
    /// Adds lines in which the texts differ; `None` if they have a `server` that is not a backend's, or may not apply.
    fn add_hunk(&mut self, hunk: &Hunk) -> Option<()> {
        let [old, new] = self.texts;
        let (old, new) = (&old[hunk.old.clone()], &new[hunk.new.clone()]);
        for (text, was_there) in [(old, true), (new, false)] {
            for line in lines(text).filter(|line| line.keyword == "server") {
                let has_servers = matches!(self.place.kind, "backend" | "listen");
                let name = Some(line.second()).filter(|name| !name.is_empty())?;
                if !has_servers || self.place.is_conditional {
                    return None;
                }
                self.add_server(&name, was_there);
            }
        }
        self.excerpt.old.push_str(old);
        self.excerpt.new.push_str(new);
        self.last = None;
        Some(())
    }

    fn add_server(&mut self, name: &str, was_there: bool) {
        let backend = &*self.place.name;
        let servers = &mut self.excerpt.servers;
        match servers.iter_mut().find(|known| known.backend == backend && known.server == name) {
            Some(known) => known.was_there |= was_there,
            None => {
                let (backend, server) = (backend.to_owned(), name.to_owned());
                servers.push(ChangedServer { backend, server, was_there });
            }
        }
    }

    /// Adds a line that both texts have, unless it is one of many equal servers.
    fn add_line(&mut self, line: &Line<'t>) {
        if line.begins_section {
            (self.place.kind, self.place.name) = (line.section, line.second());
        }
        self.place.is_conditional = line.is_conditional;
        if !self.may_be_left_out(line) {
            for text in [&mut self.excerpt.old, &mut self.excerpt.new] {
                text.push_str(line.text);
                text.push('\n');
            }
        }
    }

    fn may_be_left_out(&mut self, line: &Line<'t>) -> bool {
        let is_server = line.keyword == "server"
            && !line.is_conditional
            && matches!(self.place.kind, "backend" | "listen");
        let Some((address, options)) = Glance::words(line.text).filter(|_| is_server) else {
            self.last = None;
            return false;
        };
        let before = self.last.filter(|(last, _)| *last == options).map_or(0, |(_, count)| count);
        self.last = Some((options, before + 1));
        let head = &line.text[..line.text.len() - options.len()];
        let name = line.second();
        let is_named = self.names.iter().any(|changed| *changed == name || *changed == address);
        before >= KEPT && !is_named && !self.mentions.iter().any(|mention| head.contains(mention))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "global\n  description rollcall-0000000000000001\nbackend a\n  balance leastconn\n";

    fn file(servers: &[&str]) -> String {
        let server = |line: &&str| format!("  server {line}\n");
        format!("{HEAD}{}frontend f\n", servers.iter().map(server).collect::<String>())
    }

    fn changed(backend: &str, server: &str, was_there: bool) -> ChangedServer {
        ChangedServer { backend: backend.to_owned(), server: server.to_owned(), was_there }
    }

    #[test]
    fn equal_servers_are_left_out_and_the_others_stay() {
        let many: Vec<String> = (0..50).map(|number| format!("s{number} 10.0.0.{number}:80 check")).collect();
        let mut servers: Vec<&str> = many.iter().map(String::as_str).collect();
        let old = file(&servers);
        servers[20] = "new 10.0.0.9:80 check";
        servers.insert(40, "s7 10.0.9.7:80 check");
        let new = file(&servers).replace("0001", "0002");
        let found = excerpt(&old, &new).unwrap();
        let expected = [changed("a", "s20", true), changed("a", "new", false), changed("a", "s7", false)];
        assert_eq!(found.servers, expected);
        let kept = ["s0", "s1", "s7", "s20", "s21", "s22", "s40", "s41"];
        let names = |text: &str| -> Vec<String> {
            let servers = lines(text).filter(|line| line.keyword == "server");
            servers.map(|line| line.second().into_owned()).collect()
        };
        assert_eq!(names(&found.old), kept);
        assert_eq!(names(&found.new), ["s0", "s1", "s7", "new", "s21", "s22", "s7", "s40", "s41"]);
        assert!(
            found.new.contains("0002\nbackend a\n  balance leastconn\n")
                && found.new.ends_with("frontend f\n")
        );
    }

    #[test]
    fn servers_with_other_options_or_a_mention_stay() {
        let servers =
            ["a 10.0.0.1:80", "b 10.0.0.2:80", "srv_1 10.0.0.3:80", "c 10.0.0.4:80", "d 10.0.0.5:80 backup"];
        let old = file(&[&["x 10.0.0.9:80"], &servers[..]].concat());
        let found = excerpt(&old, &file(&servers)).unwrap();
        assert_eq!(found.servers, [changed("a", "x", true)]);
        assert_eq!(found.new, file(&servers).replace("  server c 10.0.0.4:80\n", ""));
        assert_eq!(found.old, old.replace("  server c 10.0.0.4:80\n", ""));
    }

    #[test]
    fn there_is_none_if_other_lines_differ_or_no_server_does() {
        let old = file(&["a 10.0.0.1:80"]);
        for new in [
            old.clone(),
            old.replace("0001", "0002"),
            old.replace("leastconn", "roundrobin"),
            old.replace("server a", "default-server a"),
            old.replace("  balance", "  server b 10.0.0.2:80\n  balance").replace("frontend", "backend"),
            old.replace("  description", "  server b 10.0.0.2:80\n  description"),
            old.replace("  server a", ".if 1\n  server a"),
        ] {
            assert_eq!(excerpt(&old, &new), None, "{new}");
        }
        let conditional =
            old.replace("  server a", ".if 1\n  server a").replace("frontend", ".endif\nfrontend");
        assert_eq!(excerpt(&conditional, &conditional.replace("10.0.0.1", "10.0.0.2")), None);
    }
}
