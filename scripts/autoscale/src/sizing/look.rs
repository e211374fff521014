//! What the balancers report at one moment.

/// Milliseconds since the machine started. A change of the wall clock has no effect on it.
pub type Millis = u64;

/// All balancers at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    /// The moment.
    pub now: Millis,
    /// Each balancer by its socket, with its report, or `None` if it did not give a complete one.
    pub balancers: Vec<(String, Option<Report>)>,
}

/// What one balancer reports. Its worker's counters start at 0.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// The worker's process id.
    pub pid: i32,
    /// Seconds since the worker started.
    pub uptime: u64,
    /// Sessions in the backend, including those in its queue (`scur` of the backend).
    pub sessions: u64,
    /// Requests in the queue (`qcur`).
    pub queued: u64,
    /// Requests since the worker started (`req_tot`, or `stot` of a backend in TCP mode).
    pub requests: u64,
    /// Failed connections, retries and redispatches since the worker started (`econ`, `wretr`, `wredis`).
    pub errors: u64,
    /// The servers of the backend, without those in maintenance that have no session.
    pub servers: Vec<Server>,
    /// How many more servers are up, if only one balancer was asked, and only for their number.
    pub unnamed: u32,
    /// How many servers HAProxy counts as active (`act`).
    pub active: u64,
    /// The sum of their weights (`weight` of the backend).
    pub weight: u64,
}

/// A server as one balancer reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Its name.
    pub name: String,
    /// Whether it serves.
    pub state: ServerState,
    /// Its current sessions (`scur`).
    pub sessions: u64,
    /// Its `maxconn` (`slim`), if it has one.
    pub maxconn: Option<u64>,
}

/// Whether a server serves. If balancers disagree about a server, the first of these states counts: a server that is up at
/// one of them is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ServerState {
    /// It gets requests, or HAProxy does not check it.
    Up,
    /// It has joined, and has never served.
    Starting,
    /// It has served, and is DOWN.
    Failed,
    /// It gets no new sessions: its weight is 0, or it is in maintenance with sessions left.
    Draining,
}

impl ServerState {
    /// The word for it in the output.
    pub fn word(self) -> &'static str {
        match self {
            ServerState::Up => "up",
            ServerState::Starting => "starting",
            ServerState::Failed => "failed",
            ServerState::Draining => "draining",
        }
    }
}
