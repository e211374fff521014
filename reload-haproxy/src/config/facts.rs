//! The few things in a configuration that matter to a reload: its sockets, its addresses and its revision.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use crate::config::content::revision;
use crate::config::files::Mentions;
use crate::config::files::named::NamedFiles;
use crate::config::lines::{Line, lines};
use crate::config::requirements::Needs;
use crate::config::words::Word;

/// The parts of a configuration that matter for a reload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ConfigFacts {
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
    /// The files that the configuration names.
    pub(crate) files: NamedFiles,
}

/// A `stats socket` on a Unix path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StatsSocket {
    pub(crate) line: usize,
    pub(crate) path: PathBuf,
    /// Whether a new process may fetch the listeners through it (`-x`).
    pub(crate) exposes_listeners: bool,
}

/// Reads the facts out of a configuration. Of lines within `.if` only the files are read, because they may not apply.
pub(crate) fn facts(text: &str) -> ConfigFacts {
    let mut facts = ConfigFacts::default();
    // Most lines are servers of a backend, which are not among the facts.
    let is_server = |line: &Line| line.keyword == "server" && matches!(line.section, "backend" | "listen");
    let mut mentions = Mentions::find(text);
    for line in lines(text).filter(|line| !is_server(line) || mentions.are_in(line.text)) {
        let words = line.words();
        facts.files.read_line(&line, &words);
        if line.is_conditional || line.begins_section || is_server(&line) {
            continue;
        }
        let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
        facts.read_line(line.section, line.number, &words, &texts);
    }
    facts
}

impl ConfigFacts {
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

/// With these options this host cannot tell whether HAProxy can bind the address.
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
}
