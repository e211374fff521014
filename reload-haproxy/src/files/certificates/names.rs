//! The host names for which HAProxy has certificates.
//!
//! HAProxy puts a certificate that was changed behind others of its kind for the same name, so clients would get one of
//! those (seen on 2.6 to 3.4). Only a reload restores the order.

use std::cell::{RefCell, RefMut};
use std::collections::HashMap;

use common::failure::Failure;

use crate::config::content::fingerprint;
use crate::files::certificates::details::{fingerprints, hosts};
use crate::files::certificates::pem_blocks::PemBlocks;
use crate::files::changes::FileChanges;
use crate::files::read::content;
use crate::haproxy::certificates::{answers_in, is_answer, questions};
use crate::servers::apply::Runtime;
use crate::servers::reason::Reason;
use crate::state::certificate_hosts::{CertificateHosts, Host};
use crate::state::directory::StateDir;
use crate::state::loaded_files::Item;

/// The host names of all certificates, looked up once in a run, and only if a certificate is changed.
pub(crate) struct Names<'r> {
    runtime: &'r Runtime<'r>,
    state: &'r StateDir,
    files: &'r FileChanges,
    known: RefCell<Option<Known>>,
}

struct Known {
    /// The certificates with their hosts.
    files: Vec<(String, Vec<Host>)>,
    remembered: CertificateHosts,
}

impl<'r> Names<'r> {
    /// Of the certificates in `files`. HAProxy is asked for those that the state directory does not know.
    pub(crate) fn new(runtime: &'r Runtime<'r>, state: &'r StateDir, files: &'r FileChanges) -> Names<'r> {
        Names { runtime, state, files, known: RefCell::default() }
    }

    /// Fails if another certificate of its listener has a host name of the one in this answer to `show ssl cert`.
    pub(super) fn check_alone(&self, file: &str, answer: &str) -> Result<(), Reason> {
        let mut known = self.known()?;
        let hosts = hosts(answer);
        for (other, others) in &known.files {
            let shared = hosts.iter().find(|host| others.contains(host));
            if let Some(host) = shared.filter(|_| self.files.are_rivals(file, other)) {
                let (file, host, other) = (file.to_owned(), host.name.clone(), other.clone());
                return Err(Reason::SameName { file, host, other });
            }
        }
        known.files.push((file.to_owned(), hosts.clone()));
        if let Some(digest) = self.files.certificate(file).and_then(digest) {
            known.remembered.add(digest, hosts);
        }
        Ok(())
    }

    /// Leaves what is known for the next run.
    pub(crate) fn remember(self) -> Result<(), Failure> {
        let Some(mut known) = self.known.into_inner() else { return Ok(()) };
        let (found, loaded) = (self.files.found.items.iter(), self.files.loaded_certificates());
        let used = found.chain(loaded).filter_map(digest).collect();
        known.remembered.unsaved(&used).map_or(Ok(()), |bytes| self.state.remember_hosts(&bytes))
    }

    fn known(&self) -> Result<RefMut<'_, Known>, Reason> {
        let mut known = self.known.borrow_mut();
        if known.is_none() {
            *known = Some(self.look_up()?);
        }
        Ok(RefMut::map(known, |known| known.get_or_insert_with(|| unreachable!("it was looked up"))))
    }

    fn look_up(&self) -> Result<Known, Reason> {
        let mut known = Known { files: Vec::new(), remembered: self.state.hosts() };
        let mut unknown = HashMap::new();
        for item in self.files.loaded_certificates() {
            match digest(item).and_then(|digest| known.remembered.of(digest)) {
                Some(hosts) => known.files.push((item.name.clone(), hosts.to_vec())),
                None => {
                    unknown.insert(item.name.as_str(), item);
                }
            }
        }
        self.ask(&unknown, &mut known)?;
        Ok(known)
    }

    /// Asks HAProxy for the names of certificates.
    fn ask(&self, unknown: &HashMap<&str, &Item>, known: &mut Known) -> Result<(), Reason> {
        let files: Vec<&str> = unknown.keys().copied().collect();
        let mut count = 0;
        for line in questions(&files) {
            let answer = self.runtime.ask(&line)?;
            count += answer.lines().filter(|line| is_answer(line)).count();
            for (file, answer) in answers_in(&answer) {
                let hosts = hosts(answer);
                known.files.push((file.to_owned(), hosts.clone()));
                if let Some(digest) = unknown.get(file).and_then(|item| digest_of_loaded(item, answer)) {
                    known.remembered.add(digest, hosts);
                }
            }
        }
        if count < files.len() {
            return Err(Reason::NotReported("the names of all certificates".to_owned()));
        }
        Ok(())
    }
}

/// The digest of a certificate's own file, if it is known what that held.
fn digest(item: &Item) -> Option<&str> {
    item.parts.first()?.digest.as_deref().filter(|digest| !digest.is_empty())
}

/// The same, if this answer to `show ssl cert` is about the certificate in the file, and not about one that somebody
/// has set at the socket.
fn digest_of_loaded<'i>(item: &'i Item, answer: &str) -> Option<&'i str> {
    let digest = digest(item)?;
    let (bytes, _) = content(&item.parts.first()?.path).ok()?;
    let blocks = PemBlocks::read(&bytes).ok()?;
    let is_it = fingerprint(&bytes) == digest
        && blocks.fingerprints().next().as_deref() == fingerprints(answer).next();
    is_it.then_some(digest)
}
