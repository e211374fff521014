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
    let reports = reports(&names_of(&list), |line| instance.ask_worker(line))?;
    let found = reports
        .into_iter()
        .filter_map(|(name, report)| Some(Expiry { name: name.to_owned(), at: expiry(&report)? }));
    found.min_by(|a, b| (a.at, &a.name).cmp(&(b.at, &b.name)))
}

/// What HAProxy tells about these certificates, without those that have been removed meanwhile. `None` if an answer is
/// missing.
///
/// A name in a certificate may contain line breaks, and after them the beginning of another certificate's answer. Then
/// there are more beginnings than questions, and HAProxy is asked for each certificate alone.
pub(crate) fn reports<'n>(
    names: &[&'n str],
    ask: impl Fn(&str) -> Option<String>,
) -> Option<Vec<(&'n str, String)>> {
    let mut found = Vec::new();
    let mut left = names;
    for line in questions(names) {
        let (asked, later) = left.split_at(questions_in(&line, left));
        left = later;
        let reports = match split(asked, &ask(&line)?) {
            Some(reports) => reports,
            None => asked.iter().map(|name| alone(name, ask(&question(name))?)).collect::<Option<_>>()?,
        };
        found.extend(asked.iter().zip(reports).filter_map(|(name, report)| Some((*name, report?))));
    }
    Some(found)
}

/// How many of these names the line asks for: all until it ends.
fn questions_in(line: &str, names: &[&str]) -> usize {
    let ends = names.iter().scan(0, |end, name| {
        *end += question(name).len() + 1;
        Some(*end)
    });
    ends.take_while(|end| *end <= line.len() + 1).count()
}

/// The answers for these certificates: none for one that has been removed. `None` if it is not clear where each begins.
fn split(names: &[&str], answer: &str) -> Option<Vec<Option<String>>> {
    let mut reports: Vec<String> = Vec::new();
    for line in answer.split_inclusive('\n') {
        if is_answer(line) {
            reports.push(String::new());
        }
        if let Some(report) = reports.last_mut() {
            report.push_str(line);
        }
    }
    let is_clear = reports.len() == names.len();
    is_clear.then(|| names.iter().zip(reports).map(|(name, report)| alone(name, report)).collect())?
}

/// The answer to a question about one certificate: none if it has been removed. `None` if it is about something else.
fn alone(name: &str, answer: String) -> Option<Option<String>> {
    match answer.lines().next()?.strip_prefix("Filename: ") {
        Some(told) => (told == name).then_some(Some(answer)),
        None => is_answer(&answer).then_some(None),
    }
}

/// Whether no name in a certificate has a line break, so that each line of this answer to `show ssl cert NAME` is
/// HAProxy's own.
pub(crate) fn is_plain(answer: &str) -> bool {
    const FIELDS: [&str; 5] =
        ["Subject Alternative Name: ", "Algorithm: ", "SHA1 FingerPrint: ", "Subject: ", "Issuer: "];
    let places = FIELDS.map(|field| {
        let mut lines = answer.lines().enumerate().filter(|(_, line)| line.starts_with(field));
        lines.next().filter(|_| lines.next().is_none()).map(|(place, _)| place)
    });
    let is_empty = field(answer, "Status: ") == Some("Empty");
    is_empty
        || places[0]
            .is_some_and(|first| (first..).zip(places).all(|(expected, place)| place == Some(expected)))
}

/// The certificates in an answer to `show ssl cert`.
fn names_of(list: &str) -> Vec<&str> {
    list.lines().filter(|line| is_name(line)).collect()
}

/// Whether a line of the list is a certificate, and not a comment or a transaction that is open.
fn is_name(line: &str) -> bool {
    !line.is_empty() && !line.starts_with(['#', '*'])
}

/// Whether a line begins an answer. A certificate that has been removed meanwhile has one, too.
fn is_answer(line: &str) -> bool {
    line.starts_with("Filename: ") || line.starts_with("Can't display the certificate")
}

/// Commands for all certificates, as many in a line as HAProxy accepts.
fn questions(names: &[&str]) -> Vec<String> {
    joined(names.iter().map(|name| question(name)), LINE_MAX, ";")
}

fn question(name: &str) -> String {
    format!("show ssl cert {}", escaped(name))
}

