//! The servers of a configuration, and the file from which HAProxy loads their state.
//!
//! A server is left out if its name is not unique, or if its address or its checks are not certain. Without a row
//! HAProxy begins with it as usual. With a row it might begin DOWN, and without checks it would stay DOWN.

use std::collections::HashSet;
use std::path::PathBuf;

use super::rows::Server;
use crate::config::backend::Backend;
use crate::config::facts::tcp_address;
use crate::config::lines::Line;
use crate::config::sections::{Section, Sections, ServerLine};
use crate::config::server_keywords::keyword;
use crate::config::words::{Word, words};

/// The settings for server states in a configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// `server-state-file` within `server-state-base`, if any proxy loads it. It may be relative to HAProxy's
    /// directory.
    pub(crate) file: Option<PathBuf>,
    /// Whether HAProxy does not start after a warning. It warns of every server that begins DOWN.
    pub(crate) forbids_warnings: bool,
    /// The servers of all backends that load their state from that file.
    pub(crate) servers: Vec<Server>,
}

/// What `default-server` and `server` lines say of checks.
#[derive(Clone, Copy, Debug, Default)]
struct Checks {
    has_check: bool,
    is_disabled: bool,
}

/// Reads a configuration. Lines within `.if` are left out, because they may not apply.
pub(crate) fn wanted(text: &str) -> Wanted {
    let sections = Sections::read(text);
    let all = || sections.sections.iter().flat_map(|section| &section.lines);
    let lines = || all().filter(|line| applies(line));
    let global = |keyword: &'static str| lines().filter(move |line| is_global(line, keyword));
    let path = |keyword| global(keyword).filter_map(path).next_back();
    let is_loaded = lines().any(|line| loads_state(line) == Some(true));
    let base = path("server-state-base").unwrap_or_default();
    Wanted {
        file: path("server-state-file").filter(|_| is_loaded).map(|file| base.join(file)),
        forbids_warnings: global("zero-warning").next().is_some(),
        servers: Backend::all(&sections).flat_map(|backend| servers(&backend)).collect(),
    }
}

fn applies(line: &Line) -> bool {
    !line.is_conditional
}

fn is_global(line: &Line, keyword: &str) -> bool {
    line.section == "global" && line.keyword == keyword
}

/// The path that follows the keyword, if it is the only word there and has no variable.
fn path(line: &Line) -> Option<PathBuf> {
    match &line.words()[..] {
        [_, Word { text, has_variable: false }] => Some(text.into()),
        _ => None,
    }
}

/// Whether a line of a proxy or of its defaults loads the state from the file; `None` if it does not say.
fn loads_state(line: &Line) -> Option<bool> {
    let is_it = line.keyword == "load-server-state-from-file"
        && matches!(line.section, "defaults" | "backend" | "listen");
    is_it.then(|| line.second()).filter(|from| !from.is_empty()).map(|from| from == "global")
}

/// The servers of a backend that load their state from the file.
fn servers(backend: &Backend) -> Vec<Server> {
    let loads_state = backend.lines().rev().filter(|line| applies(line)).find_map(loads_state);
    if loads_state != Some(true) {
        return Vec::new();
    }
    let defaults = defaults(backend);
    let twice = twice(backend.section);
    let lines = backend.section.servers.iter().filter(|line| !twice.contains(&*line.name));
    lines.filter_map(|line| server(&backend.section.name, line, &defaults)).collect()
}

/// The names that several servers have. HAProxy 3.4.0 to 3.4.2 accept such a file, and a row could be for either
/// server.
fn twice<'s>(section: &'s Section) -> HashSet<&'s str> {
    let mut names = HashSet::new();
    section.names().filter(|name| !names.insert(*name)).collect()
}

/// What a server inherits after none, one, two, ... of the `default-server` lines of its section.
fn defaults(backend: &Backend) -> Vec<Checks> {
    let mut checks = Checks::default();
    let is_one = |line: &&Line| line.keyword == "default-server";
    backend.inherited().iter().filter(is_one).for_each(|line| checks.read_line(line));
    let mut defaults = vec![checks];
    for line in backend.section.lines.iter().filter(is_one) {
        checks.read_line(line);
        defaults.push(checks);
    }
    defaults
}

