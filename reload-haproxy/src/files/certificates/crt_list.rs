//! Adds certificates to crt-lists and directories, and removes them.
//!
//! HAProxy appends to a list. It serves the first certificate to clients that name no known host, so a certificate
//! that comes first in its directory is left to a reload. For crt-list files the caller checks that (`list_diff`).

use std::time::SystemTime;

use crate::config::words::marked;
use crate::files::applied::Applied;
use crate::files::certificates::answers::{NotTaken, is_success, outcome, unexpected};
use crate::files::certificates::certificate::{Certificate, Prepared};
use crate::files::certificates::names::Names;
use crate::files::certificates::socket_name::SocketName;
use crate::servers::apply::Runtime;
use crate::servers::reason::Reason;

/// A new line of a crt-list, or a new file of a directory.
pub(crate) struct ListEntry<'a> {
    /// The crt-list file, or the directory without a slash at its end.
    pub(crate) list: &'a str,
    /// The line of the crt-list: the certificate's name or its end, `[options]`, filters. Only the name for a
    /// directory.
    pub(crate) line: &'a str,
    /// The certificate.
    pub(crate) certificate: Certificate<'a>,
}

/// Adds an entry to a list. If a part is refused, the certificate is taken back too, unless HAProxy had one of that
/// name before.
pub(crate) fn add_to_list(
    runtime: &Runtime,
    entry: &ListEntry,
    names: &Names,
    now: SystemTime,
) -> Result<Applied, Reason> {
    outcome(try_add(runtime, entry, names, now))
}

fn try_add(runtime: &Runtime, entry: &ListEntry, names: &Names, now: SystemTime) -> Result<(), NotTaken> {
    let certificate = Prepared::new(&entry.certificate)?;
    let list = SocketName::new(entry.list)?;
    check_line(entry)?;
    let name = &certificate.name;
    let answer = runtime.ask(&format!("show ssl crt-list {}", list.escaped()))?;
    if !entry.may_be_last(&answer) {
        let (name, list) = (name.plain(), entry.list);
        return Err(Reason::FirstCertificate { name: name.to_string(), list: list.to_string() }.into());
    }
    let is_listed = entry.is_in(&answer);
    let is_new = !is_listed && create(runtime, name)?;
    let added = certificate
        .replace(runtime, names, now)
        .and_then(|_| if is_listed { Ok(()) } else { add(runtime, &list, entry, &certificate) });
    if added.is_err() && is_new {
        // If this fails, HAProxy keeps a certificate that nothing uses until the next reload.
        let _ = delete(runtime, name);
    }
    added
}

/// Removes the entries with this certificate from a list, and the certificate itself if nothing else uses it. Succeeds
/// if there is no such entry.
pub(crate) fn remove_from_list(runtime: &Runtime, list: &str, name: &str) -> Result<Applied, Reason> {
    let (list, name) = (SocketName::new(list)?, SocketName::new(name)?);
    let answer = runtime.ask(&format!("del ssl crt-list {} {}", list.escaped(), name.escaped()))?;
    if !answer.lines().any(is_removed) {
        return Err(unexpected("del ssl crt-list", &answer));
    }
    delete(runtime, &name)?;
    Ok(Applied::Done)
}

/// Whether a line of an answer to `del ssl crt-list` says that the entry is not there now.
fn is_removed(line: &str) -> bool {
    if let Some(rest) = line.strip_prefix("Can't delete the entry: certificate '") {
        return rest.ends_with("' does not exist!") || rest.contains("' can't be found in crt-list '");
    }
    line.starts_with("Entry '") && line.contains("' deleted in crtlist '")
}

/// Makes an empty certificate in HAProxy's store; returns false if it has one of that name.
fn create(runtime: &Runtime, name: &SocketName) -> Result<bool, Reason> {
    let answer = runtime.ask(&format!("new ssl cert {}", name.escaped()))?;
    if answer.lines().any(|line| line.starts_with("New empty certificate store '")) {
        Ok(true)
    } else if answer
        .lines()
        .any(|line| line.starts_with("Certificate '") && line.ends_with("' already exists!"))
    {
        Ok(false)
    } else {
        Err(unexpected("new ssl cert", &answer))
    }
}

/// Adds the entry, and proves that its certificate is used.
fn add(
    runtime: &Runtime,
    list: &SocketName,
    entry: &ListEntry,
    certificate: &Prepared,
) -> Result<(), NotTaken> {
    let name = certificate.name.escaped();
    let command = format!("add ssl crt-list {}", list.escaped());
    let is_plain = entry.line == entry.certificate.name;
    let answer = if is_plain {
        runtime.ask(&format!("{command} {name}"))?
    } else {
        runtime.ask(&format!("{command} <<\n{}\n", entry.whole_line()))?
    };
    if !is_success(&answer) {
        return Err(unexpected("add ssl crt-list", &answer).into());
    }
    let used = runtime.ask(&format!("show ssl cert {name}"))?;
    Ok(certificate.check_used(&used)?)
}

/// Deletes a certificate from HAProxy's store; one that is in use stays.
fn delete(runtime: &Runtime, name: &SocketName) -> Result<(), Reason> {
    let answer = runtime.ask(&format!("del ssl cert {}", name.escaped()))?;
    let ends = ["' deleted!", "' in use, can't be deleted!", "' doesn't exist!"];
    let is_settled = |line: &str| ends.iter().any(|end| line.ends_with(end));
    if answer.lines().any(is_settled) { Ok(()) } else { Err(unexpected("del ssl cert", &answer)) }
}

