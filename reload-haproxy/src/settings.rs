//! What a `server` line says in the end, with the `default-server` lines that hold for it: a server that is
//! added through the socket inherits none of them and must be told everything.
//!
//! Only what is known is taken over: a keyword that is not listed here, or a value that the command line of
//! the socket might read otherwise, makes the server a matter for a reload.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use crate::line::words;

/// HAProxy's own default.
const WEIGHT: u32 = 1;
const WEIGHT_MAX: u32 = 256;

/// Everything that a server is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings<'t> {
    pub(crate) endpoint: SocketAddr,
    pub(crate) weight: u32,
    /// 0 if there is no limit.
    pub(crate) maxconn: u32,
    pub(crate) is_disabled: bool,
    /// All others.
    pub(crate) options: Options<'t>,
}

/// Keywords with their values; each keyword once, in the order in which it was first said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options<'t>(Vec<(Cow<'t, str>, Option<Cow<'t, str>>)>);

/// Of a keyword: whether a value follows.
enum Kind {
    Flag,
    Value,
    /// For names that HAProxy resolves, and for a state that a fresh server has anyway: no use to a server
    /// with an address.
    Idle {
        has_value: bool,
    },
}

/// Reads a `default-server` line on top of those before it. Fails with what cannot be taken over.
pub(crate) fn default_server<'t>(line: &'t str, before: Options<'t>) -> Result<Options<'t>, String> {
    let mut options = before;
    options.read(&mut split(line)?.into_iter().skip(1))?;
    Ok(options)
}

impl<'t> Settings<'t> {
    /// Reads a `server` line with the defaults that hold for it. Fails with what cannot be taken over.
    pub(crate) fn read(line: &'t str, defaults: &Options<'t>) -> Result<Settings<'t>, String> {
        let mut words = split(line)?.into_iter().skip(2);
        let endpoint = words.next().and_then(|word| endpoint(&word)).ok_or("its address is no IP:PORT")?;
        let mut options = defaults.clone();
        options.read(&mut words)?;
        let weight = options.take_number("weight", WEIGHT_MAX)?.unwrap_or(WEIGHT);
        let maxconn = options.take_number("maxconn", u32::MAX)?.unwrap_or(0);
        let is_disabled = options.take("disabled").is_some();
        Ok(Settings { endpoint, weight, maxconn, is_disabled, options })
    }

    /// Whether HAProxy finds out itself if it is up.
    pub(crate) fn has_checks(&self) -> bool {
        self.options.has("check")
    }
}

impl<'t> Options<'t> {
    /// Whether the keyword is among them.
    pub(crate) fn has(&self, keyword: &str) -> bool {
        self.0.iter().any(|(known, _)| known == keyword)
    }

    /// All keywords.
    pub(crate) fn keywords(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(keyword, _)| &**keyword)
    }

    /// As they are written on a line, without a space around.
    pub(crate) fn text(&self) -> String {
        let words = self.0.iter().flat_map(|(keyword, value)| [Some(&**keyword), value.as_deref()]);
        words.flatten().collect::<Vec<_>>().join(" ")
    }

    fn read(&mut self, words: &mut dyn Iterator<Item = Cow<'t, str>>) -> Result<(), String> {
        while let Some(keyword) = words.next() {
            match kind(&keyword) {
                Some(Kind::Flag) => self.set(keyword, None),
                Some(Kind::Value) => {
                    let value = words.next().ok_or_else(|| format!("'{keyword}' has no value"))?;
                    self.set(keyword, Some(value));
                }
                Some(Kind::Idle { has_value: true }) => drop(words.next()),
                Some(Kind::Idle { has_value: false }) => {}
                None => self.unset(&keyword)?,
            }
        }
        Ok(())
    }

    fn set(&mut self, keyword: Cow<'t, str>, value: Option<Cow<'t, str>>) {
        match self.0.iter_mut().find(|(known, _)| *known == keyword) {
            Some(known) => known.1 = value,
            None => self.0.push((keyword, value)),
        }
    }

    /// `no-check` takes back `check`; `enabled` takes back `disabled`.
    fn unset(&mut self, keyword: &str) -> Result<(), String> {
        let back = if keyword == "enabled" { Some("disabled") } else { keyword.strip_prefix("no-") };
        match back.filter(|back| matches!(kind(back), Some(Kind::Flag))) {
            Some(back) => drop(self.take(back)),
            None => return Err(format!("'{keyword}' is not known to work at run time")),
        }
        Ok(())
    }

    fn take(&mut self, keyword: &str) -> Option<Option<Cow<'t, str>>> {
        let at = self.0.iter().position(|(known, _)| known == keyword)?;
        Some(self.0.remove(at).1)
    }

    fn take_number(&mut self, keyword: &str, most: u32) -> Result<Option<u32>, String> {
        let Some(Some(value)) = self.take(keyword) else { return Ok(None) };
        let number = value.parse().ok().filter(|number| *number <= most && !value.starts_with('+'));
        number.map(Some).ok_or_else(|| format!("its {keyword} is '{value}'"))
    }
}

