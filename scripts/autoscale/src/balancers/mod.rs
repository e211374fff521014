//! The balancers: asks each socket once, and reads the answer.

mod answer;

use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use common::failure::{Code, Failure};
use common::haproxy_socket;
use common::messages::excerpt;

use crate::sizing::look::{Look, Millis, Report};
use answer::Flaw;

/// What is asked of HAProxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    /// The traffic, and how many servers are up. If all are, HAProxy needs a third of the time for the answer. Only for one
    /// backend at one balancer: servers are told apart by their names, which this does not give.
    Brief,
    /// Also the sessions and the `maxconn` of each server.
    Whole,
}

/// Asks all `sockets` about the `backends` at the same time. A balancer that does not answer completely has no report in the
/// look, and its fault is returned.
pub(crate) fn look(
    sockets: &[PathBuf],
    backends: &[String],
    question: Question,
    timeout: Duration,
    now: Millis,
) -> (Look, Vec<Failure>) {
    let reports: Vec<Result<Report, Failure>> = match sockets {
        // Starting a thread takes longer than asking.
        [socket] => vec![report(socket, backends, question, timeout)],
        _ => thread::scope(|scope| {
            let asked: Vec<_> = sockets
                .iter()
                .map(|socket| scope.spawn(|| report(socket, backends, question, timeout)))
                .collect();
            let panicked = |_| Err(Failure::new(Code::Unforeseen, "cannot ask HAProxy: a thread failed"));
            asked.into_iter().map(|thread| thread.join().unwrap_or_else(panicked)).collect()
        }),
    };
    let mut faults = Vec::new();
    let mut balancers = Vec::new();
    for (socket, report) in sockets.iter().zip(reports) {
        balancers.push((socket.display().to_string(), report.map_err(|fault| faults.push(fault)).ok()));
    }
    (Look { now, balancers }, faults)
}

/// What one balancer reports about all `backends` together.
fn report(
    socket: &Path,
    backends: &[String],
    question: Question,
    timeout: Duration,
) -> Result<Report, Failure> {
    let refuse = |reason: String| {
        Failure::new(Code::Haproxy, format!("cannot ask HAProxy at '{}': {reason}", socket.display()))
    };
    // All commands go over one connection, so that one worker answers them all.
    let ask = |question: fn(&String) -> String| {
        let questions: Vec<String> = backends.iter().map(question).collect();
        let command = format!("show info;{}", questions.join(";"));
        haproxy_socket::ask(socket, &command, timeout).map_err(|err| refuse(reason(&err)))
    };
    if question == Question::Brief
        && let Some(report) = answer::read_brief(&ask(brief)?, &backends[0])
    {
        return Ok(report);
    }
    let answer = ask(whole)?;
    answer::read(&answer, backends).map_err(|flaw| refuse(explain(flaw, backends, &answer)))
}

/// The type 2 is the backend alone.
fn brief(backend: &String) -> String {
    format!("show stat {backend} 2 -1;show servers state {backend}")
}

/// The type 6 is the backend (2) and its servers (4).
fn whole(backend: &String) -> String {
    format!("show stat {backend} 6 -1")
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
