//! Makes one change of a file in the running HAProxy, with the content that was found when the changes were planned.

use std::time::SystemTime;

use crate::config::files::named::FileKind;
use crate::files::applied::Applied;
use crate::files::certificates::{self, Authorities, Certificate, ListEntry, Names};
use crate::files::change::Change;
use crate::files::lists::{self, List, ListKind};
use crate::files::read::content;
use crate::servers::apply::Runtime;
use crate::servers::reason::Reason;
use crate::state::digest::Digest;
use crate::state::loaded_files::{Item, Part};

/// A private key in a certificate's own file, in any of its forms.
const KEY: &[u8] = b"PRIVATE KEY-----";

/// Makes a change. Returns `None` if a file has changed again since the change was planned. Fails with the reason for a
/// reload.
pub(crate) fn apply(
    runtime: &Runtime,
    change: &Change,
    names: &Names,
    now: SystemTime,
) -> Result<Option<Applied>, Reason> {
    let item = match change {
        Change::Remove { list, name, .. } => {
            return certificates::remove_from_list(runtime, list, name).map(Some);
        }
        Change::Replace(item) | Change::Restore(item) | Change::Add { certificate: item, .. } => item,
    };
    let mut contents = Contents { item, is_outdated: false };
    let applied = match (change, item.kind) {
        (Change::Add { list, line, .. }, _) => {
            let certificate = contents.certificate();
            contents.unless_outdated(|| {
                certificates::add_to_list(runtime, &ListEntry { list, line, certificate }, names, now)
            })
        }
        (_, FileKind::Certificate) => {
            let certificate = contents.certificate();
            contents.unless_outdated(|| certificates::replace(runtime, &certificate, names, now))
        }
        (_, FileKind::Authorities) => contents.authorities(runtime, Authorities::Ca),
        (_, FileKind::Revocations) => contents.authorities(runtime, Authorities::Crl),
        (_, FileKind::Map) => contents.list(runtime, ListKind::Map),
        (_, FileKind::Acl) => contents.list(runtime, ListKind::Acl),
        // `changes` plans a reload for these.
        (_, FileKind::CertificateList | FileKind::DefaultCertificate | FileKind::Other) => {
            Err(Reason::File { path: item.name.clone(), line: item.line })
        }
    };
    if contents.is_outdated { Ok(None) } else { applied.map(Some) }
}

/// Reads the parts of an item.
struct Contents<'i> {
    item: &'i Item,
    /// Whether the content of a part is not the planned one.
    is_outdated: bool,
}

impl<'i> Contents<'i> {
    fn certificate(&mut self) -> Certificate<'i> {
        let mut pem = self.part("").unwrap_or_default();
        // HAProxy looks for a key elsewhere only if the file has none.
        if !pem.windows(KEY.len()).any(|bytes| bytes == KEY) {
            pem.push(b'\n');
            pem.extend(self.part("key").unwrap_or_default());
        }
        let (issuer, ocsp, sctl) = (self.part("issuer"), self.part("ocsp"), self.part("sctl"));
        Certificate { name: &self.item.name, pem, issuer, ocsp, sctl }
    }

    fn authorities(&mut self, runtime: &Runtime, kind: Authorities) -> Result<Applied, Reason> {
        let pem = self.part("").unwrap_or_default();
        let name = &self.item.name;
        self.unless_outdated(|| certificates::replace_authorities(runtime, kind, name, &pem))
    }

    fn list(&mut self, runtime: &Runtime, kind: ListKind) -> Result<Applied, Reason> {
        let bytes = self.part("").unwrap_or_default();
        let list = List { kind, name: &self.item.name, bytes: &bytes };
        self.unless_outdated(|| lists::replace(runtime, &list))
    }

    fn unless_outdated(&self, change: impl FnOnce() -> Result<Applied, Reason>) -> Result<Applied, Reason> {
        if self.is_outdated { Ok(Applied::Done) } else { change() }
    }

    /// The bytes of the part with this role, if there is one.
    fn part(&mut self, role: &str) -> Option<Vec<u8>> {
        let part: &Part = self.item.parts.iter().find(|part| part.role == role)?;
        let bytes = content(&part.path).map(|(bytes, _)| bytes).ok();
        self.is_outdated |= bytes.as_deref().map(Digest::of) != part.digest;
        bytes
    }
}