/// The line must be one line, and begin with a name that HAProxy joins to the certificate's.
fn check_line(entry: &ListEntry) -> Result<(), Reason> {
    let ListEntry { line, certificate, .. } = entry;
    if *line == certificate.name {
        return Ok(());
    }
    let is_its_name = line.split([' ', '\t']).next().is_some_and(|first| {
        certificate
            .name
            .strip_suffix(first)
            .is_some_and(|rest| !first.is_empty() && rest.is_empty() | rest.ends_with('/'))
    });
    let has_odd_name = certificate.name.contains([' ', '\\', '"', '\'', '[', '#']);
    let is_unfit = |c: char| (c.is_control() && c != '\t') || marked(c).is_some();
    if line.contains(is_unfit) || !is_its_name || has_odd_name {
        return Err(Reason::Name);
    }
    Ok(())
}

impl ListEntry<'_> {
    /// The line with the certificate's whole name, as HAProxy shows it.
    fn whole_line(&self) -> String {
        let rest = self.line.split_once([' ', '\t']).map_or("", |(_, rest)| rest);
        if self.line == self.certificate.name {
            self.line.to_owned()
        } else {
            format!("{} {rest}", self.certificate.name)
        }
    }

    /// Whether the list as HAProxy shows it has this entry.
    fn is_in(&self, answer: &str) -> bool {
        let wanted = words(&self.whole_line());
        entries(answer).any(|line| words(line) == wanted)
    }

    /// Whether the entry may come last. A directory is read sorted by name, and its first certificate is the default.
    fn may_be_last(&self, answer: &str) -> bool {
        let name = self.certificate.name;
        let is_in_directory = name.strip_prefix(self.list).is_some_and(|rest| rest.starts_with('/'));
        let is_plain = self.line == name;
        !(is_plain && is_in_directory) || entries(answer).next().is_some_and(|first| first <= name)
    }
}

/// The lines of a list in an answer to `show ssl crt-list LIST`.
fn entries(answer: &str) -> impl Iterator<Item = &str> {
    answer.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// The words of a line. HAProxy writes NUL bytes into its options, and blanks where the file has none.
fn words(line: &str) -> Vec<String> {
    let line = line.replace(['\0', '\t'], " ").replace('[', " [ ").replace(']', " ] ");
    line.split_whitespace().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry<'a>(list: &'a str, line: &'a str, name: &'a str) -> ListEntry<'a> {
        let certificate = Certificate { name, pem: Vec::new(), issuer: None, ocsp: None, sctl: None };
        ListEntry { list, line, certificate }
    }

    #[test]
    fn an_entry_is_recognised_as_haproxy_shows_it() {
        let answer = "# /l\n/c.pem [alpn h2\0] c.example\n/d.pem\n\n";
        assert!(entry("/l", "/c.pem  [alpn h2]\tc.example", "/c.pem").is_in(answer));
        assert!(entry("/l", "/d.pem", "/d.pem").is_in(answer));
        assert!(!entry("/l", "/c.pem [alpn h2] d.example", "/c.pem").is_in(answer));
        assert!(!entry("/l", "/l", "/l").is_in(answer));
        assert!(entry("/l", "c.pem [alpn h2] c.example", "/c.pem").is_in(answer));
    }

    #[test]
    fn a_certificate_that_would_be_first_in_its_directory_cannot_be_appended() {
        let answer = "# /d\n/d/b.pem\n/d/c.pem\n";
        let may = |list, line, name| entry(list, line, name).may_be_last(answer);
        assert!(may("/d", "/d/m.pem", "/d/m.pem") && !may("/d", "/d/a.pem", "/d/a.pem"));
        assert!(may("/l", "/d/a.pem x", "/d/a.pem"));
        assert!(!entry("/d", "/d/a.pem", "/d/a.pem").may_be_last("# /d\n"));
    }

    #[test]
    fn an_entry_that_is_not_there_is_removed() {
        assert!(is_removed("Entry '/a.pem' deleted in crtlist '/l'!"));
        assert!(is_removed("Can't delete the entry: certificate '/a.pem' does not exist!"));
        assert!(is_removed("Can't delete the entry: certificate '/a.pem' can't be found in crt-list '/l'!"));
        assert!(!is_removed("Can't delete the entry: crt-list '/l' does not exist!"));
        let default = "Can't delete the entry: certificate '/a.pem' cannot be deleted, it is used as default certificate";
        assert!(!is_removed(default));
    }

    #[test]
    fn only_one_line_about_the_certificate_is_sent() {
        let is_fit = |line, name| check_line(&entry("/l", line, name)).is_ok();
        assert!(
            is_fit("/a.pem", "/a.pem") && is_fit("/a.pem [alpn h2] *.x", "/a.pem") && is_fit("/a b", "/a b")
        );
        assert!(!is_fit("/a.pem x\n\nshow info", "/a.pem") && !is_fit("/a.pem\n", "/a.pem"));
        assert!(!is_fit("/b.pem x", "/a.pem") && !is_fit("/a b x", "/a b") && !is_fit("/a.pemx", "/a.pem"));
    }
}
