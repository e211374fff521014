//! A `backend` or `listen` section with what its `defaults` section adds: the options of its servers, and whether
//! they can be changed while HAProxy runs.

use std::cell::Cell;

use thiserror::Error;

use crate::config::lines::Line;
use crate::config::sections::{Section, Sections, ServerLine};
use crate::config::server::{Glance, ServerOptions};
use crate::config::server_options::{OptionError, Options, default_server};

/// Why the servers of a backend cannot be changed while HAProxy runs.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(crate) enum Obstacle {
    #[error("some of its lines are within .if")]
    Conditional,
    #[error("its name contains characters that HAProxy's socket does not accept")]
    Name,
    #[error("'balance {0}' needs a reload")]
    Balance(String),
}

/// Such a section.
pub(crate) struct Backend<'l, 't> {
    pub(crate) section: &'l Section<'t>,
    defaults: Vec<Line<'t>>,
    /// The options that a server inherits after none, one, two, ... of the `default-server` lines.
    default_options: Vec<Result<Options<'t>, OptionError>>,
}

impl<'l, 't> Backend<'l, 't> {
    /// All of a configuration.
    pub(crate) fn all(layout: &'l Sections<'t>) -> impl Iterator<Item = Backend<'l, 't>> {
        let backends = layout.sections.iter().enumerate();
        let backends = backends.filter(|(_, section)| matches!(section.kind, "backend" | "listen"));
        backends.map(|(index, section)| Backend::new(section, layout.defaults_of(index)))
    }

    fn new(section: &'l Section<'t>, defaults: Vec<Line<'t>>) -> Backend<'l, 't> {
        let inherited = default_servers(&defaults).fold(Ok(Options::default()), add_line);
        let mut default_options = vec![inherited];
        for line in default_servers(&section.lines) {
            let before = default_options.last().cloned().unwrap_or_else(|| Ok(Options::default()));
            default_options.push(add_line(before, line));
        }
        Backend { section, defaults, default_options }
    }

    /// The options of one of its servers. Fails if only a reload can set them.
    pub(crate) fn options_of(&self, server: &ServerLine<'t>) -> Result<ServerOptions<'t>, OptionError> {
        match self.default_options.get(server.defaults) {
            Some(Ok(options)) => ServerOptions::read(server.text, options),
            Some(Err(why)) => Err(why.clone()),
            // `new` has made one for each `default-server` line.
            None => ServerOptions::read(server.text, &Options::default()),
        }
    }

    /// The address of one of its servers as it is written, and its weight, if its line is simple enough. `last` is what
    /// was found for the server before, if there was one, and is replaced.
    pub(crate) fn glance(
        &self,
        server: &ServerLine<'t>,
        last: &Cell<Option<Glance<'t>>>,
    ) -> Option<(&'t str, u32)> {
        let (address, options) = Glance::words(server.text)?;
        if let Some(same) = last.get().filter(|last| last.is_of(options, server.defaults)) {
            return Some((address, same.weight?));
        }
        let inherited = self.default_options.get(server.defaults)?.as_ref().ok()?;
        let glance = Glance::new(options, server.defaults, inherited);
        last.set(Some(glance));
        Some((address, glance.weight?))
    }

    /// Why its servers cannot be changed while HAProxy runs, if they cannot.
    pub(crate) fn why_not_at_runtime(&self) -> Option<Obstacle> {
        if self.is_conditional() {
            return Some(Obstacle::Conditional);
        }
        if !is_name(&self.section.name) {
            return Some(Obstacle::Name);
        }
        let balance = self.last("balance")?;
        let algorithm = balance.get(1)?;
        // HAProxy adds servers with `first` and consistent hashes too. But `first` depends on their order, and up
        // to 2026 a hash sends requests to other servers than after a reload (#3413).
        let base = algorithm.split('(').next().unwrap_or_default();
        let is_dynamic = matches!(base, "roundrobin" | "leastconn" | "random");
        (!is_dynamic).then(|| Obstacle::Balance(algorithm.clone()))
    }

    /// The lines that it inherits, then its own; without `server` lines.
    pub(crate) fn lines(&self) -> impl DoubleEndedIterator<Item = &Line<'t>> {
        self.defaults.iter().chain(&self.section.lines)
    }

    /// The lines that it inherits.
    pub(crate) fn inherited(&self) -> &[Line<'t>] {
        &self.defaults
    }

    /// Whether lines of it, or of its defaults, are within `.if`.
    pub(crate) fn is_conditional(&self) -> bool {
        self.lines().any(|line| line.is_conditional)
    }