/// When a certificate expires, if it is in use. The first line of each kind is HAProxy's: names come later.
fn expiry(report: &str) -> Option<Duration> {
    let is_used = field(report, "Status: ") == Some("Used");
    field(report, "notAfter: ").filter(|_| is_used).and_then(time)
}

/// The first line that begins so, without the beginning.
fn field<'a>(answer: &'a str, beginning: &str) -> Option<&'a str> {
    answer.lines().find_map(|line| line.strip_prefix(beginning))
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

    /// From HAProxy 3.2.26, without most lines that are not read. The second certificate has line breaks in its
    /// alternative name and in its subject.
    const ANSWERS: [&str; 3] = [
        "Filename: /a/b c.pem\nCrt filename: /a/b c.pem\nStatus: Used\nSerial: 01\n\
         notBefore: Nov 27 13:08:54 2026 GMT\nnotAfter: Jan  6 13:08:54 2027 GMT\nSubject Alternative Name: \n\
         Algorithm: EC256\nSHA1 FingerPrint: 7B5E\nSubject: /CN=x Filename: /a/d.pem\nIssuer: /CN=x\n\n",
        "Filename: /a/odd.pem\nStatus: Unused\nnotAfter: Dec 27 13:08:54 2026 GMT\nSubject Alternative Name: DNS:y\n\
         Filename: /a/d.pem\nStatus: Used\nnotAfter: Jan  1 00:00:00 2027 GMT\nz\nAlgorithm: EC256\n\
         SHA1 FingerPrint: 487C\nSubject: /CN=x\nCan't display the certificate\nz\nIssuer: /CN=x\n\n",
        "Filename: /a/d.pem\nStatus: Used\nnotAfter: Dec 31 23:59:59 2027 GMT\n\n",
    ];
    const REMOVED: &str = "Can't display the certificate: Not found or the certificate is a bundle!\n\n";

    /// The names in the reports about these certificates, from a HAProxy that has `ANSWERS` and no other.
    fn reported(names: &[&'static str]) -> Option<Vec<&'static str>> {
        let answer = |name: &str| {
            let first = format!("Filename: {name}\n");
            ANSWERS.into_iter().find(|answer| answer.starts_with(&first)).unwrap_or(REMOVED)
        };
        let ask = |line: &str| {
            let asked = line.replace("\\ ", " ");
            Some(asked.split(';').map(|question| answer(&question["show ssl cert ".len()..])).collect())
        };
        let found = reports(names, ask)?;
        found.into_iter().map(|(name, report)| (report == answer(name)).then_some(name)).collect()
    }

    #[test]
    fn a_certificate_with_line_breaks_in_its_names_is_not_taken_for_several() {
        let names = ["/a/b c.pem", "/a/odd.pem", "/a/d.pem"];
        assert_eq!(reported(&names), Some(names.to_vec()));
        assert_eq!(reported(&["/a/odd.pem"]), Some(vec!["/a/odd.pem"]));
        assert_eq!(reported(&["/a/gone.pem", "/a/odd.pem", "/a/gone.pem"]), Some(vec!["/a/odd.pem"]));
        assert_eq!(reported(&["/a/gone.pem", "/a/d.pem"]), Some(vec!["/a/d.pem"]));
        assert_eq!(reports(&names, |_| Some(ANSWERS[0].to_owned())), None, "others are missing");
        assert_eq!(reports(&names, |_| None), None);
        assert_eq!(reports(&[], |_| None), Some(Vec::new()));
        assert_eq!(ANSWERS.map(is_plain), [true, false, false]);
        assert!(is_plain("Filename: /a/new.pem\nStatus: Empty\n\n"));
    }

    #[test]
    fn the_dates_of_certificates_in_use_are_read() {
        let expected = [Some(1_799_240_934), None, Some(1_830_297_599)];
        assert_eq!(ANSWERS.map(expiry), expected.map(|at| at.map(Duration::from_secs)));
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
        assert_eq!(
            lines
                .iter()
                .scan(&names[..], |left, line| {
                    *left = &left[questions_in(line, left)..];
                    Some(left.len())
                })
                .last(),
            Some(0)
        );
        assert_eq!(questions(&["/a b;c\\d"]), ["show ssl cert /a\\ b\\;c\\\\d"]);
        assert_eq!(questions(&[]), [] as [String; 0]);
    }
}
