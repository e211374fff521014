//! The certificate that the worker uses and that expires first, from `show ssl cert`.
//!
//! HAProxy prints the date of one certificate only, so it is asked for each, hundreds of them in one line: a thousand
//! certificates take four connections.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::haproxy::commands::{escaped, joined};
use crate::haproxy::instance::Instance;

/// HAProxy accepts a line up to its buffer's size, 16 KiB unless configured.
const LINE_MAX: usize = 12 << 10;
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A certificate and the time when it expires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Expiry {
    /// Its name in HAProxy, which is its path.
    pub(crate) name: String,
    /// Since 1970.
    pub(crate) at: Duration,
}

/// The certificate in use that expires first, by name if there are several. `None` if there is none, or if HAProxy
/// does not report all of them.
pub(crate) fn first_expiry(instance: &Instance) -> Option<Expiry> {
    let list = instance.ask_worker("show ssl cert")?;
    let names = names_of(&list);
    let mut found = Vec::new();
    let mut answers = 0;
    for line in questions(&names) {
        let answer = instance.ask_worker(&line)?;
        answers += answer.lines().filter(|line| is_answer(line)).count();
        found.extend(expiries(&answer));
    }
    let earliest = found.into_iter().min_by(|a, b| (a.at, &a.name).cmp(&(b.at, &b.name)));
    earliest.filter(|_| answers == names.len())
}

/// The certificates in an answer to `show ssl cert`.
fn names_of(list: &str) -> Vec<&str> {
    list.lines().filter(|line| is_name(line)).collect()
}

/// The certificates in an answer to `show ssl cert NAME` for several, each with what HAProxy tells about it.
pub(crate) fn answers_in(answer: &str) -> impl Iterator<Item = (&str, &str)> {
    answer.split("Filename: ").skip(1).filter_map(|part| {
        let name = part.lines().next()?;
        Some((name, part))
    })
}

/// Whether a line of the list is a certificate, and not a comment or a transaction that is open.
fn is_name(line: &str) -> bool {
    !line.is_empty() && !line.starts_with(['#', '*'])
}

/// Whether a line begins an answer. A certificate that has been removed meanwhile has one, too.
pub(crate) fn is_answer(line: &str) -> bool {
    line.starts_with("Filename: ") || line.starts_with("Can't display the certificate")
}

/// Commands for all certificates, as many in a line as HAProxy accepts.
pub(crate) fn questions(names: &[&str]) -> Vec<String> {
    joined(names.iter().map(|name| format!("show ssl cert {}", escaped(name))), LINE_MAX, ";")
}

/// The certificates in use, from answers to `show ssl cert NAME`.
fn expiries(answer: &str) -> Vec<Expiry> {
    let mut found = Vec::new();
    let (mut name, mut is_used) = ("", true);
    for line in answer.lines() {
        if let Some(next) = line.strip_prefix("Filename: ") {
            (name, is_used) = (next, true);
        } else if let Some(status) = line.strip_prefix("Status: ") {
            is_used = status == "Used";
        } else if let Some(at) = line.strip_prefix("notAfter: ").filter(|_| is_used).and_then(time) {
            found.push(Expiry { name: name.to_owned(), at });
        }
    }
    found
}

/// Reads a time as OpenSSL prints it, such as `Feb  5 12:52:06 2027 GMT`.
pub(crate) fn openssl_time(text: &str) -> Option<SystemTime> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let [month, day, time, year, "GMT"] = words[..] else { return None };
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    humantime::parse_rfc3339(&format!("{year}-{month:02}-{day:0>2}T{time}Z")).ok()
}

/// The same, since 1970.
fn time(text: &str) -> Option<Duration> {
    openssl_time(text)?.duration_since(UNIX_EPOCH).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From HAProxy 3.2.26, without the lines that are not read.
    const ANSWER: &str = "Filename: /a/b c.pem\nCrt filename: /a/b c.pem\nStatus: Used\nSerial: 01\n\
        notBefore: Nov 27 13:08:54 2026 GMT\nnotAfter: Jan  6 13:08:54 2027 GMT\nSubject: /CN=x\n\n\
        Filename: /a/unused.pem\nStatus: Unused\nnotAfter: Dec 27 13:08:54 2026 GMT\n\n\
        Filename: /a/d.pem\nStatus: Used\nnotAfter: Dec 31 23:59:59 2027 GMT\n";

    #[test]
    fn the_dates_of_certificates_in_use_are_read() {
        let name = |name: &str, at| Expiry { name: name.to_owned(), at: Duration::from_secs(at) };
        let expected = [name("/a/b c.pem", 1_799_240_934), name("/a/d.pem", 1_830_297_599)];
        assert_eq!(expiries(ANSWER), expected);
    }

    #[test]
    fn a_time_that_is_not_one_is_not_read() {
        for text in ["", "Feb 5 12:52:06", "Foo 5 12:52:06 2027 GMT", "Feb 5 12 2027 GMT", "5 Feb 2027"] {
            assert_eq!(time(text), None, "{text}");
        }
    }

    #[test]
    fn a_thousand_names_are_a_few_lines_and_a_blank_or_semicolon_stays_in_its_name() {
        let names: Vec<String> = (0..1000).map(|n| format!("/etc/haproxy/certs/site-{n:04}.pem")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let lines = questions(&names);
        assert!(lines.len() <= 5 && lines.iter().all(|line| line.len() <= LINE_MAX), "{}", lines.len());
        assert_eq!(lines.join(";").matches("show ssl cert ").count(), 1000);
        assert_eq!(questions(&["/a b;c\\d"]), ["show ssl cert /a\\ b\\;c\\\\d"]);
        assert_eq!(questions(&[]), [] as [String; 0]);
    }
}
