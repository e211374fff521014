//! Replaces a file of certificate authorities, or of certificates that they have revoked.

use std::collections::BTreeSet;

use crate::files::applied::Applied;
use crate::files::certificates::answers::{NotTaken, outcome};
use crate::files::certificates::details;
use crate::files::certificates::pem_blocks::{Content, PemBlocks};
use crate::files::certificates::socket_name::SocketName;
use crate::files::certificates::transaction::{Kind, Transaction, transact};
use crate::servers::apply::Runtime;
use crate::servers::reason::Reason;

/// The most that is sent at once: HAProxy's buffer has 16 KiB unless configured.
const PART_MAX: usize = 12 << 10;

/// What the file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Authorities {
    /// Certificates of authorities (`ca-file`).
    Ca,
    /// Lists of revoked certificates (`crl-file`).
    Crl,
}

/// Replaces a file of authorities or of revoked certificates.
pub(crate) fn replace_authorities(
    runtime: &Runtime,
    kind: Authorities,
    name: &str,
    pem: &[u8],
) -> Result<Applied, Reason> {
    outcome(try_replace(runtime, kind, name, pem))
}

fn try_replace(runtime: &Runtime, kind: Authorities, name: &str, pem: &[u8]) -> Result<(), NotTaken> {
    let name = SocketName::new(name)?;
    let blocks = PemBlocks::read(pem)?;
    check_content(kind, &blocks)?;
    if !runtime.version.can_replace_authorities() {
        return Err(Reason::Issue3165.into());
    }
    match kind {
        Authorities::Ca => transact(runtime, Kind::Ca, &name, |transaction| replace_ca(transaction, &blocks)),
        Authorities::Crl => {
            transact(runtime, Kind::Crl, &name, |transaction| replace_crl(transaction, &blocks))
        }
    }
}

/// HAProxy accepts a file of the wrong kind, and then trusts no certificate, or revokes none.
fn check_content(kind: Authorities, blocks: &PemBlocks) -> Result<(), NotTaken> {
    let (wanted, why) = match kind {
        Authorities::Ca => (Content::Certificate, "it has no certificate"),
        Authorities::Crl => (Content::Crl, "it has no list of revoked certificates"),
    };
    if blocks.has(wanted) { Ok(()) } else { Err(NotTaken::BadFile(why.to_owned())) }
}

fn replace_ca(transaction: &Transaction, blocks: &PemBlocks) -> Result<(), NotTaken> {
    let payloads = blocks.payloads(&[Content::Certificate, Content::Crl], PART_MAX);
    let (first, more) = payloads.split_first().expect("there is always a payload");
    transaction.begin(first)?;
    for payload in more {
        transaction.add(payload)?;
    }
    check_authorities(blocks, &transaction.pending()?)?;
    Ok(check_authorities(blocks, &transaction.commit()?)?)
}

/// Compares sets, because HAProxy sorts the authorities and keeps each once.
fn check_authorities(blocks: &PemBlocks, answer: &str) -> Result<(), Reason> {
    let wanted: BTreeSet<String> = blocks.fingerprints().collect();
    let reported: BTreeSet<String> = details::fingerprints(answer).map(str::to_owned).collect();
    if wanted == reported {
        return Ok(());
    }
    Err(Reason::NotReported("the fingerprints of the authorities".to_owned()))
}

/// HAProxy does not report the fingerprint of a list. So its report about the lists before the commit is compared with
/// the one after it.
fn replace_crl(transaction: &Transaction, blocks: &PemBlocks) -> Result<(), NotTaken> {
    transaction.begin(&blocks.payloads(&[Content::Certificate, Content::Crl], usize::MAX).concat())?;
    let pending = transaction.pending()?;
    let (lists, count) = details::revocations(&pending);
    let differs = || Reason::NotReported("the lists of revoked certificates".to_owned());
    if count != blocks.count(Content::Crl) {
        return Err(differs().into());
    }
    let used = transaction.commit()?;
    if details::revocations(&used).0.starts_with(lists) { Ok(()) } else { Err(differs().into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CA: &str = "-----BEGIN CERTIFICATE-----\nYWJj\n-----END CERTIFICATE-----\n";
    const CRL: &str = "-----BEGIN X509 CRL-----\nYWJj\n-----END X509 CRL-----\n";

    fn blocks(file: &str) -> PemBlocks {
        PemBlocks::read(file.as_bytes()).unwrap_or_else(|_| panic!("it is a PEM file"))
    }

    #[test]
    fn a_file_of_the_wrong_kind_is_bad() {
        let is_fit = |kind, file: &str| check_content(kind, &blocks(file)).is_ok();
        assert!(is_fit(Authorities::Ca, CA) && is_fit(Authorities::Crl, CRL));
        assert!(
            !is_fit(Authorities::Ca, CRL) && !is_fit(Authorities::Crl, CA) && !is_fit(Authorities::Ca, "")
        );
    }

    #[test]
    fn authorities_are_compared_as_a_set() {
        let line = "SHA1 FingerPrint: A9993E364706816ABA3E25717850C26C9CD0D89D\n";
        assert!(check_authorities(&blocks(&CA.repeat(2)), line).is_ok());
        assert!(check_authorities(&blocks(CA), "").is_err());
        assert!(check_authorities(&blocks(CA), &format!("{line}SHA1 FingerPrint: 00\n")).is_err());
    }
}
