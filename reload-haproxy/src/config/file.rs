//! The configuration file: its bytes, and the few things in it that matter to a reload.
//!
//! It is read once a run and everything is decided on these bytes, so a file that changes meanwhile is
//! seen as what it is: another one.

use std::borrow::Cow;
use std::fs;
use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use common::failure::{Code, Failure};
use common::regular_file;
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::config::lines::{Line, lines};
use crate::config::requirements::Needs;
use crate::config::words::{Word, mark};

/// What a rendered file's `description` begins with; render-cfg calls the whole the revision.
const REVISION_PREFIX: &str = "rollcall-";
const REVISION_DIGITS: usize = 16;

/// A million servers take less.
pub(crate) const CONFIG_MAX: u64 = 256 << 20;

/// A configuration file as it was at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// Where it stands, symlinks resolved.
    pub(crate) path: PathBuf,
    /// Its content.
    pub(crate) bytes: Vec<u8>,
    /// SHA-256 of its bytes, in hexadecimal.
    pub(crate) fingerprint: String,
    /// When its name or content last changed.
    pub(crate) changed: SystemTime,
    /// What it says.
    pub(crate) facts: Facts,
}

/// What a configuration says, as far as a reload cares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    /// The revision that render-cfg put into `global` / `description`, if it did.
    pub(crate) revision: Option<String>,
    /// Paths of `stats socket` lines.
    pub(crate) stats_sockets: Vec<StatsSocket>,
    /// The `chroot` directory.
    pub(crate) chroot: Option<PathBuf>,
    /// TCP addresses of `bind` lines, with their line numbers.
    pub(crate) binds: Vec<(usize, SocketAddr)>,
    /// TCP addresses of `peer` lines, with their line numbers and names: HAProxy listens on its own.
    pub(crate) peers: Vec<(usize, String, SocketAddr)>,
    /// The name that HAProxy is to have among its peers, if it is not the host's.
    pub(crate) local_peer: Option<String>,
    /// Whether HAProxy shares no port, not even with its own successor.
    pub(crate) shares_no_port: bool,
    /// What else a start needs of the host.
    pub(crate) needs: Needs,
}

/// A `stats socket` on a Unix path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StatsSocket {
    pub(crate) line: usize,
    pub(crate) path: PathBuf,
    /// Whether a new process may fetch the listeners through it (`-x`).
    pub(crate) exposes_listeners: bool,
}

impl Config {
    /// Where the file at `path` stands, symlinks resolved: its one name for a lock.
    pub(crate) fn resolve(path: &Path) -> Result<PathBuf, Failure> {
        fs::canonicalize(path).map_err(refusal(path))
    }

    /// Reads the file at `path`.
    pub(crate) fn read(path: &Path) -> Result<Config, Failure> {
        let refuse = refusal(path);
        let resolved = Config::resolve(path)?;
        let file = regular_file::open(&resolved).map_err(refuse)?;
        let metadata = file.metadata().map_err(refuse)?;
        let mut bytes = Vec::new();
        file.take(CONFIG_MAX).read_to_end(&mut bytes).map_err(refuse)?;
        Ok(Config {
            path: resolved,
            fingerprint: fingerprint(&bytes),
            changed: SystemTime::UNIX_EPOCH + Duration::new(seconds(&metadata), nanoseconds(&metadata)),
            facts: facts(&text(&bytes)),
            bytes,
        })
    }

    /// Its content as text.
    pub(crate) fn text(&self) -> Cow<'_, str> {
        text(&self.bytes)
    }

    /// What of it HAProxy takes of no file.
    pub(crate) fn flaw(&self) -> Option<Flaw> {
        flaw(&self.bytes)
    }

    /// Whether the file holds other bytes now. One that cannot be read is not known to.
    pub(crate) fn is_outdated(&self) -> bool {
        regular_file::read(&self.path, CONFIG_MAX).is_ok_and(|now| now != self.bytes)
    }
}

