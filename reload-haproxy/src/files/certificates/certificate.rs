//! Replaces a certificate that HAProxy has in its store, and proves that it is used.
//!
//! HAProxy is asked for the fingerprint before and after the commit, and it must be that of the leaf in the file: a
//! wrong certificate is worse than a reload.

use std::time::SystemTime;

use crate::files::applied::Applied;
use crate::files::certificates::answers::{NotTaken, outcome};
use crate::files::certificates::details;
use crate::files::certificates::names::Names;
use crate::files::certificates::pem_blocks::{Content, PemBlocks};
use crate::files::certificates::socket_name::SocketName;
use crate::files::certificates::transaction::{Kind, Transaction, transact};
use crate::haproxy::certificates::is_plain;
use crate::servers::apply::Runtime;
use crate::servers::reason::Reason;

/// A certificate's files. It has no `Debug`, because it holds the private key.
pub(crate) struct Certificate<'a> {
    /// Its name in HAProxy's store.
    pub(crate) name: &'a str,
    /// Certificate, chain and key as PEM blocks.
    pub(crate) pem: Vec<u8>,
    /// The issuer's certificate, as a PEM block.
    pub(crate) issuer: Option<Vec<u8>>,
    /// The OCSP response, as DER.
    pub(crate) ocsp: Option<Vec<u8>>,
    /// Signed certificate timestamps, in binary, which the socket does not accept.
    pub(crate) sctl: Option<Vec<u8>>,
}

/// Replaces a certificate of HAProxy's store. It must not have expired by `now`.
pub(crate) fn replace(
    runtime: &Runtime,
    certificate: &Certificate,
    names: &Names,
    now: SystemTime,
) -> Result<Applied, Reason> {
    outcome(Prepared::new(certificate).and_then(|prepared| {
        let used = prepared.replace(runtime, names, now)?;
        Ok(prepared.check_used(&used)?)
    }))
}

/// A certificate whose files were read and are whole.
pub(super) struct Prepared {
    pub(super) name: SocketName,
    payload: String,
    issuer: Option<String>,
    ocsp: Option<String>,
    fingerprint: String,
}

impl Prepared {
    /// Fails without asking HAProxy if the files are bad or the socket cannot take them.
    pub(super) fn new(certificate: &Certificate) -> Result<Prepared, NotTaken> {
        const WANTED: [Content; 3] = [Content::Certificate, Content::Key, Content::DhParameters];
        let bad = |why: &str| NotTaken::BadFile(why.to_owned());
        let name = SocketName::of_certificate(certificate.name)?;
        if certificate.sctl.is_some() {
            return Err(Reason::NoSctl.into());
        }
        let blocks = PemBlocks::read(&certificate.pem)?;
        let fingerprint = blocks.fingerprints().next().ok_or_else(|| bad("it has no certificate"))?;
        if !blocks.has(Content::Key) {
            return Err(bad("it has no private key"));
        }
        let issuer = certificate.issuer.as_deref().map(issuer_payload).transpose()?;
        Ok(Prepared {
            name,
            payload: blocks.payloads(&WANTED, usize::MAX).concat(),
            issuer,
            ocsp: certificate.ocsp.as_deref().map(base64_line),
            fingerprint,
        })
    }

    /// Replaces the certificate in HAProxy's store; returns what HAProxy then reports about it.
    pub(super) fn replace(
        &self,
        runtime: &Runtime,
        names: &Names,
        now: SystemTime,
    ) -> Result<String, NotTaken> {
        transact(runtime, Kind::Certificate, &self.name, |transaction| self.steps(transaction, names, now))
    }

    /// Fails unless an answer to `show ssl cert` says that this certificate is used. HAProxy also reports success if no
    /// line uses it, and if it has forgotten which ones do (see `Version::can_replace_authorities`).
    pub(super) fn check_used(&self, answer: &str) -> Result<(), Reason> {
        self.check_fingerprint(answer)?;
        if answer.lines().any(|line| line == "Status: Used") {
            return Ok(());
        }
        Err(Reason::NotReported(format!("that it uses '{}'", self.name.plain())))
    }

    fn check_fingerprint(&self, answer: &str) -> Result<(), Reason> {
        if details::fingerprints(answer).next() == Some(&self.fingerprint) {
            return Ok(());
        }
        Err(Reason::NotReported(format!("the fingerprint of '{}'", self.name.plain())))
    }

    fn steps(&self, transaction: &Transaction, names: &Names, now: SystemTime) -> Result<String, NotTaken> {
        // The certificate comes first: it empties the other parts.
        transaction.begin(&self.payload)?;
        if let Some(issuer) = &self.issuer {
            transaction.set_part(".issuer", issuer)?;
        }
        if let Some(ocsp) = &self.ocsp {
            transaction.set_part(".ocsp", ocsp)?;
        }
        let pending = transaction.pending()?;
        self.check_fingerprint(&pending)?;
        check_expiry(&pending, now)?;
        if !is_plain(&pending) {
            return Err(Reason::OddName.into());
        }
        names.check_alone(self.name.plain(), &pending)?;
        let used = transaction.commit()?;
        self.check_fingerprint(&used)?;
        Ok(used)
    }
}

