//! The options of a `server` line with those of the `default-server` lines that apply to it. A server added
//! through the socket inherits none, so all of them must be sent.
//!
//! A keyword that is not in the table of server_keywords.rs, or a value that the socket's command line might read
//! differently, needs a reload.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use thiserror::Error;

use crate::config::server_keywords::{self, AtRuntime, Keyword};
use crate::config::words::words;

/// HAProxy's own default.
const WEIGHT: u32 = 1;
const WEIGHT_MAX: u32 = 256;

/// Why the options of a server cannot be given to HAProxy while it runs.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(crate) enum OptionError {
    #[error("its address '{0}' is not IP:PORT")]
    Address(String),
    #[error("'{0}' has no value")]
    NoValue(String),
    #[error("its {keyword} '{value}' is not a number from 0 to {most}")]
    Number { keyword: &'static str, value: String, most: u32 },
    #[error("'{0}' contains a variable or characters that HAProxy's socket does not accept")]
    NotPlain(String),
    #[error("'{0}' is not supported at run time")]
    Unsupported(String),
}

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

/// Keywords with their values, each keyword once, sorted: their order has no meaning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options<'t>(Vec<(Cow<'t, str>, Option<Cow<'t, str>>)>);

/// Adds a `default-server` line to those before it. Fails with an option that needs a reload.
pub(crate) fn default_server<'t>(line: &'t str, before: Options<'t>) -> Result<Options<'t>, OptionError> {
    let mut options = before;
    options.read(&mut split(line)?.into_iter().skip(1))?;
    Ok(options)
}

impl<'t> ServerOptions<'t> {
    /// Reads a `server` line with the defaults that apply to it. Fails with an option that needs a reload.
    pub(crate) fn read(line: &'t str, defaults: &Options<'t>) -> Result<ServerOptions<'t>, OptionError> {
        let mut words = split(line)?.into_iter().skip(2);
        let address = words.next().unwrap_or_default();
        let endpoint = endpoint(&address).ok_or_else(|| OptionError::Address(address.into_owned()))?;
        let mut options = defaults.clone();
        options.read(&mut words)?;
        let weight = options.take_number("weight", WEIGHT_MAX)?.unwrap_or(WEIGHT);
        let maxconn = options.take_number("maxconn", u32::MAX)?.unwrap_or(0);
        let is_disabled = options.take("disabled").is_some();
        options.check_source()?;
        Ok(ServerOptions { endpoint, weight, maxconn, is_disabled, options })
    }

    /// The address and the weight of a simple line, far quicker than by `read`. `None` if it is not simple.
    pub(crate) fn glance(line: &str, defaults: &Options) -> Option<(SocketAddr, u32)> {
        let has_exception =
            line.contains("agent-check") || line.contains("disabled") || defaults.has("disabled");
        if has_exception || !is_usual(line) {
            return None;
        }
        let mut words = line.split_ascii_whitespace().skip(2);
        let endpoint = endpoint(words.next()?)?;
        let mut weight = None;
        while let Some(word) = words.next() {
            if word == "weight" {
                weight = Some(words.next()?.parse().ok()?);
            }
        }
        Some((endpoint, weight.or_else(|| defaults.weight())?))
    }

    /// Whether HAProxy checks it.
    pub(crate) fn has_checks(&self) -> bool {
        self.options.has("check")
    }
}

impl<'t> Options<'t> {
    /// Whether the keyword is among them.
    pub(crate) fn has(&self, keyword: &str) -> bool {
        self.at(keyword).is_ok()
    }

    /// The value of a keyword.
    pub(crate) fn value(&self, keyword: &str) -> Option<&str> {
        self.0[self.at(keyword).ok()?].1.as_deref()
    }

