//! How many servers the traffic needs at this moment, whatever may happen now.

use crate::sizing::decision::{Decision, NoTarget};
use crate::sizing::limits::{Limits, SHARE_OF_MAXCONN};
use crate::sizing::memory::Memory;
use crate::sizing::traffic::Traffic;

/// How much one server should carry. `None` while no server is known, now or earlier.
pub(super) fn target(limits: &Limits, traffic: &Traffic, memory: &Memory) -> Result<Option<f64>, NoTarget> {
    if limits.target.is_some() {
        return Ok(limits.target);
    }
    let maxconns: Vec<u64> = traffic.servers.values().filter_map(|server| server.maxconn).collect();
    // The sessions of a silent balancer still count, so its share of each server's `maxconn` must count, too.
    let known = if traffic.answers < traffic.seen.len() { memory.target } else { None };
    match maxconns.len() {
        0 if traffic.servers.is_empty() => Ok(memory.target),
        0 => Err(NoTarget),
        count => {
            // As floats: HAProxy may report any number, and a sum of integers could overflow.
            let sum: f64 = maxconns.iter().map(|maxconn| *maxconn as f64).sum();
            let target = sum / count as f64 * SHARE_OF_MAXCONN;
            Ok(Some(target.max(known.unwrap_or(0.0))))
        }
    }
}

/// How many servers the traffic needs. Failed servers are replaced, but at most as many as the traffic needs: if all of
/// them fail, more of the same do not help.
pub(super) fn needed(limits: &Limits, decision: &Decision, memory: &Memory) -> u32 {
    let Decision { serving, starting, failed, traffic, .. } = decision;
    let healthy = serving.saturating_add(*starting);
    // What was asked for, not what is there: while an engine is late, the number would otherwise go up and down.
    let asked = decision.before.map_or(healthy, |before| before.saturating_sub(*failed));
    let carried = match (traffic.demand, decision.target) {
        (Some(demand), Some(target)) => servers_for(demand / target, asked, limits.tolerance),
        _ => 0,
    };
    // Two looks in a row, because a momentary queue does not mean that servers are missing.
    let is_short = traffic.queued > 0 && memory.queued;
    let enough = if is_short { carried.max(serving.saturating_add(1)) } else { carried };
    enough.saturating_add((*failed).min(enough))
}

/// How many servers carry the load of `full` full ones: 3.2 need four. Within the tolerance of what was asked for, that is enough.
fn servers_for(full: f64, asked: u32, tolerance: f64) -> u32 {
    if asked > 0 && (full / f64::from(asked) - 1.0).abs() <= tolerance + 1e-9 {
        return asked;
    }
    // A float that is a hair above a number is that number. The conversion saturates.
    (full - 1e-9).ceil().max(0.0) as u32
}
