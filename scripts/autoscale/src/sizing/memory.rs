//! What is kept between two looks.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::sizing::history::History;
use crate::sizing::look::{Millis, Report};

/// What is kept between two looks; a new one knows nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// Since when looks have followed each other without a gap. The number does not go down for a window after that.
    pub since: Millis,
    /// The last look.
    pub last: Millis,
    /// The number that the last look gave.
    pub wanted: Option<u32>,
    /// How many servers there were at the last look that knew it.
    pub count: Option<u32>,
    /// When the number last went down.
    pub lowered: Option<Millis>,
    /// What was needed in the window; only the largest counts.
    pub wishes: History,
    /// The counts of the upward period; only the smallest counts.
    pub counts: History,
    /// Whether requests were in the queue at the last look.
    pub queued: bool,
    /// When failed connections, retries or redispatches were last seen to rise.
    pub errors_rose: Option<Millis>,
    /// The last target, which is used while no server is known.
    pub target: Option<f64>,
    /// Each balancer by its socket.
    pub balancers: BTreeMap<String, Seen>,
}

/// What a balancer last reported.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// The worker's process id.
    pub pid: i32,
    /// Seconds since the worker started.
    pub uptime: u64,
    /// Sessions in the backend.
    pub sessions: u64,
    /// Failed connections, retries and redispatches since the worker started.
    pub errors: u64,
    /// Requests since the worker started, at the moment `counted`.
    pub requests: u64,
    /// The moment from which the next rate is counted.
    pub counted: Millis,
    /// Requests per second, once two looks have counted them.
    pub rate: Option<f64>,
}

impl Memory {
    /// A memory that begins now.
    pub fn begin(now: Millis) -> Memory {
        Memory { since: now, last: now, ..Memory::default() }
    }

    /// The same numbers, without the moments: the machine has started again, or there was a long gap. The number does
    /// not go down for a window.
    pub fn begin_again(self, now: Millis) -> Memory {
        let Memory { wanted, count, target, .. } = self;
        Memory { wanted, count, target, ..Memory::begin(now) }
    }

    /// Whether the last look found as many servers as it wanted.
    pub fn is_settled(&self) -> bool {
        self.wanted.is_some() && self.wanted == self.count
    }

    /// Whether its last look was before `now`, and at most `gap` ago.
    pub fn continues_at(&self, now: Millis, gap: Millis) -> bool {
        self.since <= self.last && self.last <= now && now - self.last <= gap
    }
}

impl Seen {
    /// Whether `report` is by another worker, whose counters began again.
    pub fn is_replaced(&self, report: &Report) -> bool {
        report.pid != self.pid || report.uptime < self.uptime || report.requests < self.requests
    }
}
