//! The host names of certificates, as HAProxy reported them, by what their files hold.
//!
//! The same bytes have the same names, whatever worker has loaded them. So HAProxy is asked once for each certificate,
//! and not for all of them whenever one is renewed.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use serde::{Deserialize, Serialize};

use crate::state::digest::Digest;

/// The host names of a certificate, in lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hosts {
    /// The kind of its key: HAProxy has a certificate of each kind for a client to choose.
    pub(crate) key: String,
    pub(crate) names: Vec<String>,
}

impl Hosts {
    /// The first name that both have, if a client would have the choice between both certificates.
    pub(crate) fn shared(&self, other: &Hosts) -> Option<&String> {
        self.names.iter().find(|name| self.key == other.key && other.names.contains(name))
    }
}

/// The host names of each certificate, by the digest of its file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CertificateHosts {
    hosts: HashMap<Digest, Rc<Hosts>>,
    /// How many the state directory does not have.
    unsaved: usize,
}

/// To write the file takes longer than to ask HAProxy for so many certificates.
const FEW: usize = 10;

/// Begins the file. Another layout needs another number.
const FORMAT: &[u8] = b"rollcall hosts 2\n";

impl CertificateHosts {
    /// Reads them from the bytes of a file; none if it is not one of these.
    pub(crate) fn parse(bytes: &[u8]) -> CertificateHosts {
        let hosts = bytes.strip_prefix(FORMAT).and_then(|rest| postcard::from_bytes(rest).ok());
        CertificateHosts { hosts: hosts.unwrap_or_default(), unsaved: 0 }
    }

    /// The bytes of their file, if the state directory lacks more than a few. Only certificates in `used` are kept.
    pub(crate) fn unsaved(&mut self, used: impl FnOnce() -> HashSet<Digest>) -> Option<Vec<u8>> {
        if self.unsaved <= FEW {
            return None;
        }
        self.unsaved = 0;
        let used = used();
        self.hosts.retain(|digest, _| used.contains(digest));
        postcard::to_extend(&self.hosts, FORMAT.to_vec()).ok()
    }

    /// The host names of the certificate with this digest, if they are known.
    pub(crate) fn of(&self, digest: Digest) -> Option<&Rc<Hosts>> {
        self.hosts.get(&digest)
    }

    /// Notes the host names of a certificate.
    pub(crate) fn add(&mut self, digest: Digest, hosts: Rc<Hosts>) {
        self.unsaved += usize::from(self.of(digest) != Some(&hosts));
        self.hosts.insert(digest, hosts);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(key: &str, names: &[&str]) -> Rc<Hosts> {
        Rc::new(Hosts { key: key.to_owned(), names: names.iter().map(|name| (*name).to_owned()).collect() })
    }

    fn digest(number: usize) -> Digest {
        Digest::of(&number.to_be_bytes())
    }

    #[test]
    fn what_was_written_is_read_without_what_is_not_used_any_more() {
        let mut known = CertificateHosts::default();
        for old in 2..2 + FEW {
            known.add(digest(old), Rc::default());
            assert_eq!(known.unsaved(HashSet::new), None, "these are few");
        }
        known.add(digest(0), hosts("EC", &["a", "b"]));
        known.add(digest(1), hosts("RSA", &[]));
        let bytes = known.unsaved(|| HashSet::from([digest(0)])).unwrap();
        assert_eq!(known.unsaved(HashSet::new), None, "it is saved now");
        let mut read = CertificateHosts::parse(&bytes);
        assert_eq!(read, known);
        assert_eq!((read.of(digest(0)), read.of(digest(1))), (Some(&hosts("EC", &["a", "b"])), None));
        read.add(digest(0), hosts("EC", &["a", "b"]));
        assert_eq!(read.unsaved(HashSet::new), None, "nothing is new");
        assert_eq!(CertificateHosts::parse(&bytes[1..]), CertificateHosts::default());
        assert_eq!(CertificateHosts::parse(&bytes[..bytes.len() - 1]), CertificateHosts::default());
    }

    #[test]
    fn a_client_has_the_choice_between_certificates_of_one_kind_for_one_name() {
        let one = hosts("EC", &["a", "b"]);
        assert_eq!(one.shared(&hosts("EC", &["c", "b"])).map(String::as_str), Some("b"));
        assert_eq!(one.shared(&hosts("RSA", &["a"])), None);
        assert_eq!(one.shared(&hosts("EC", &[])), None);
    }
}
