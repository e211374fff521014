//! The servers of a configuration, and the file from which HAProxy is to load their state.
//!
//! A server whose address or whose checks cannot be told for certain is left out: without a row HAProxy
//! begins with it as it always does, but one that begins DOWN and is not checked would stay so.

use std::collections::HashMap;
use std::path::PathBuf;

use super::rows::Server;
use crate::config::facts::tcp_address;
use crate::config::lines::lines;
use crate::config::words::Word;

/// What a configuration says of server states.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// `server-state-file` within `server-state-base`, if it is loaded; may be relative to HAProxy's directory.
    pub(crate) file: Option<PathBuf>,
    /// Whether a warning, as HAProxy gives for every server that begins DOWN, keeps it from starting.
    pub(crate) forbids_warnings: bool,
    /// The servers of all proxies that load their state from that file.
    pub(crate) servers: Vec<Server>,
}

/// What holds for the servers of a section, on from where it is said.
#[derive(Clone, Copy, Debug, Default)]
struct Settings {
    loads_state: bool,
    has_check: bool,
    is_disabled: bool,
}

/// Reads a configuration. Lines within `.if` are passed over: they may not count.
pub(crate) fn wanted(text: &str) -> Wanted {
    let mut reader = Reader::default();
    for line in lines(text).filter(|line| !line.is_conditional || line.begins_section) {
        let words = line.words();
        let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
        match line.begins_section {
            true => reader.begin(&texts),
            false => reader.read_line(&words, &texts),
        }
    }
    reader.finish()
}

#[derive(Debug, Default)]
struct Reader {
    wanted: Wanted,
    base: Option<PathBuf>,
    /// Whether any proxy loads the file.
    is_loaded: bool,
    /// What kind of section this is, and its name.
    section: (String, String),
    settings: Settings,
    /// What each `defaults` section has come to, by name, and the last one under an empty name.
    defaults: HashMap<String, Settings>,
}

impl Reader {
    /// Begins a section: `backend NAME [from DEFAULTS]`, with what it inherits.
    fn begin(&mut self, texts: &[&str]) {
        let from = texts.windows(2).find(|pair| pair[0] == "from").map(|pair| pair[1]);
        let is_defaults = texts[0] == "defaults";
        // A `defaults` that names no other one begins with nothing.
        let inherited = if is_defaults { from } else { from.or(Some("")) };
        self.settings = inherited.and_then(|name| self.defaults.get(name)).copied().unwrap_or_default();
        let name = texts.get(1).copied().unwrap_or_default();
        self.section = (texts[0].to_owned(), name.to_owned());
        self.keep_defaults();
    }

    fn keep_defaults(&mut self) {
        let (kind, name) = &self.section;
        if kind == "defaults" {
            self.defaults.insert(name.clone(), self.settings);
            self.defaults.insert(String::new(), self.settings);
        }
    }

    fn read_line(&mut self, words: &[Word], texts: &[&str]) {
        match (self.section.0.as_str(), texts) {
            ("global", _) => self.read_global(words, texts),
            ("defaults" | "backend" | "listen", ["load-server-state-from-file", from, ..]) => {
                self.settings.loads_state = *from == "global";
                self.is_loaded |= self.settings.loads_state;
            }
            ("defaults" | "backend" | "listen", ["default-server", options @ ..]) => {
                self.settings.apply(options)
            }
            ("backend" | "listen", ["server", name, address, options @ ..])
                if self.settings.loads_state && !words[1].has_variable && !words[2].has_variable =>
            {
                self.read_server(name, address, options);
            }
            _ => {}
        }
        self.keep_defaults();
    }

    fn read_global(&mut self, words: &[Word], texts: &[&str]) {
        match texts {
            ["server-state-file", path] if !words[1].has_variable => self.wanted.file = Some(path.into()),
            ["server-state-base", path] if !words[1].has_variable => self.base = Some(path.into()),
            ["zero-warning"] => self.wanted.forbids_warnings = true,
            _ => {}
        }
    }

    fn read_server(&mut self, name: &str, address: &str, options: &[&str]) {
        let address = tcp_address(address).filter(|found| found.port() != 0 && !found.ip().is_unspecified());
        let Some(address) = address else { return };
        let mut settings = self.settings;
        settings.apply(options);
        let Settings { has_check, is_disabled, .. } = settings;
        let (backend, name) = (self.section.1.clone(), name.to_owned());
        self.wanted.servers.push(Server { backend, name, address, has_check, is_disabled });
    }

    fn finish(mut self) -> Wanted {
        let base = self.base.unwrap_or_default();
        self.wanted.file = self.wanted.file.filter(|_| self.is_loaded).map(|file| base.join(file));
        self.wanted
    }
}

impl Settings {
    /// Takes over the options of a `server` or `default-server` line.
    fn apply(&mut self, mut options: &[&str]) {
        while let [option, rest @ ..] = options {
            match *option {
                "check" => self.has_check = true,
                "no-check" => self.has_check = false,
                "disabled" => self.is_disabled = true,
                "enabled" => self.is_disabled = false,
                _ => {}
            }
            // A value may look like an option: `cookie check`.
            options = if stands_alone(option) { rest } else { rest.get(1..).unwrap_or_default() };
        }
    }
}

/// Whether an option of a server takes no value. One that is not known here hides the next word.
fn stands_alone(option: &str) -> bool {
    const ALONE: [&str; 17] = [
        "agent-check",
        "allow-0rtt",
        "backup",
        "check",
        "check-reuse-pool",
        "check-send-proxy",
        "check-ssl",
        "check-via-socks4",
        "disabled",
        "enabled",
        "non-stick",
        "renegotiate",
        "ssl",
        "ssl-reuse",
        "stick",
        "strict-maxconn",
        "tfo",
    ];
    const FAMILIES: [&str; 4] = ["force-", "no-", "send-proxy", "tls-tickets"];
    ALONE.contains(&option) || FAMILIES.iter().any(|family| option.starts_with(family))
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
    fn servers_are_read_with_what_their_section_and_its_defaults_say() {
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

    #[test]
    fn the_file_stands_in_its_base_unless_its_path_is_absolute() {
        let loading = "defaults\n load-server-state-from-file global\n";
        let file = |global: &str| wanted(&format!("global\n{global}{loading}")).file;
        assert_eq!(wanted(TEXT).file, Some("/run/haproxy/servers.state".into()));
        assert_eq!(file(" server-state-file /a\n server-state-base /b\n"), Some("/a".into()));
        assert_eq!(file(" server-state-file a\n"), Some("a".into()));
        assert_eq!(file(""), None);
        assert_eq!(wanted("global\n server-state-file /a\n").file, None, "nobody loads it");
        assert!(wanted("global\n zero-warning\n").forbids_warnings && !wanted(TEXT).forbids_warnings);
    }
}
