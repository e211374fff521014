//! The servers of a simple configuration, whose meaning to HAProxy is obvious. The model skips all other
//! configurations.

use std::collections::BTreeMap;
use std::net::SocketAddr;

/// Servers by their names at the socket, `backend/server`.
pub(crate) type Servers = BTreeMap<String, Server>;

/// A server's address and options, with all defaults applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Server {
    pub(crate) endpoint: SocketAddr,
    pub(crate) options: Options,
}

/// Keywords and their values; the value is empty for a keyword without one.
pub(crate) type Options = BTreeMap<String, String>;

impl Server {
    /// The number that an option has as its value, or `default` if the option is missing.
    pub(crate) fn number(&self, keyword: &str, default: u32) -> u32 {
        self.options.get(keyword).and_then(|value| value.parse().ok()).unwrap_or(default)
    }

    /// Whether it starts in maintenance.
    pub(crate) fn is_disabled(&self) -> bool {
        self.options.contains_key("disabled")
    }
}

/// Reads a simple configuration; `None` if it is not one.
pub(crate) fn servers(config: &[u8]) -> Option<Servers> {
    let text = std::str::from_utf8(config).ok().filter(|text| text.ends_with('\n') && is_plain(text))?;
    let mut reader = Reader::default();
    text.lines().try_for_each(|line| reader.read(line))?;
    Some(reader.servers)
}

fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| byte == b'\n' || (b' '..=b'~').contains(&byte) && !b"\"'\\$#".contains(&byte))
}

#[derive(Default)]
struct Reader {
    servers: Servers,
    kind: String,
    name: String,
    titles: Vec<String>,
    /// The server options of the last `defaults` section, and those of the present section.
    inherited: Options,
    defaults: Options,
}

impl Reader {
    fn read(&mut self, line: &str) -> Option<()> {
        let words: Vec<&str> = line.split(' ').filter(|word| !word.is_empty()).collect();
        match words[..] {
            [] => {}
            ["defaults"] => {
                self.inherited.clear();
                self.begin("defaults", "");
            }
            [kind @ ("global" | "peers" | "frontend" | "backend" | "listen"), ref rest @ ..] => {
                let name = rest.first().copied().unwrap_or_default();
                let title = format!("{kind} {name}");
                if rest.len() > 1 || self.titles.contains(&title) || !name.bytes().all(is_token) {
                    return None;
                }
                self.titles.push(title);
                self.begin(kind, name);
            }
            ["default-server", ref rest @ ..] => {
                let before = if self.kind == "defaults" { &self.inherited } else { &self.defaults };
                let options = options(rest, before.clone())?;
                *(if self.kind == "defaults" { &mut self.inherited } else { &mut self.defaults }) = options;
            }
            ["server", name, address, ref rest @ ..] if self.kind == "backend" || self.kind == "listen" => {
                let endpoint = address.parse().ok().filter(|it: &SocketAddr| it.port() > 0)?;
                let server = Server { endpoint, options: options(rest, self.defaults.clone())? };
                let key = format!("{}/{name}", self.name);
                let is_new = self.servers.insert(key, server).is_none();
                return (is_new && name.bytes().all(is_token) && !self.name.is_empty()).then_some(());
            }
            ["bind" | "mode" | "balance" | "option" | "timeout" | "description" | "maxconn", ..] => {}
            _ => return None,
        }
        Some(())
    }

    fn begin(&mut self, kind: &str, name: &str) {
        (self.kind, self.name) = (kind.to_owned(), name.to_owned());
        self.defaults = self.inherited.clone();
    }
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)
}

/// Adds `words` to the options so far; `None` if any of them is not simple.
fn options(words: &[&str], mut options: Options) -> Option<Options> {
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match *word {
            "check" | "backup" | "disabled" => drop(options.insert((*word).to_owned(), String::new())),
            "no-check" | "no-backup" => drop(options.remove(&word[3..])),
            "enabled" => drop(options.remove("disabled")),
            "weight" | "maxconn" | "inter" | "fall" | "rise" => {
                let most = if *word == "weight" { 256 } else { 100_000 };
                let value = words.next().filter(|value| value.bytes().all(|byte| byte.is_ascii_digit()))?;
                let value: u32 = value.parse().ok().filter(|value| *value <= most)?;
                options.insert((*word).to_owned(), value.to_string());
            }
            _ => return None,
        }
    }
    Some(options)
}
