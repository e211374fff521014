//! The host names for which HAProxy has certificates.
//!
//! HAProxy puts a certificate that was changed behind others of its kind for the same name, so clients would get one of
//! those (seen on 2.6 to 3.4). Only a reload restores the order.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};

use crate::haproxy::certificates::{answers_in, names_of, questions};
use crate::servers::apply::Runtime;
use crate::servers::reason::Reason;

/// A host name, and the kind of the key: HAProxy has a certificate of each kind for a client to choose.
type Host = (String, String);

/// The host names of all certificates, asked for once in a run.
pub(crate) struct Names<'r> {
    runtime: &'r Runtime<'r>,
    /// Whether HAProxy chooses between two certificates, because they are for the same listener.
    are_rivals: &'r dyn Fn(&str, &str) -> bool,
    known: OnceCell<HashMap<Host, HashSet<String>>>,
}

impl<'r> Names<'r> {
    /// `are_rivals` tells whether two certificates are for the same listener.
    pub(crate) fn new(runtime: &'r Runtime<'r>, are_rivals: &'r dyn Fn(&str, &str) -> bool) -> Names<'r> {
        Names { runtime, are_rivals, known: OnceCell::new() }
    }

    /// Fails if another certificate of its listener has a host name of the one in this answer to `show ssl cert`.
    pub(super) fn check_alone(&self, file: &str, answer: &str) -> Result<(), Reason> {
        for (host, key) in hosts(answer) {
            let files = self.known()?.get(&(host.clone(), key));
            if let Some(other) =
                files.into_iter().flatten().filter(|other| (self.are_rivals)(file, other)).min()
            {
                return Err(Reason::SameName { file: file.to_owned(), host, other: other.clone() });
            }
        }
        Ok(())
    }

    fn known(&self) -> Result<&HashMap<Host, HashSet<String>>, Reason> {
        if let Some(known) = self.known.get() {
            return Ok(known);
        }
        let list = self.runtime.ask("show ssl cert")?;
        let files = names_of(&list);
        let mut known: HashMap<Host, HashSet<String>> = HashMap::new();
        let mut count = 0;
        // One certificate is alone.
        for line in questions(&files).into_iter().filter(|_| files.len() > 1) {
            let answer = self.runtime.ask(&line)?;
            for (file, answer) in answers_in(&answer) {
                count += 1;
                for host in hosts(answer).filter(|_| answer.contains("\nStatus: Used\n")) {
                    known.entry(host).or_default().insert(file.to_owned());
                }
            }
        }
        if files.len() > 1 && count < files.len() {
            return Err(Reason::NotReported("the names of all certificates".to_owned()));
        }
        Ok(self.known.get_or_init(|| known))
    }
}

/// The host names of a certificate, each with the kind of its key.
fn hosts(answer: &str) -> impl Iterator<Item = Host> {
    let field = |name: &str| answer.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    let key: String = field("Algorithm: ").chars().take_while(char::is_ascii_alphabetic).collect();
    let alternative =
        field("Subject Alternative Name: ").split(", ").filter_map(|name| name.strip_prefix("DNS:"));
    let common = field("Subject: ").split('/').filter_map(|part| part.strip_prefix("CN="));
    let names: HashSet<String> = alternative.chain(common).map(str::to_ascii_lowercase).collect();
    names.into_iter().map(move |name| (name, key.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_of_a_certificate_are_its_alternative_names_and_its_common_name() {
        let answer = "Filename: a.pem\nStatus: Used\nSubject Alternative Name: DNS:A.test, DNS:*.b.test, IP Address:1\n\
                      Algorithm: EC256\nSubject: /O=x/CN=c.test\n";
        let mut found: Vec<Host> = hosts(answer).collect();
        found.sort();
        let host = |name: &str| (name.to_owned(), "EC".to_owned());
        assert_eq!(found, [host("*.b.test"), host("a.test"), host("c.test")]);
    }
}
