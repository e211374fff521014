//! The balancers: asks each socket, and reads the answer.

mod answer;
mod known;

use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use common::failure::{Code, Failure};
use common::haproxy_socket;
use common::messages::excerpt;

use crate::sizing::look::{Look, Millis, Report};
use answer::Flaw;
use known::Question;
pub(crate) use known::{Known, Needs};

/// What a look asks, at which sockets, and how long it waits for an answer.
pub(crate) struct Inquiry<'a> {
    pub(crate) sockets: &'a [PathBuf],
    pub(crate) backends: &'a [String],
    pub(crate) needs: Needs,
    pub(crate) timeout: Duration,
    pub(crate) now: Millis,
}

/// Asks all sockets about the backends at the same time. A balancer that does not answer completely has no report in
/// the look, and its fault is returned. `known` is used only for one backend at one balancer: the servers of several
/// are told apart by their names, which short answers do not have.
pub(crate) fn look(inquiry: &Inquiry<'_>, known: &mut Known) -> (Look, Vec<Failure>) {
    let sockets = inquiry.sockets;
    let reports: Vec<Result<Report, Failure>> = match sockets {
        // Starting a thread takes longer than asking.
        [socket] if inquiry.backends.len() == 1 => vec![inquiry.shortest_report(socket, known)],
        [socket] => vec![inquiry.whole_report(socket)],
        _ => thread::scope(|scope| {
            let asked: Vec<_> =
                sockets.iter().map(|socket| scope.spawn(|| inquiry.whole_report(socket))).collect();
            let panicked = |_| Err(Failure::new(Code::Unforeseen, "cannot ask HAProxy: a thread failed"));
            asked.into_iter().map(|thread| thread.join().unwrap_or_else(panicked)).collect()
        }),
    };
    let mut faults = Vec::new();
    let mut balancers = Vec::new();
    for (socket, report) in sockets.iter().zip(reports) {
        balancers.push((socket.display().to_string(), report.map_err(|fault| faults.push(fault)).ok()));
    }
    (Look { now: inquiry.now, balancers }, faults)
}

impl Inquiry<'_> {
    /// What a balancer reports about the only backend. Asks no more than it must.
    fn shortest_report(&self, socket: &Path, known: &mut Known) -> Result<Report, Failure> {
        let Inquiry { backends, needs, now, .. } = *self;
        let mut question = known.question(needs, now);
        loop {
            let report = match question {
                Question::Row => answer::read_row(&self.ask(socket, row)?, &backends[0]),
                Question::List => answer::read_list(&self.ask(socket, list)?, &backends[0]),
                Question::Whole => Some(self.whole_report(socket)?),
            };
            if let Some(report) = report.and_then(|report| known.complete(report, question, needs, now)) {
                known.learn(&report, question, needs, now);
                return Ok(report);
            }
            question = Known::next_question(question, needs);
        }
    }

    /// What a balancer reports about all backends together.
    fn whole_report(&self, socket: &Path) -> Result<Report, Failure> {
        let answer = self.ask(socket, whole)?;
        let backends = self.backends;
        answer::read(&answer, backends).map_err(|flaw| refusal(socket, &explain(flaw, backends, &answer)))
    }

    /// Asks a question about each backend. All commands go over one connection, so that one worker answers them all.
    fn ask(&self, socket: &Path, question: fn(&String) -> String) -> Result<String, Failure> {
        let questions: Vec<String> = self.backends.iter().map(question).collect();
        let command = format!("show info;{}", questions.join(";"));
        haproxy_socket::ask(socket, &command, self.timeout).map_err(|err| refusal(socket, &reason(&err)))
    }
}

/// The type 2 is the backend alone.
fn row(backend: &String) -> String {
    format!("show stat {backend} 2 -1")
}

fn list(backend: &String) -> String {
    format!("show stat {backend} 2 -1;show servers state {backend}")
}

/// The type 6 is the backend (2) and its servers (4).
fn whole(backend: &String) -> String {
    format!("show stat {backend} 6 -1")
}

fn refusal(socket: &Path, reason: &str) -> Failure {
    Failure::new(Code::Haproxy, format!("cannot ask HAProxy at '{}': {reason}", socket.display()))
}

fn reason(err: &std::io::Error) -> String {
    match err.kind() {
        std::io::ErrorKind::TimedOut => "it does not answer in time; see --timeout".to_owned(),
        std::io::ErrorKind::NotFound => "there is no such socket; see --socket".to_owned(),
        std::io::ErrorKind::ConnectionRefused => "nothing listens there; is HAProxy running?".to_owned(),
        std::io::ErrorKind::PermissionDenied => {
            "permission denied; run as a user that may write to the socket".to_owned()
        }
        _ => err.to_string(),
    }
}

fn explain(flaw: Flaw, backends: &[String], answer: &str) -> String {
    match flaw {
        Flaw::NoBackend(index) => {
            format!("it has no backend '{}', or a frontend has the same name; see --backend", backends[index])
        }
        Flaw::Incomplete => "its answer is not complete".to_owned(),
        Flaw::Strange => {
            format!("it answered '{}'", excerpt(answer.lines().next().unwrap_or_default().as_bytes()))
        }
    }
}
