//! What the last looks have found out, so that a look need not ask for everything.
//!
//! With 1,000 servers HAProxy needs 3 ms for the rows of all of them, 0.7 ms for the list of their states, and 0.1 ms
//! for the backend's own row. If all servers were up, and the row still has the same number of active servers and the
//! same weight, nothing else is asked. The row does not show a server that is not up yet, nor one that goes while
//! another one comes. So the list is asked for every 15 s, and always while servers are being started or stopped.

use serde::{Deserialize, Serialize};

use crate::sizing::look::{Millis, Report, ServerState};

/// How long a list of the servers is good for: as long as `autoscale-apply` waits before it repeats a command.
const LIST_FOR: Millis = 15_000;
/// How long the servers' `maxconn` is good for.
const MAXCONN_FOR: Millis = 60_000;
/// How much the time at which a worker started may seem to differ, in seconds: HAProxy reports whole seconds.
const ROUNDING: u64 = 2;

/// What is asked of HAProxy, from the least to the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// The traffic, and how many servers are active.
    Row,
    /// Also whether each server is up. It does not give their names, by which the servers of several balancers are told
    /// apart.
    List,
    /// Also the name, the sessions and the `maxconn` of each server.
    Whole,
}

/// What a look has to find out besides the traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Needs {
    /// The name and the sessions of each server.
    pub(crate) names: bool,
    /// The servers' `maxconn`.
    pub(crate) maxconn: bool,
    /// Each server that is not up, because there are more or fewer servers than wanted.
    pub(crate) changes: bool,
}

/// What the last looks have found out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Known {
    /// The last list of the servers, if all that count were up.
    list: Option<List>,
    /// When their `maxconn` was last asked for.
    maxconn_at: Option<Millis>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct List {
    at: Millis,
    pid: i32,
    /// When the worker started, in seconds.
    started: u64,
    servers: u32,
    weight: u64,
}

impl Known {
    /// The first question of a look.
    pub(super) fn question(&self, needs: Needs, now: Millis) -> Question {
        let is_within = |at: Millis, period| now.checked_sub(at).is_some_and(|passed| passed < period);
        let has_maxconn = self.list.is_some() && self.maxconn_at.is_some_and(|at| is_within(at, MAXCONN_FOR));
        match &self.list {
            _ if needs.names || (needs.maxconn && !has_maxconn) => Question::Whole,
            Some(list) if !needs.changes && is_within(list.at, LIST_FOR) => Question::Row,
            _ => Question::List,
        }
    }

    /// The question after one whose answer was not enough.
    pub(super) fn next_question(question: Question, needs: Needs) -> Question {
        if question == Question::Row && !needs.maxconn { Question::List } else { Question::Whole }
    }

    /// The report that answers `question`, with the servers that are known; `None` if more must be asked, because the
    /// worker or its servers have changed.
    pub(super) fn complete(
        &self,
        report: Report,
        question: Question,
        needs: Needs,
        now: Millis,
    ) -> Option<Report> {
        let known = self.list.as_ref().filter(|list| list.agrees(&report, now));
        match question {
            Question::Row => known.map(|list| Report { unnamed: list.servers, ..report }),
            Question::List if needs.maxconn => known.map(|_| report),
            Question::List | Question::Whole => Some(report),
        }
    }

    /// Remembers what a complete report says about the servers.
    pub(super) fn learn(&mut self, report: &Report, question: Question, needs: Needs, now: Millis) {
        if question != Question::Row {
            self.list = List::of(report, now);
        }
        if question == Question::Whole || !needs.maxconn {
            self.maxconn_at = needs.maxconn.then_some(now);
        }
    }
}

impl List {
    /// The list in a report; `None` if a server that counts is not up.
    fn of(report: &Report, now: Millis) -> Option<List> {
        let servers = u32::try_from(report.servers.len()).ok()?.checked_add(report.unnamed)?;
        let are_up = report.servers.iter().all(|server| server.state == ServerState::Up);
        (are_up && u64::from(servers) == report.active).then(|| List {
            at: now,
            pid: report.pid,
            started: started(report, now),
            servers,
            weight: report.weight,
        })
    }

    /// Whether the same worker reports the same active servers.
    fn agrees(&self, report: &Report, now: Millis) -> bool {
        let servers = (report.active, report.weight) == (self.servers.into(), self.weight);
        // In a container a new worker may have the same process id.
        let age = started(report, now).abs_diff(self.started);
        servers && report.pid == self.pid && age <= ROUNDING
    }
}

/// When the worker started, in seconds of the clock that does not jump.
fn started(report: &Report, now: Millis) -> u64 {
    // A worker of a container that was moved may be older than this start of the machine.
    (now / 1000).wrapping_sub(report.uptime)
}

#[cfg(test)]
mod tests;