fn server(backend: &str, line: &ServerLine, defaults: &[Checks]) -> Option<Server> {
    let words = words(line.text);
    let [_, name, address, options @ ..] = &words[..] else { return None };
    if name.has_variable || address.has_variable {
        return None;
    }
    let address = tcp_address(&address.text).filter(|its| its.port() != 0 && !its.ip().is_unspecified())?;
    let mut checks = defaults.get(line.defaults).copied()?;
    checks.read(options);
    let Checks { has_check, is_disabled } = checks;
    Some(Server { backend: backend.to_owned(), name: name.text.clone(), address, has_check, is_disabled })
}

impl Checks {
    /// Reads a `default-server` line, unless it may not apply.
    fn read_line(&mut self, line: &Line) {
        if applies(line) {
            self.read(&line.words()[1..]);
        }
    }

    fn read(&mut self, options: &[Word]) {
        let mut options = options.iter();
        while let Some(option) = options.next() {
            match option.text.as_str() {
                "check" => self.has_check = true,
                "no-check" => self.has_check = false,
                "disabled" => self.is_disabled = true,
                "enabled" => self.is_disabled = false,
                // A value may look like an option: `cookie check`.
                other if keyword(other).takes_value => drop(options.next()),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
global
  server-state-base /run/haproxy/
  server-state-file servers.state
defaults
  load-server-state-from-file global
backend nodes
  default-server inter 2s
  server s1 10.0.0.1:80 check weight 5
  server s2 [fd00::2]:80 backup check disabled
  server s3 10.0.0.3:80 cookie check
  server s4 name.example:80 check
  server s5 10.0.0.5 check
  server s6 \"$ADDR:80\" check
  .if feature(X)
  server s7 10.0.0.7:80 check
  .endif
  default-server ssl verify none check
  server s8 10.0.0.8:80 no-check
  server s9 10.0.0.9:80
listen l
  load-server-state-from-file none
  server s1 10.0.0.1:80 check
defaults d
  default-server check
defaults e from d
  load-server-state-from-file global
backend late from d
  server s1 10.0.0.1:80
backend later from e
  server s1 10.0.0.1:80
frontend f
  bind :80
";

    #[test]
    fn servers_are_read_with_the_options_of_their_section_and_its_defaults() {
        let shown: Vec<String> = wanted(TEXT)
            .servers
            .iter()
            .map(|s| format!("{}/{} {} {} {}", s.backend, s.name, s.address, s.has_check, s.is_disabled))
            .collect();
        let expected = [
            "nodes/s1 10.0.0.1:80 true false",
            "nodes/s2 [fd00::2]:80 true true",
            "nodes/s3 10.0.0.3:80 false false",
            "nodes/s8 10.0.0.8:80 false false",
            "nodes/s9 10.0.0.9:80 true false",
            "later/s1 10.0.0.1:80 true false",
        ];
        assert_eq!(shown, expected);
    }

    /// HAProxy 3.4.0 to 3.4.2 start with both.
    #[test]
    fn two_servers_of_one_name_are_left_out() {
        let text = TEXT.replace("server s9", "server s1");
        let servers = wanted(&text).servers;
        let names: Vec<String> = servers.iter().map(|s| format!("{}/{}", s.backend, s.name)).collect();
        assert_eq!(names, ["nodes/s2", "nodes/s3", "nodes/s8", "later/s1"]);
    }

    #[test]
    fn the_file_is_in_its_base_unless_its_path_is_absolute() {
        let loading = "defaults\n load-server-state-from-file global\n";
        let file = |global: &str| wanted(&format!("global\n{global}{loading}")).file;
        assert_eq!(wanted(TEXT).file, Some("/run/haproxy/servers.state".into()));
        assert_eq!(file(" server-state-file /a\n server-state-base /b\n"), Some("/a".into()));
        assert_eq!(file(" server-state-file a\n"), Some("a".into()));
        assert_eq!(file(""), None);
        assert_eq!(wanted("global\n server-state-file /a\n").file, None, "no proxy loads it");
        assert!(wanted("global\n zero-warning\n").forbids_warnings && !wanted(TEXT).forbids_warnings);
    }
}