#[cfg(test)]
impl Config {
    /// A configuration of these facts, last changed at `changed`.
    pub(crate) fn with(facts: Facts, changed: SystemTime) -> Config {
        Config { path: "/c".into(), bytes: Vec::new(), fingerprint: "f".to_owned(), changed, facts }
    }
}

/// Why HAProxy rejects a file, whatever its lines mean.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(crate) enum Flaw {
    #[error("the file contains a NUL byte")]
    Nul,
    #[error("the file does not end with a newline")]
    NoNewline,
}

/// What HAProxy does not take of any file: all that a change of servers, without `haproxy -c`, would not see.
pub(crate) fn flaw(bytes: &[u8]) -> Option<Flaw> {
    match bytes {
        bytes if bytes.contains(&0) => Some(Flaw::Nul),
        [.., b'\n'] => None,
        _ => Some(Flaw::NoNewline),
    }
}

fn refusal(path: &Path) -> impl Fn(io::Error) -> Failure + Copy {
    move |err| Failure::new(Code::Files, format!("cannot read '{}': {err}", path.display()))
}

fn seconds(metadata: &fs::Metadata) -> u64 {
    u64::try_from(metadata.ctime()).unwrap_or(0)
}

fn nanoseconds(metadata: &fs::Metadata) -> u32 {
    u32::try_from(metadata.ctime_nsec()).unwrap_or(0)
}

/// What is no UTF-8 counts as marks that no keyword has, each byte as one of its own: another byte is another file.
pub(crate) fn text(bytes: &[u8]) -> Cow<'_, str> {
    // The check alone is many times quicker than the replacement.
    std::str::from_utf8(bytes).map_or_else(|_| marked(bytes).into(), Cow::Borrowed)
}

fn marked(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().copied().map(mark));
    }
    text
}

