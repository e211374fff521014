//! Reads the answers to `show ssl cert`, `show ssl ca-file` and `show ssl crl-file`.

use std::collections::BTreeSet;
use std::time::SystemTime;

use crate::haproxy::certificates::openssl_time;
use crate::state::certificate_hosts::Hosts;

/// The SHA-1 fingerprints in an answer, in its order.
pub(super) fn fingerprints(answer: &str) -> impl Iterator<Item = &str> {
    answer.lines().filter_map(|line| line.strip_prefix("SHA1 FingerPrint: ")).map(str::trim)
}

/// When the certificate in an answer to `show ssl cert` expires; `None` if it does not say so.
pub(super) fn expiry(answer: &str) -> Option<SystemTime> {
    openssl_time(answer.lines().find_map(|line| line.strip_prefix("notAfter: "))?)
}

/// The host names in an answer to `show ssl cert`: the alternative names and the common name.
pub(super) fn hosts(answer: &str) -> Hosts {
    let field = |name: &str| answer.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    let key: String = field("Algorithm: ").chars().take_while(char::is_ascii_alphabetic).collect();
    let alternative =
        field("Subject Alternative Name: ").split(", ").filter_map(|name| name.strip_prefix("DNS:"));
    let common = field("Subject: ").split('/').filter_map(|part| part.strip_prefix("CN="));
    let names: BTreeSet<String> = alternative.chain(common).map(str::to_ascii_lowercase).collect();
    Hosts { key, names: names.into_iter().collect() }
}

/// The lists of revoked certificates in an answer to `show ssl crl-file`: all lines from the first list on, and how
/// many lists these are.
pub(super) fn revocations(answer: &str) -> (&str, usize) {
    const TITLE: &str = "Certificate Revocation List #";
    let lists = answer.find(TITLE).map_or("", |at| &answer[at..]);
    (lists.trim_end(), lists.lines().filter(|line| line.starts_with(TITLE)).count())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = "Filename: *a.pem\nStatus: Unused\nSerial: 03E9\nnotBefore: Nov 27 13:01:37 2026 GMT\n\
                          notAfter: Feb  5 13:01:37 2027 GMT\nSHA1 FingerPrint: 7B3A158E\nSubject: /CN=a\n\n";

    #[test]
    fn fingerprint_and_expiry_are_read() {
        assert_eq!(fingerprints(ANSWER).collect::<Vec<_>>(), ["7B3A158E"]);
        let expiry = humantime::format_rfc3339(expiry(ANSWER).unwrap()).to_string();
        assert_eq!(expiry, "2027-02-05T13:01:37Z");
    }

    #[test]
    fn the_hosts_of_a_certificate_are_its_alternative_names_and_its_common_name() {
        let answer = "Filename: a.pem\nStatus: Used\nSubject Alternative Name: DNS:A.test, DNS:*.b.test, IP Address:1\n\
                      Algorithm: EC256\nSubject: /O=x/CN=c.test\n";
        let found = hosts(answer);
        assert_eq!((found.key.as_str(), found.names.join(" ").as_str()), ("EC", "*.b.test a.test c.test"));
    }

    #[test]
    fn other_times_are_not_guessed() {
        assert!(openssl_time("Dec 31 23:59:59 9999 GMT").is_some());
        for text in [
            "",
            "Feb 5 13:01 2027 GMT",
            "Foo 5 13:01:37 2027 GMT",
            "Feb 30 13:01:37 2027 GMT",
            "Bad time value",
        ] {
            assert_eq!(openssl_time(text), None, "{text}");
        }
        assert_eq!(expiry("Filename: a.pem\nStatus: Empty\n"), None);
    }

    #[test]
    fn lists_of_revoked_certificates_are_found_below_the_head() {
        let list = "Certificate Revocation List #1:\nVersion 2\nIssuer: /CN=a\nNo Revoked Certificates.";
        let answer = format!("Filename: *c.pem\nStatus: Unused\n \n{list}\n\n");
        assert_eq!(revocations(&answer), (list, 1));
        assert_eq!(revocations("Can't display the CRL file : Not found!\n"), ("", 0));
    }
}