    /// All keywords.
    pub(crate) fn keywords(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(keyword, _)| &**keyword)
    }

    /// As they are written on a line, without spaces around.
    pub(crate) fn text(&self) -> String {
        let words = self.0.iter().flat_map(|(keyword, value)| [Some(&**keyword), value.as_deref()]);
        words.flatten().collect::<Vec<_>>().join(" ")
    }

    /// Where a keyword is, or would be.
    fn at(&self, keyword: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| (**known).cmp(keyword))
    }

    /// The first option that differs from `before`, as it is in one or the other.
    pub(crate) fn first_change(&self, before: &Options) -> String {
        let new = self.0.iter().find(|option| !before.0.contains(option));
        let option = new.or_else(|| before.0.iter().find(|option| !self.0.contains(option)));
        option.map_or_else(String::new, |option| Options(vec![option.clone()]).text())
    }

    fn weight(&self) -> Option<u32> {
        match self.at("weight") {
            Ok(at) => self.0[at].1.as_ref()?.parse().ok(),
            Err(_) => Some(WEIGHT),
        }
    }

    fn read(&mut self, words: &mut dyn Iterator<Item = Cow<'t, str>>) -> Result<(), OptionError> {
        while let Some(word) = words.next() {
            let Keyword { takes_value, at_runtime } = server_keywords::keyword(&word);
            if at_runtime == AtRuntime::NeedsReload {
                self.unset(&word)?;
                continue;
            }
            let value =
                takes_value.then(|| words.next().ok_or_else(|| OptionError::NoValue(word.to_string())));
            let value = value.transpose()?;
            if at_runtime != AtRuntime::Ignored {
                self.set(word, value);
            }
        }
        Ok(())
    }

    fn set(&mut self, keyword: Cow<'t, str>, value: Option<Cow<'t, str>>) {
        match self.at(&keyword) {
            Ok(at) => self.0[at].1 = value,
            Err(at) => self.0.insert(at, (keyword, value)),
        }
    }

    /// `no-check` cancels `check`, and `enabled` cancels `disabled`.
    fn unset(&mut self, keyword: &str) -> Result<(), OptionError> {
        let back = if keyword == "enabled" { Some("disabled") } else { keyword.strip_prefix("no-") };
        let is_flag = |back: &&str| {
            let Keyword { takes_value, at_runtime } = server_keywords::keyword(back);
            !takes_value && at_runtime != AtRuntime::NeedsReload
        };
        match back.filter(is_flag) {
            Some(back) => drop(self.take(back)),
            None => return Err(OptionError::Unsupported(keyword.to_owned())),
        }
        Ok(())
    }

    /// Fails unless `source` is an IP address: a range of ports needs more of HAProxy than the address.
    fn check_source(&self) -> Result<(), OptionError> {
        match self.value("source").filter(|source| source.parse::<IpAddr>().is_err()) {
            Some(source) => Err(OptionError::Unsupported(format!("source {source}"))),
            None => Ok(()),
        }
    }

    fn take(&mut self, keyword: &str) -> Option<Option<Cow<'t, str>>> {
        self.at(keyword).ok().map(|at| self.0.remove(at).1)
    }

    fn take_number(&mut self, keyword: &'static str, most: u32) -> Result<Option<u32>, OptionError> {
        let Some(Some(value)) = self.take(keyword) else { return Ok(None) };
        let number = value.parse().ok().filter(|number| *number <= most && !value.starts_with('+'));
        number.map(Some).ok_or_else(|| OptionError::Number { keyword, value: value.into_owned(), most })
    }
}

/// Whether HAProxy and its socket both split the line at white space alone.
fn is_usual(line: &str) -> bool {
    line.bytes().all(|byte| is_plain_byte(byte) || matches!(byte, b' ' | b'\t'))
}

/// The words of a line, if the socket reads each of them as HAProxy reads the file.
fn split(line: &str) -> Result<Vec<Cow<'_, str>>, OptionError> {
    if is_usual(line) {
        return Ok(line.split_ascii_whitespace().map(Cow::from).collect());
    }
    let words = words(line).into_iter();
    words
        .map(|word| match word.has_variable || !is_plain(&word.text) {
            true => Err(OptionError::NotPlain(word.text)),
            false => Ok(word.text.into()),
        })
        .collect()
}

/// Whether the socket's command line takes the word as it is.
fn is_plain(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(is_plain_byte)
}

fn is_plain_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.:,/@%+=*()[]{}!~^&|?".contains(&byte)
}

/// The address of a server: an IP address and a port, IPv6 in brackets or not. Not names, sockets, ports
/// relative to the client's, or addresses that are the client's.
pub(crate) fn endpoint(word: &str) -> Option<SocketAddr> {
    let (host, port) = word.rsplit_once(':')?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let port = port.parse().ok().filter(|port| *port > 0 && word.as_bytes()[word.len() - 1].is_ascii_digit());
    let address: IpAddr = host.parse().ok()?;
    let is_definite = !address.is_unspecified() && !word.contains('+');
    Some(SocketAddr::new(address, port?)).filter(|_| is_definite)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<'t>(line: &'t str, defaults: &Options<'t>) -> ServerOptions<'t> {
        ServerOptions::read(line, defaults).unwrap()
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
            let glance = ServerOptions::glance(line, &defaults);
            assert!(glance.is_none() || glance == read.map(|read| (read.endpoint, read.weight)), "{line}");
        }
        assert!(ServerOptions::glance("server s1 10.0.0.1:80 check", &defaults).is_some());
    }

    #[test]
    fn quotes_and_comments_around_plain_words_are_read() {
        let settings = read(r#"server "s1" "10.0.0.1:80" check  # ours"#, &Options::default());
        assert_eq!(settings.options.text(), "check");
    }
}