fn check_expiry(answer: &str, now: SystemTime) -> Result<(), NotTaken> {
    match details::expiry(answer) {
        None => Err(Reason::NotReported("when the certificate expires".to_owned()).into()),
        Some(expiry) if expiry <= now => {
            let expiry = humantime::format_rfc3339_seconds(expiry);
            Err(NotTaken::BadFile(format!("the certificate expired at {expiry}")))
        }
        Some(_) => Ok(()),
    }
}

fn issuer_payload(file: &[u8]) -> Result<String, NotTaken> {
    let blocks = PemBlocks::read(file)?;
    if !blocks.has(Content::Certificate) {
        return Err(NotTaken::BadFile("its issuer's file has no certificate".to_owned()));
    }
    Ok(blocks.payloads(&[Content::Certificate], usize::MAX).concat())
}

/// The bytes in base64 on one line: the inner lines of a PEM block.
fn base64_line(bytes: &[u8]) -> String {
    let block = pem::encode(&pem::Pem::new("", bytes));
    block.lines().filter(|line| !line.starts_with("-----")).collect::<String>() + "\n"
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn certificate(pem: &str) -> Certificate<'static> {
        Certificate { name: "/etc/a.pem", pem: pem.into(), issuer: None, ocsp: None, sctl: None }
    }

    fn why(certificate: &Certificate) -> String {
        match Prepared::new(certificate) {
            Ok(_) => String::new(),
            Err(NotTaken::BadFile(why)) => why,
            Err(NotTaken::Reload(reason)) => reason.to_string(),
        }
    }

    const LEAF: &str = "-----BEGIN CERTIFICATE-----\nYWJj\n-----END CERTIFICATE-----\n";
    const KEY: &str = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n";

    #[test]
    fn a_certificate_needs_a_leaf_and_a_key() {
        assert_eq!(why(&certificate(&(LEAF.to_owned() + KEY))), "");
        assert_eq!(why(&certificate(LEAF)), "it has no private key");
        assert_eq!(why(&certificate(KEY)), "it has no certificate");
        assert_eq!(why(&certificate("")), "it has no certificate");
        let whole = || certificate(&(LEAF.to_owned() + KEY));
        assert_eq!(
            why(&Certificate { issuer: Some(KEY.into()), ..whole() }),
            "its issuer's file has no certificate"
        );
        assert!(why(&Certificate { sctl: Some(vec![0]), ..whole() }).contains(".sctl"));
        assert!(why(&Certificate { name: "a\nb", ..whole() }).contains("does not accept"));
    }

    #[test]
    fn a_certificate_that_has_expired_by_now_is_bad() {
        let answer = "notAfter: Feb  5 13:01:37 2027 GMT\n";
        let expiry = details::expiry(answer).unwrap();
        assert!(check_expiry(answer, expiry - Duration::from_secs(1)).is_ok());
        match check_expiry(answer, expiry) {
            Err(NotTaken::BadFile(why)) => assert_eq!(why, "the certificate expired at 2027-02-05T13:01:37Z"),
            _ => panic!("it has expired"),
        }
        assert!(matches!(check_expiry("Status: Empty\n", expiry), Err(NotTaken::Reload(_))));
    }

    #[test]
    fn success_is_proven_by_the_fingerprint_of_a_certificate_that_is_used() {
        let prepared =
            Prepared::new(&certificate(&(LEAF.to_owned() + KEY))).unwrap_or_else(|_| panic!("whole"));
        let says = |status: &str, fingerprint: &str| {
            let answer = format!("Success!\nStatus: {status}\nSHA1 FingerPrint: {fingerprint}\n");
            prepared.check_used(&answer).map_err(|reason| reason.to_string())
        };
        let known = "A9993E364706816ABA3E25717850C26C9CD0D89D";
        assert_eq!(says("Used", known), Ok(()));
        let unused = "HAProxy does not report that it uses '/etc/a.pem'";
        assert_eq!(says("Unused", known), Err(unused.to_owned()));
        let other = "HAProxy does not report the fingerprint of '/etc/a.pem'";
        assert_eq!(says("Used", "00"), Err(other.to_owned()));
    }

    #[test]
    fn bytes_are_sent_as_one_line_of_base64() {
        assert_eq!(base64_line(b"abc"), "YWJj\n");
        assert_eq!(base64_line(&[0; 99]), "A".repeat(132) + "\n");
    }
}