    /// Whether servers get cookies that HAProxy computes from their addresses.
    pub(crate) fn has_dynamic_cookie(&self) -> bool {
        self.last("cookie").is_some_and(|words| words.iter().any(|word| word == "dynamic"))
    }

    /// Its backup servers.
    pub(crate) fn backups(&self) -> impl Iterator<Item = &ServerLine<'t>> {
        let is_one =
            |server: &&ServerLine<'t>| self.options_of(server).is_ok_and(|its| its.options.has("backup"));
        self.section.servers.iter().filter(is_one)
    }

    /// Whether it has a `server-template`, whose servers HAProxy names.
    pub(crate) fn has_slots(&self) -> bool {
        self.last("server-template").is_some()
    }

    /// Whether requests go to the server with the fewest connections.
    pub(crate) fn is_leastconn(&self) -> bool {
        self.last("balance").is_some_and(|words| words.get(1).is_some_and(|word| word == "leastconn"))
    }

    /// The words of the last line with this keyword; the section's own lines come after those of its defaults.
    fn last(&self, keyword: &str) -> Option<Vec<String>> {
        let line = self.lines().rev().find(|line| line.keyword == keyword)?;
        Some(line.words().into_iter().map(|word| word.text).collect())
    }
}

/// Whether the socket accepts it as the name of a backend or a server.
pub(crate) fn is_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    !name.is_empty() && name.bytes().all(is_plain)
}

fn default_servers<'l, 't>(lines: &'l [Line<'t>]) -> impl Iterator<Item = &'t str> + use<'l, 't> {
    lines.iter().filter(|line| line.keyword == "default-server").map(|line| line.text)
}

fn add_line<'t>(before: Result<Options<'t>, OptionError>, line: &'t str) -> Result<Options<'t>, OptionError> {
    before.and_then(|before| default_server(line, before))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
defaults
  balance leastconn
  default-server inter 1s
  cookie SRV insert dynamic
backend nodes
  server s0 10.0.0.1:80
  default-server check
  server s1 10.0.0.1:80
listen web
  'balance' source
  default-server resolvers dns
  server s1 10.0.0.1:80
backend two
  balance random(2)
  server-template s 3 10.0.0.1:80
.if feature(X)
  server s9 10.0.0.9:80
.endif
";

    fn backend<T>(name: &str, ask: impl Fn(&Backend) -> T) -> T {
        let layout = Sections::read(TEXT);
        let backend = Backend::all(&layout).find(|backend| backend.section.name == name).unwrap();
        ask(&backend)
    }

    #[test]
    fn servers_get_the_default_server_lines_before_them() {
        let options = |server: usize| {
            backend("nodes", |backend| {
                backend.options_of(&backend.section.servers[server]).unwrap().options.text()
            })
        };
        assert_eq!([options(0), options(1)], ["inter 1s", "check inter 1s"]);
        let refused = backend("web", |backend| backend.options_of(&backend.section.servers[0]).unwrap_err());
        assert_eq!(refused, OptionError::Unsupported("resolvers".to_owned()));
    }

    #[test]
    fn static_algorithms_and_conditions_are_obstacles() {
        assert_eq!(backend("nodes", |backend| backend.why_not_at_runtime()), None);
        assert_eq!(
            backend("web", |backend| backend.why_not_at_runtime()),
            Some(Obstacle::Balance("source".to_owned()))
        );
        assert_eq!(backend("two", |backend| backend.why_not_at_runtime()), Some(Obstacle::Conditional));
        let moved =
            Sections::read("backend a\n.if 0\nbackend b\n.endif\n server s1 10.0.0.1:80\nbackend c\n");
        let obstacles: Vec<bool> =
            Backend::all(&moved).map(|backend| backend.why_not_at_runtime().is_some()).collect();
        assert_eq!(obstacles, [true, true, false]);
        let inherited = Sections::read(".if 0\ndefaults\n default-server check\n.endif\nbackend a\n");
        assert!(Backend::all(&inherited).all(|backend| backend.why_not_at_runtime().is_some()));
    }

    #[test]
    fn lines_of_the_defaults_apply() {
        assert!(
            backend("nodes", |backend| backend.has_dynamic_cookie())
                && backend("nodes", |backend| backend.is_leastconn())
        );
        assert!(
            backend("two", |backend| backend.has_slots()) && !backend("nodes", |backend| backend.has_slots())
        );
    }
}
