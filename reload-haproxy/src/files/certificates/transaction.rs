//! One transaction of HAProxy's: all parts of a file are set, checked and then used at once, or none of them.

use std::cell::Cell;

use crate::files::certificates::answers::{NotTaken, Opened, is_success, not_taken, opened, unexpected};
use crate::files::certificates::socket_name::SocketName;
use crate::haproxy::answers::parse_info;
use crate::servers::apply::Runtime;
use crate::servers::reason::Reason;

/// A socket that closes while it is sent more than this has probably no room for it: HAProxy's buffer has 16 KiB
/// unless configured.
const LARGE: usize = 12 << 10;

/// Which of HAProxy's transactions it is.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Certificate,
    Ca,
    Crl,
}

impl Kind {
    /// What commands call the file: `set ssl cert`.
    fn keyword(self) -> &'static str {
        match self {
            Kind::Certificate => "cert",
            Kind::Ca => "ca-file",
            Kind::Crl => "crl-file",
        }
    }

    /// What answers call it.
    fn noun(self) -> &'static str {
        match self {
            Kind::Certificate => "certificate",
            Kind::Ca => "CA",
            Kind::Crl => "CRL",
        }
    }

    /// The command in a reason.
    fn command(self) -> &'static str {
        match self {
            Kind::Certificate => "set ssl cert",
            Kind::Ca => "set ssl ca-file",
            Kind::Crl => "set ssl crl-file",
        }
    }
}

/// A transaction about one file.
pub(super) struct Transaction<'a> {
    runtime: &'a Runtime<'a>,
    kind: Kind,
    name: &'a SocketName,
    is_open: Cell<bool>,
}

/// Runs the steps of a transaction; if one fails, the transaction is taken back.
pub(super) fn transact<T>(
    runtime: &Runtime,
    kind: Kind,
    name: &SocketName,
    steps: impl FnOnce(&Transaction) -> Result<T, NotTaken>,
) -> Result<T, NotTaken> {
    let transaction = Transaction { runtime, kind, name, is_open: Cell::new(false) };
    let result = steps(&transaction);
    if result.is_err() && transaction.is_open.get() {
        // If this fails, nothing is used either, and the next transaction ends this one.
        let _ = transaction.abort(name);
    }
    result
}

impl Transaction<'_> {
    /// Begins with the file's text. What another run has left open is taken back first.
    pub(super) fn begin(&self, payload: &str) -> Result<(), NotTaken> {
        let mut ending = "";
        // Up to three attempts: one may find a transaction of another name, one may find our own that a killed run has
        // left, and one may have to add the ending.
        for _ in 0..3 {
            self.is_open.set(true);
            let answer = self.send("set", ending, payload)?;
            let stale = match opened(&answer, self.kind.noun()) {
                Some(Opened::Created(name)) if name == self.name.plain() => return Ok(()),
                Some(Opened::Created(name) | Opened::Updated(name) | Opened::Busy(name)) => name,
                None if ending.is_empty() && self.loses_ending(&answer) => {
                    ending = ".crt";
                    continue;
                }
                None => return Err(not_taken(self.kind.command(), &answer)),
            };
            self.abort(&SocketName::new(stale)?)?;
        }
        Err(unexpected(self.kind.command(), "The ongoing transaction is about another file").into())
    }

    /// Whether this HAProxy took `.crt` for an ending that is not a part of the name, as 2.6 does.
    fn loses_ending(&self, answer: &str) -> bool {
        let is_certificate = matches!(self.kind, Kind::Certificate) && self.name.plain().ends_with(".crt");
        is_certificate && answer.starts_with("Can't replace a certificate which is not referenced ")
    }

    /// Adds a part of the certificate: `.issuer`, `.ocsp`.
    pub(super) fn set_part(&self, extension: &str, payload: &str) -> Result<(), NotTaken> {
        self.check_updated(&self.send("set", extension, payload)?)
    }

    /// Adds more authorities, where a file is larger than HAProxy's buffer.
    pub(super) fn add(&self, payload: &str) -> Result<(), NotTaken> {
        self.check_updated(&self.send("add", "", payload)?)
    }

    /// HAProxy's report about the file before the commit.
    pub(super) fn pending(&self) -> Result<String, Reason> {
        self.runtime.ask(&format!("show ssl {} *{}", self.kind.keyword(), self.name.escaped()))
    }

    /// Commits the transaction; returns the worker's report about the file afterwards.
    pub(super) fn commit(&self) -> Result<String, NotTaken> {
        let (keyword, name) = (self.kind.keyword(), self.name.escaped());
        let command = format!("commit ssl {keyword} {name};show ssl {keyword} {name};show info");
        let answer = self.runtime.ask(&command)?;
        if !is_success(&answer) {
            return Err(not_taken("commit ssl", &answer));
        }
        self.is_open.set(false);
        match parse_info(&answer).filter(|info| !info.is_stopping) {
            Some(info) if info.pid == self.runtime.worker.pid => Ok(answer),
            Some(info) => Err(Reason::OtherWorker { now: info.pid, before: self.runtime.worker.pid }.into()),
            None => Err(unexpected("show info", &answer).into()),
        }
    }

    fn check_updated(&self, answer: &str) -> Result<(), NotTaken> {
        match opened(answer, self.kind.noun()) {
            Some(Opened::Updated(name)) if name == self.name.plain() => Ok(()),
            // Not the file's fault: its certificate and key were taken.
            _ => Err(unexpected(self.kind.command(), answer).into()),
        }
    }

    fn abort(&self, name: &SocketName) -> Result<(), Reason> {
        self.runtime.ask(&format!("abort ssl {} {}", self.kind.keyword(), name.escaped())).map(drop)
    }

    /// The payload must end with a newline: the socket adds another, and the first empty line ends the payload.
    fn send(&self, verb: &str, extension: &str, payload: &str) -> Result<String, Reason> {
        let (keyword, name) = (self.kind.keyword(), self.name.escaped());
        let sent = self.runtime.ask(&format!("{verb} ssl {keyword} {name}{extension} <<\n{payload}"));
        match sent {
            // 3.2 closes at once.
            Err(Reason::Socket { .. }) if payload.len() > LARGE => Err(unexpected(self.kind.command(), "")),
            sent => sent,
        }
    }
}
