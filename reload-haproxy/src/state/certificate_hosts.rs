//! The host names of certificates, as HAProxy reported them, by what their files hold.
//!
//! The same bytes have the same names, whatever worker has loaded them. So HAProxy is asked once for each certificate,
//! and not for all of them whenever one is renewed.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

/// A host name in lower case, and the kind of the key: HAProxy has a certificate of each kind for a client to choose.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Host {
    pub(crate) name: String,
    pub(crate) key: String,
}

/// The host names of each certificate, by the SHA-256 of its file in hexadecimal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CertificateHosts {
    hosts: HashMap<String, Vec<Host>>,
    /// Whether the state directory has others.
    is_unsaved: bool,
}

/// Begins the file. Another layout needs another number.
const FORMAT: &[u8] = b"rollcall hosts 1\n";

impl CertificateHosts {
    /// Reads them from the bytes of a file; none if it is not one of these.
    pub(crate) fn parse(bytes: &[u8]) -> CertificateHosts {
        let hosts = bytes.strip_prefix(FORMAT).and_then(|rest| postcard::from_bytes(rest).ok());
        CertificateHosts { hosts: hosts.unwrap_or_default(), is_unsaved: false }
    }

    /// The bytes of their file, if the state directory has others. Only certificates in `used` are kept.
    pub(crate) fn unsaved(&mut self, used: &HashSet<&str>) -> Option<Vec<u8>> {
        if !std::mem::take(&mut self.is_unsaved) {
            return None;
        }
        self.hosts.retain(|digest, _| used.contains(digest.as_str()));
        postcard::to_extend(&self.hosts, FORMAT.to_vec()).ok()
    }

    /// The host names of the certificate with this digest, if they are known.
    pub(crate) fn of(&self, digest: &str) -> Option<&[Host]> {
        self.hosts.get(digest).map(Vec::as_slice)
    }

    /// Notes the host names of a certificate.
    pub(crate) fn add(&mut self, digest: &str, hosts: Vec<Host>) {
        self.is_unsaved |= self.of(digest) != Some(&hosts);
        self.hosts.insert(digest.to_owned(), hosts);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_without_what_is_not_used_any_more() {
        let host = |name: &str| Host { name: name.to_owned(), key: "EC".to_owned() };
        let mut hosts = CertificateHosts::default();
        hosts.add("1", vec![host("a"), host("b")]);
        hosts.add("2", vec![]);
        let bytes = hosts.unsaved(&HashSet::from(["1"])).unwrap();
        assert_eq!(hosts.unsaved(&HashSet::from(["1"])), None, "it is saved now");
        let mut read = CertificateHosts::parse(&bytes);
        assert_eq!(read, hosts);
        assert_eq!((read.of("1"), read.of("2")), (Some(&[host("a"), host("b")][..]), None));
        read.add("1", vec![host("a"), host("b")]);
        assert_eq!(read.unsaved(&HashSet::new()), None, "nothing is new");
        assert_eq!(CertificateHosts::parse(&bytes[1..]), CertificateHosts::default());
        assert_eq!(CertificateHosts::parse(&bytes[..bytes.len() - 1]), CertificateHosts::default());
    }
}
