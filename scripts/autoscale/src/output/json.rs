//! The decision as JSON. autoscale-apply reads `wanted`, `count` and `reason`.

use serde::Serialize;

use crate::output::word;
use crate::sizing::decision::Decision;
use crate::sizing::limits::Signal;

#[derive(Serialize)]
struct Shown<'a> {
    wanted: Option<u32>,
    count: Option<u32>,
    draining: u32,
    serving: u32,
    starting: u32,
    failed: u32,
    signal: &'a str,
    sessions: u64,
    queued: u64,
    requests_per_second: Option<f64>,
    target: Option<f64>,
    complete: bool,
    reason: Option<String>,
}

/// The decision as one line of JSON.
pub(crate) fn json(decision: &Decision, signal: Signal) -> String {
    let traffic = &decision.traffic;
    let shown = Shown {
        wanted: decision.wanted,
        count: decision.count,
        draining: decision.draining,
        serving: decision.serving,
        starting: decision.starting,
        failed: decision.failed,
        signal: word(signal),
        sessions: traffic.sessions,
        queued: traffic.queued,
        requests_per_second: traffic.rate,
        target: decision.target,
        complete: traffic.doubt.is_none(),
        reason: decision.reason.as_ref().map(ToString::to_string),
    };
    serde_json::to_string(&shown).expect("strings and numbers are always JSON")
}
