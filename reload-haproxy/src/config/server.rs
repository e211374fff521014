//! A `server` line: its address, weight and limit, and its options with those of the `default-server` lines that
//! apply to it. A server added through the socket inherits none, so all of them must be sent.

use std::net::SocketAddr;

use common::ip_address;
use memchr::memrchr;

use crate::config::server_options::{DEFAULT_WEIGHT, OptionError, Options, is_plain_byte, is_usual, split};

const WEIGHT_MAX: u32 = 256;

/// The options of one server, inherited ones included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServerOptions<'t> {
    pub(crate) endpoint: SocketAddr,
    pub(crate) weight: u32,
    /// 0 if there is no limit.
    pub(crate) maxconn: u32,
    pub(crate) is_disabled: bool,
    /// All other options.
    pub(crate) options: Options<'t>,
}

impl<'t> ServerOptions<'t> {
    /// Reads a `server` line with the defaults that apply to it. Fails with an option that needs a reload.
    pub(crate) fn read(line: &'t str, defaults: &Options<'t>) -> Result<ServerOptions<'t>, OptionError> {
        let mut words = split(line)?.into_iter().skip(2);
        let address = words.next().unwrap_or_default();
        let endpoint = endpoint(&address).ok_or_else(|| OptionError::Address(address.into_owned()))?;
        let mut options = defaults.clone();
        options.read(&mut words)?;
        let weight = options.take_number("weight", WEIGHT_MAX)?.unwrap_or(DEFAULT_WEIGHT);
        let maxconn = options.take_number("maxconn", u32::MAX)?.unwrap_or(0);
        let is_disabled = options.take("disabled").is_some();
        options.check_source()?;
        Ok(ServerOptions { endpoint, weight, maxconn, is_disabled, options })
    }

    /// Whether HAProxy checks it.
    pub(crate) fn has_checks(&self) -> bool {
        self.options.has("check")
    }
}

/// What the options of a line say, for the next line that has the same: most of ten thousand lines do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Glance<'t> {
    /// What follows the address.
    options: &'t str,
    /// The `defaults` of the server.
    defaults: usize,
    /// The weight that such a server has; `None` if the options are not simple.
    pub(crate) weight: Option<u32>,
}