/// The words of a line, if the socket would read each as the file does.
fn split(line: &str) -> Result<Vec<Cow<'_, str>>, String> {
    if !line.contains(['"', '\'', '\\', '#', '$', ';', '<']) {
        return Ok(line.split_ascii_whitespace().map(Cow::from).collect());
    }
    let words = words(line).into_iter();
    words
        .map(|word| match word.has_variable || !is_plain(&word.text) {
            true => Err(format!("'{}' is not plain text", word.text)),
            false => Ok(word.text.into()),
        })
        .collect()
}

/// Of such words the socket's command line takes every one as it is.
fn is_plain(word: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:,/@%+=*()[]{}!~^&|?".contains(&byte);
    !word.is_empty() && word.bytes().all(plain)
}

/// The address of a server: an IP address and a port, IPv6 in brackets or not. Names, sockets, ports that
/// follow the client's and addresses that are the client's are not.
pub(crate) fn endpoint(word: &str) -> Option<SocketAddr> {
    let (host, port) = word.rsplit_once(':')?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let port = port.parse().ok().filter(|port| *port > 0 && word.as_bytes()[word.len() - 1].is_ascii_digit());
    let address: IpAddr = host.parse().ok()?;
    let is_somebody = !address.is_unspecified() && !word.contains('+');
    Some(SocketAddr::new(address, port?)).filter(|_| is_somebody)
}

fn kind(keyword: &str) -> Option<Kind> {
    Some(match keyword {
        "backup" | "check" | "disabled" | "agent-check" | "ssl" | "check-ssl" | "send-proxy"
        | "send-proxy-v2" | "check-send-proxy" | "tfo" => Kind::Flag,
        "weight" | "maxconn" | "minconn" | "maxqueue" | "inter" | "fastinter" | "downinter" | "fall"
        | "rise" | "port" | "addr" | "slowstart" | "observe" | "error-limit" | "on-error"
        | "on-marked-down" | "on-marked-up" | "pool-purge-delay" | "pool-max-conn" | "pool-low-conn"
        | "proto" | "check-proto" | "check-alpn" | "check-sni" | "sni" | "verify" | "verifyhost"
        | "ca-file" | "crl-file" | "crt" | "ciphers" | "ciphersuites" | "alpn" | "npn" | "ssl-min-ver"
        | "ssl-max-ver" | "tcp-ut" | "ws" | "agent-port" | "agent-addr" | "agent-inter" | "agent-send"
        | "cookie" | "init-state" => Kind::Value,
        "init-addr" => Kind::Idle { has_value: true },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<'t>(line: &'t str, defaults: &Options<'t>) -> Settings<'t> {
        Settings::read(line, defaults).unwrap()
    }

    #[test]
    fn default_server_lines_are_merged_and_the_last_word_counts() {
        let defaults = default_server("default-server check inter 2s weight 7 backup", Options::default());
        let defaults = default_server("default-server inter 1s fall 3", defaults.unwrap()).unwrap();
        let settings = read("  server s1 10.0.0.1:80 no-backup weight 9 fall 5 maxconn 4", &defaults);
        assert_eq!(settings.options.text(), "check inter 1s fall 5");
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
    fn what_is_not_known_or_not_plain_is_left_to_a_reload() {
        let refusal = |line| Settings::read(line, &Options::default()).unwrap_err();
        assert_eq!(
            refusal("server s1 10.0.0.1:80 resolvers dns"),
            "'resolvers' is not known to work at run time"
        );
        assert_eq!(refusal("server s1 $ADDR:80"), "'$ADDR:80' is not plain text");
        assert_eq!(refusal("server s1 10.0.0.1:80 sni 'str(a b);x'"), "'str(a b);x' is not plain text");
        assert_eq!(refusal("server s1 10.0.0.1:80 weight 5x"), "its weight is '5x'");
        assert_eq!(refusal("server s1 10.0.0.1:80 weight 257"), "its weight is '257'");
        assert_eq!(refusal("server s1 10.0.0.1:80 inter"), "'inter' has no value");
        assert_eq!(refusal("server s1 10.0.0.1:80 no-sslv3"), "'no-sslv3' is not known to work at run time");
    }

    #[test]
    fn quotes_and_comments_around_plain_words_are_no_obstacle() {
        let settings = read(r#"server "s1" "10.0.0.1:80" check  # ours"#, &Options::default());
        assert_eq!(settings.options.text(), "check");
    }
}
