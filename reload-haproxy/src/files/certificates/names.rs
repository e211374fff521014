//! The host names for which HAProxy has certificates.
//!
//! HAProxy puts a certificate that was changed behind others of its kind for the same name, so clients would get one of
//! those (seen on 2.6 to 3.4). Only a reload restores the order.

use std::cell::{RefCell, RefMut};
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use common::failure::Failure;

use crate::config::files::named::NamedFiles;
use crate::files::certificate_list::ANY;
use crate::files::certificates::details::{fingerprints, hosts};
use crate::files::certificates::pem_blocks::PemBlocks;
use crate::files::certificates::served::Served;
use crate::files::changes::FileChanges;
use crate::files::read::content;
use crate::haproxy::certificates::{is_plain, reports};
use crate::servers::apply::Runtime;
use crate::servers::reason::Reason;
use crate::state::certificate_hosts::{CertificateHosts, Hosts};
use crate::state::digest::Digest;
use crate::state::directory::StateDir;
use crate::state::loaded_files::Item;

/// The host names of all certificates, looked up once in a run, and only if a certificate is changed.
pub(crate) struct Names<'r> {
    runtime: &'r Runtime<'r>,
    state: &'r StateDir,
    files: &'r FileChanges,
    /// The `default-crt` of each line that has one.
    defaults: &'r BTreeMap<usize, String>,
    known: RefCell<Option<Known<'r>>>,
}

struct Known<'r> {
    served: Served<'r>,
    /// The certificates with the names for which they are served.
    files: Vec<(&'r str, Rc<Hosts>)>,
    /// Certificates whose names cannot be told, because one has a line break.
    odd: Vec<&'r str>,
    remembered: CertificateHosts,
}

impl<'r> Names<'r> {
    /// Of the certificates in `files`, which `named` names. HAProxy is asked for those that the state directory does not
    /// know.
    pub(crate) fn new(
        runtime: &'r Runtime<'r>,
        state: &'r StateDir,
        files: &'r FileChanges,
        named: &'r NamedFiles,
    ) -> Names<'r> {
        Names { runtime, state, files, defaults: &named.defaults, known: RefCell::default() }
    }

    /// Fails if another certificate of its listener is served for a name for which the one in this answer to
    /// `show ssl cert` is, too.
    pub(super) fn check_alone(&self, file: &str, answer: &str) -> Result<(), Reason> {
        let mut known = self.known()?;
        let Some(item) = self.files.certificate(file) else { return Ok(()) };
        if let Some(odd) = known.odd.iter().find(|odd| self.files.are_rivals(file, odd)) {
            return Err(Reason::NotReported(format!("the names of '{odd}'")));
        }
        let own = Rc::new(hosts(answer));
        let served = known.served.hosts(item, &own);
        let mut hosts = Hosts::clone(&served);
        if self.runtime.version.has_filter_for_any() && known.served.is_first(item) {
            self.check_default(item)?;
            hosts.names.push(ANY.to_owned());
        }
        for (other, others) in &known.files {
            if let Some(host) = hosts.shared(others).filter(|_| self.files.are_rivals(file, other)) {
                let (file, host, other) = (file.to_owned(), host.clone(), (*other).to_owned());
                return Err(Reason::SameName { file, host, other });
            }
        }
        known.files.push((&item.name, served));
        if let Some(digest) = digest(item) {
            known.remembered.add(digest, own);
        }
        Ok(())
    }

    /// Fails if a line of a first certificate has a `default-crt`, which HAProxy serves for unknown names, too.
    fn check_default(&self, item: &Item) -> Result<(), Reason> {
        let mut lines = [&item.line].into_iter().chain(&item.more_lines);
        let Some(other) = lines.find_map(|line| self.defaults.get(line)) else { return Ok(()) };
        let (file, host) = (item.name.clone(), ANY.to_owned());
        Err(Reason::SameName { file, host, other: other.clone() })
    }

    /// Leaves what is known for the next run.
    pub(crate) fn remember(self) -> Result<(), Failure> {
        let Some(mut known) = self.known.into_inner() else { return Ok(()) };
        let found = self.files.found.items.iter().map(Rc::as_ref);
        let used = || found.chain(self.files.loaded_certificates()).filter_map(digest).collect();
        known.remembered.unsaved(used).map_or(Ok(()), |bytes| self.state.remember_hosts(&bytes))
    }

    fn known(&self) -> Result<RefMut<'_, Known<'r>>, Reason> {
        let mut known = self.known.borrow_mut();
        if known.is_none() {
            *known = Some(self.look_up()?);
        }
        Ok(RefMut::map(known, |known| known.get_or_insert_with(|| unreachable!("it was looked up"))))
    }

    fn look_up(&self) -> Result<Known<'r>, Reason> {
        let (served, remembered) = (Served::new(&self.files.found), self.state.hosts());
        let mut known = Known { served, files: Vec::new(), odd: Vec::new(), remembered };
        let mut unknown = HashMap::new();
        for item in self.files.loaded_certificates() {
            match digest(item).and_then(|digest| known.remembered.of(digest)) {
                Some(own) => known.files.push((&item.name, known.served.hosts(item, own))),
                None => {
                    unknown.insert(item.name.as_str(), item);
                }
            }
        }
        self.ask(&unknown, &mut known)?;
        Ok(known)
    }

    /// Asks HAProxy for the names of certificates.
    fn ask(&self, unknown: &HashMap<&str, &'r Item>, known: &mut Known<'r>) -> Result<(), Reason> {
        let files: Vec<&str> = unknown.keys().copied().collect();
        let all = || Reason::NotReported("the names of all certificates".to_owned());
        for (file, report) in reports(&files, |line| self.runtime.ask(line).ok()).ok_or_else(all)? {
            let Some(item) = unknown.get(file) else { continue };
            if !is_plain(&report) {
                known.odd.push(&item.name);
                continue;
            }
            let own = Rc::new(hosts(&report));
            known.files.push((&item.name, known.served.hosts(item, &own)));
            if let Some(digest) = digest_of_loaded(item, &report) {
                known.remembered.add(digest, own);
            }
        }
        Ok(())
    }
}

/// The digest of a certificate's own file, if it is known what that held.
fn digest(item: &Item) -> Option<Digest> {
    item.parts.first()?.digest.filter(|digest| *digest != Digest::UNKNOWN)
}

/// The same, if this answer to `show ssl cert` is about the certificate in the file, and not about one that was
/// set at the socket.
fn digest_of_loaded(item: &Item, answer: &str) -> Option<Digest> {
    let digest = digest(item)?;
    let (bytes, _) = content(&item.parts.first()?.path).ok()?;
    let blocks = PemBlocks::read(&bytes).ok()?;
    let is_it = Digest::of(&bytes) == digest
        && blocks.fingerprints().next().as_deref() == fingerprints(answer).next();
    is_it.then_some(digest)
}