impl<'t> Glance<'t> {
    /// The options of a line, as `words` returns them, if these defaults apply to it.
    pub(crate) fn new(options: &'t str, defaults: usize, inherited: &Options) -> Glance<'t> {
        let has_exception =
            options.contains("agent-check") || options.contains("disabled") || inherited.has("disabled");
        let is_simple = !has_exception && is_usual(options);
        let own = if is_simple { weight(options) } else { None };
        Glance { options, defaults, weight: own.and_then(|own| own.or_else(|| inherited.weight())) }
    }

    /// Whether these are the options and defaults that it was made from.
    pub(crate) fn is_of(&self, options: &str, defaults: usize) -> bool {
        self.defaults == defaults && self.options == options
    }

    /// The third word of a line, and what follows it. `None` if they are not plain.
    pub(crate) fn words(line: &str) -> Option<(&str, &str)> {
        let bytes = line.as_bytes();
        let mut at = 0;
        let mut start = 0;
        for _ in 0..3 {
            while at < bytes.len() && matches!(bytes[at], b' ' | b'\t') {
                at += 1;
            }
            start = at;
            while at < bytes.len() && is_plain_byte(bytes[at]) {
                at += 1;
            }
            let is_end = at == bytes.len() || matches!(bytes[at], b' ' | b'\t');
            if at == start || !is_end {
                return None;
            }
        }
        Some((&line[start..at], &line[at..]))
    }
}

/// The weight that the options set: `Some(None)` if they set none, `None` if it is not a number.
fn weight(options: &str) -> Option<Option<u32>> {
    let mut words = options.split_ascii_whitespace();
    let mut weight = None;
    while let Some(word) = words.next() {
        if word == "weight" {
            weight = Some(words.next()?.parse().ok()?);
        }
    }
    Some(weight)
}

/// The address of a server: an IP address and a port, IPv6 in brackets or not. Not names, sockets, ports
/// relative to the client's, or addresses that are the client's.
pub(crate) fn endpoint(word: &str) -> Option<SocketAddr> {
    let colon = memrchr(b':', word.as_bytes())?;
    let (host, port) = (&word[..colon], &word[colon + 1..]);
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let port = port.parse().ok().filter(|port| *port > 0 && word.as_bytes()[word.len() - 1].is_ascii_digit());
    let address = ip_address::parse(host)?;
    let is_definite = !address.is_unspecified() && !word.contains('+');
    Some(SocketAddr::new(address, port?)).filter(|_| is_definite)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::server_options::default_server;

    fn read<'t>(line: &'t str, defaults: &Options<'t>) -> ServerOptions<'t> {
        ServerOptions::read(line, defaults).unwrap()
    }

    fn glance(line: &str, defaults: &Options) -> Option<(SocketAddr, u32)> {
        let (address, options) = Glance::words(line)?;
        Some((endpoint(address)?, Glance::new(options, 0, defaults).weight?))
    }

    #[test]
    fn default_server_lines_are_merged_and_the_last_value_is_used() {
        let defaults = default_server("default-server check inter 2s weight 7 backup", Options::default());
        let defaults = default_server("default-server inter 1s fall 3", defaults.unwrap()).unwrap();
        let settings = read("  server s1 10.0.0.1:80 no-backup weight 9 fall 5 maxconn 4", &defaults);
        assert_eq!(settings.options.text(), "check fall 5 inter 1s");
        assert_eq!((settings.weight, settings.maxconn, settings.is_disabled), (9, 4, false));
        assert_eq!(read("server s1 10.0.0.1:80", &defaults).weight, 7);
    }

    #[test]
    fn addresses_are_ip_and_port_or_nothing() {
        let good = [("10.0.0.1:80", "10.0.0.1:80"), ("[::1]:80", "[::1]:80"), ("fd00::1:80", "[fd00::1]:80")];
        for (word, expected) in good {
            assert_eq!(endpoint(word).map(|endpoint| endpoint.to_string()).as_deref(), Some(expected));
        }
        for word in ["10.0.0.1", "a.example:80", "*:80", ":80", "0.0.0.0:80", "10.0.0.1:+80", "10.0.0.1:0"]
            .into_iter()
            .chain(["/run/x.sock", "unix@/x:80", "ipv4@10.0.0.1:80", "127.1:80", "10.0.0.1:80-"])
        {
            assert_eq!(endpoint(word), None, "{word}");
        }
    }

    #[test]
    fn an_option_that_is_unknown_or_not_plain_is_refused() {
        let refusal = |line: &str| ServerOptions::read(line, &Options::default()).unwrap_err();
        let unsupported = |keyword: &str| OptionError::Unsupported(keyword.to_owned());
        assert_eq!(refusal("server s1 10.0.0.1:80 resolvers dns"), unsupported("resolvers"));
        assert_eq!(refusal("server s1 10.0.0.1:80 no-sslv3"), unsupported("no-sslv3"));
        for source in ["10.0.0.9:80", "10.0.0.9:1000-2000", "*"] {
            let line = format!("server s1 10.0.0.1:80 source {source}");
            assert_eq!(refusal(&line), unsupported(&format!("source {source}")));
        }
        assert_eq!(refusal("server s1 10.0.0.1:80 source ::1 usesrc client"), unsupported("usesrc"));
        assert_eq!(refusal("server s1 a:80"), OptionError::Address("a:80".to_owned()));
        assert_eq!(refusal("server s1"), OptionError::Address(String::new()));
        for (line, word) in [
            ("server s1 $ADDR:80", "$ADDR:80"),
            ("server s1 10.0.0.1:80 sni 'str(a b);x'", "str(a b);x"),
            ("server s1 10.0.0.1:80 sni 'a\u{b}b'", "a\u{b}b"),
            ("server s1 10.0.0.1:80 sni \u{fffd}", "\u{fffd}"),
        ] {
            assert_eq!(refusal(line), OptionError::NotPlain(word.to_owned()));
        }
        for value in ["5x", "257", "+5"] {
            let number = OptionError::Number { keyword: "weight", value: value.to_owned(), most: 256 };
            assert_eq!(refusal(&format!("server s1 10.0.0.1:80 weight {value}")), number);
        }
        assert_eq!(refusal("server s1 10.0.0.1:80 inter"), OptionError::NoValue("inter".to_owned()));
    }

    #[test]
    fn a_glance_gives_what_reading_gives_or_nothing() {
        let defaults = default_server("default-server weight 7", Options::default()).unwrap();
        for line in [
            "server s1 10.0.0.1:80 check",
            "server s1 10.0.0.1:80 weight 9 check",
            "\tserver\ts1 [::1]:80\tweight 5",
            "server s1 10.0.0.1:80 weight 3 weight 4",
            "server weight 10.0.0.1:80",
            "server s1 10.0.0.1:80 agent-check",
            "server s1 10.0.0.1:80 disabled",
            "server s1 'a b':80",
        ] {
            let read = ServerOptions::read(line, &defaults).ok();
            let glance = glance(line, &defaults);
            assert!(glance.is_none() || glance == read.map(|read| (read.endpoint, read.weight)), "{line}");
        }
        assert!(glance("server s1 10.0.0.1:80 check", &defaults).is_some());
        assert_eq!(glance("server s1", &defaults), None);
    }

    #[test]
    fn quotes_and_comments_around_plain_words_are_read() {
        let settings = read(r#"server "s1" "10.0.0.1:80" check  # ours"#, &Options::default());
        assert_eq!(settings.options.text(), "check");
    }
}
