//! The traffic at one moment: what all balancers report, added up.
//!
//! A balancer that does not answer counts with its last numbers, because its visitors have not gone away. A new worker
//! counts from 0 while the old one finishes its sessions, so it counts with at least what the old one had.

use std::collections::BTreeMap;

use crate::sizing::limits::Signal;
use crate::sizing::look::{Look, Millis, Report, Server};
use crate::sizing::memory::{Memory, Seen};

/// Two looks that are closer together than this give no new rate, because it would depend on a few requests.
const RATE_MIN: Millis = 1000;

/// The traffic of all balancers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Traffic {
    /// What the signal measures: sessions, or requests per second. `None` if no rate is known yet.
    pub demand: Option<f64>,
    /// Sessions, including those in the queue.
    pub sessions: u64,
    /// Requests in the queue.
    pub queued: u64,
    /// Requests per second of the balancers whose rate is known.
    pub rate: Option<f64>,
    /// Whether failed connections, retries or redispatches rose since the last look.
    pub errors_rose: bool,
    /// The servers of all balancers by name.
    pub servers: BTreeMap<String, Server>,
    /// How many more servers are up.
    pub unnamed: u32,
    /// How many balancers answered.
    pub answers: usize,
    /// Why these numbers may be too small, if there is a reason to think so.
    pub doubt: Option<Doubt>,
    /// What is to be remembered of each balancer.
    pub seen: BTreeMap<String, Seen>,
}

/// Why the numbers may be too small.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// The balancer with this socket did not answer.
    Silent(String),
    /// Another worker answers at this socket.
    NewWorker(String),
}

/// Adds up what the balancers report.
pub fn add_up(look: &Look, memory: &Memory, signal: Signal) -> Traffic {
    let mut traffic = Traffic::default();
    for (socket, report) in &look.balancers {
        let before = memory.balancers.get(socket);
        match report {
            Some(report) => traffic.add(look.now, socket, report, before),
            None => traffic.add_silent(socket, before),
        }
    }
    let rates: Vec<f64> = traffic.seen.values().filter_map(|seen| seen.rate).collect();
    traffic.rate = (!rates.is_empty()).then(|| rates.iter().sum());
    traffic.demand = match signal {
        Signal::Sessions => Some(traffic.sessions as f64),
        Signal::Rate => traffic.rate,
    };
    traffic
}

impl Traffic {
    fn add(&mut self, now: Millis, socket: &str, report: &Report, before: Option<&Seen>) {
        let is_replaced = before.is_some_and(|before| before.is_replaced(report));
        let known = before.filter(|_| !is_replaced);
        let mut seen = Seen {
            pid: report.pid,
            uptime: report.uptime,
            sessions: report.sessions,
            errors: report.errors,
            requests: report.requests,
            counted: now,
            rate: before.and_then(|before| before.rate),
        };
        if let Some(known) = known {
            seen.count_rate(known);
            self.errors_rose |= report.errors > known.errors;
        }
        if is_replaced {
            self.doubt = Some(Doubt::NewWorker(socket.to_owned()));
            seen.sessions = seen.sessions.max(before.map_or(0, |before| before.sessions));
        }
        self.answers += 1;
        self.sessions = self.sessions.saturating_add(seen.sessions);
        self.queued = self.queued.saturating_add(report.queued);
        self.seen.insert(socket.to_owned(), seen);
        report.servers.iter().for_each(|server| self.add_server(server));
        self.unnamed = self.unnamed.saturating_add(report.unnamed);
    }

    fn add_silent(&mut self, socket: &str, before: Option<&Seen>) {
        self.doubt = Some(Doubt::Silent(socket.to_owned()));
        if let Some(before) = before {
            self.sessions = self.sessions.saturating_add(before.sessions);
            self.seen.insert(socket.to_owned(), before.clone());
        }
    }

    fn add_server(&mut self, server: &Server) {
        let Some(known) = self.servers.get_mut(&server.name) else {
            self.servers.insert(server.name.clone(), server.clone());
            return;
        };
        known.state = known.state.min(server.state);
        known.sessions = known.sessions.saturating_add(server.sessions);
        known.maxconn = match (known.maxconn, server.maxconn) {
            // `maxconn` is a limit for each balancer, so the server may get the sum.
            (Some(one), Some(other)) => Some(one.saturating_add(other)),
            (one, other) => one.or(other),
        };
    }
}

impl Seen {
    /// Counts the requests since `before`, a report of the same worker.
    fn count_rate(&mut self, before: &Seen) {
        let elapsed = self.counted.saturating_sub(before.counted);
        if elapsed < RATE_MIN {
            (self.requests, self.counted) = (before.requests, before.counted);
        } else {
            let requests = self.requests.saturating_sub(before.requests);
            self.rate = Some(requests as f64 * 1000.0 / elapsed as f64);
        }
    }
}