/// SHA-256 of `bytes`, in hexadecimal.
pub(crate) fn fingerprint(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

/// The revision within a `description`, as the file has it or as `show info` prints it.
pub(crate) fn revision(description: &str) -> Option<String> {
    let (at, _) = description.match_indices(REVISION_PREFIX).next()?;
    let end = at + REVISION_PREFIX.len() + REVISION_DIGITS;
    let found = description.get(at..end)?;
    let digits = &found[REVISION_PREFIX.len()..];
    digits.bytes().all(|b| b.is_ascii_hexdigit()).then(|| found.to_owned())
}

/// Reads the facts out of a configuration. Lines within `.if` are left out, because they may not apply.
pub(crate) fn facts(text: &str) -> Facts {
    let mut facts = Facts::default();
    // Most lines are servers of a backend, which are not among the facts.
    let is_server = |line: &Line| line.keyword == "server" && matches!(line.section, "backend" | "listen");
    for line in lines(text).filter(|line| !line.is_conditional && !line.begins_section && !is_server(line)) {
        let words = line.words();
        let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
        facts.read_line(line.section, line.number, &words, &texts);
    }
    facts
}

impl Facts {
    fn read_line(&mut self, section: &str, line: usize, words: &[Word], texts: &[&str]) {
        self.needs.read_line(section, line, words);
        match (section, texts) {
            ("global", ["description", rest @ ..]) => self.revision = revision(&rest.join(" ")),
            ("global", ["stats", "socket", path, options @ ..]) if !words[2].has_variable => {
                let path = path.strip_prefix("unix@").unwrap_or(path);
                let exposes_listeners = options.windows(2).any(|pair| pair == ["expose-fd", "listeners"]);
                if path.starts_with('/') {
                    self.stats_sockets.push(StatsSocket { line, path: path.into(), exposes_listeners });
                }
            }
            ("global", ["localpeer", name]) => self.local_peer = Some((*name).to_owned()),
            ("global", ["noreuseport"]) => self.shares_no_port = true,
            ("peers", ["peer" | "server", name, address, ..]) if !words[2].has_variable => {
                let peer = |address| (line, (*name).to_owned(), address);
                self.peers.extend(tcp_address(address).map(peer));
            }
            ("global", ["chroot", path]) if !words[1].has_variable => self.chroot = Some(path.into()),
            ("frontend" | "listen" | "peers" | "log-forward", ["bind", addresses, options @ ..])
                if !words[1].has_variable
                    && !options.iter().any(|option| BIND_EXCEPTIONS.contains(option)) =>
            {
                let addresses = addresses.split(',').filter_map(tcp_address);
                self.binds.extend(addresses.map(|address| (line, address)));
            }
            _ => {}
        }
    }
}

/// With these, whether an address can be bound is not for this host and namespace to say.
const BIND_EXCEPTIONS: [&str; 3] = ["transparent", "interface", "namespace"];

/// The TCP address of a `bind` or `server` word; `None` for sockets, names, port ranges and other families.
pub(crate) fn tcp_address(word: &str) -> Option<SocketAddr> {
    let (family, rest) = match word.split_once('@') {
        Some((family @ ("ipv4" | "ipv6" | "tcp" | "tcp4" | "tcp6"), rest)) => (family, rest),
        Some(_) => return None,
        None => ("", word),
    };
    let (host, port) = rest.rsplit_once(':')?;
    let port = port.parse().ok()?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let address: IpAddr = match host {
        "" | "*" if family.ends_with('6') => Ipv6Addr::UNSPECIFIED.into(),
        "" | "*" => Ipv4Addr::UNSPECIFIED.into(),
        host => host.parse().ok()?,
    };
    Some(SocketAddr::new(address, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
global
  description \"shop rollcall-0123456789abcdef\"   # the revision
  chroot /var/lib/haproxy
  stats socket /run/a.sock mode 660 level admin expose-fd listeners
  stats socket ipv4@127.0.0.1:9999 level user
  stats socket unix@/run/b.sock
frontend web
  bind :80,[::1]:443 ssl crt /x.pem
  bind 10.0.0.1:81 transparent
  bind \"$ADDR:82\"
  bind /run/web.sock
  bind :83-84
  .if feature(PROMEX)
  bind :85
  .endif
  description rollcall-ffffffffffffffff
listen x
  bind ipv4@127.0.0.1:86
peers p
  peer lb1 10.0.0.1:1024
global
  localpeer lb1
  noreuseport
";

    #[test]
    fn facts_are_read_from_their_sections_only() {
        let facts = facts(TEXT);
        assert_eq!(facts.revision.as_deref(), Some("rollcall-0123456789abcdef"));
        assert_eq!(facts.chroot, Some("/var/lib/haproxy".into()));
        let sockets: Vec<_> = facts
            .stats_sockets
            .iter()
            .map(|s| (s.line, s.path.to_str().unwrap(), s.exposes_listeners))
            .collect();
        assert_eq!(sockets, [(4, "/run/a.sock", true), (6, "/run/b.sock", false)]);
        let binds: Vec<_> = facts.binds.iter().map(|(line, address)| format!("{line} {address}")).collect();
        assert_eq!(binds, ["8 0.0.0.0:80", "8 [::1]:443", "18 127.0.0.1:86"]);
        assert_eq!(facts.peers, [(20, "lb1".to_owned(), "10.0.0.1:1024".parse().unwrap())]);
        assert!(facts.local_peer.as_deref() == Some("lb1") && facts.shares_no_port);
    }

    #[test]
    fn files_that_differ_in_a_byte_that_is_no_utf_8_are_two() {
        assert_ne!(text(b"caf\xe9"), text(b"caf\xe8"));
        assert_eq!(text(b"caf\xe9\n bind"), format!("caf{}\n bind", mark(0xe9)));
    }

    #[test]
    fn a_description_by_a_human_is_no_revision() {
        assert_eq!(revision("our load balancer"), None);
        assert_eq!(revision("rollcall-123"), None);
        assert_eq!(revision("rollcall-012345678zabcdef"), None);
    }
}
