//! The decision: what the traffic needs, and what of that may happen now.
//!
//! Upwards it follows the traffic at once, in bounded steps. Downwards it is slow, and in doubt it does not go down: a
//! server too many costs a little, a server too few costs visitors.

use crate::sizing::limits::{Limits, SHARE_OF_MAXCONN};
use crate::sizing::look::{Look, Server, ServerState};
use crate::sizing::memory::Memory;
use crate::sizing::reason::{Hold, Reason};
use crate::sizing::traffic::{Traffic, add_up};

/// A number of servers, and what it comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// How many servers there should be. `None` if nothing is known, not even an earlier number.
    pub wanted: Option<u32>,
    /// How many there are, those that start or failed among them. `None` if no balancer answers.
    pub count: Option<u32>,
    /// The number before this look.
    pub before: Option<u32>,
    /// Servers that serve.
    pub serving: u32,
    /// Servers that have joined, and never served.
    pub starting: u32,
    /// Servers that served, and are DOWN.
    pub failed: u32,
    /// Servers that get no new sessions.
    pub draining: u32,
    /// The traffic.
    pub traffic: Traffic,
    /// How much of it a server is to carry, if known.
    pub target: Option<f64>,
    /// Why the number is what it is; `None` if there is none.
    pub reason: Option<Reason>,
}

/// Neither `--target` nor a server with `maxconn`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoTarget;

/// Decides how many servers there should be, and returns what to remember for the next look. Without a memory the number
/// is the wish of this moment. `count` is how many there are, if the caller knows better than the balancers.
pub fn decide(
    limits: &Limits,
    memory: Option<Memory>,
    look: &Look,
    count: Option<u32>,
) -> Result<(Decision, Memory), NoTarget> {
    let is_damped = memory.is_some();
    let memory = continued(limits, memory.unwrap_or_default(), look);
    let traffic = add_up(look, &memory, limits.signal);
    let target = target(limits, &traffic, &memory)?;
    let mut decision = describe(traffic, target, count);
    let mut next = remember(limits, memory, look, &decision);
    let added = added_by_others(&next, decision.count);
    decision.before = added.or(next.wanted).or(decision.count);
    let needed = needed(limits, &decision, &next);
    next.queued = decision.traffic.queued > 0;
    next.count = decision.count.or(next.count);
    if let Some(before) = decision.before {
        // In silence nothing is known but the last number.
        let needed = if decision.traffic.answers == 0 { before } else { needed };
        let goal = needed.clamp(limits.min, limits.max);
        // Who adds servers needs them.
        next.wishes.add_for_largest(look.now, goal.max(added.unwrap_or(0)), limits.down_window);
        let step = if is_damped {
            step(limits, &decision, &next, before, goal)
        } else {
            undamped(&decision, before, goal)
        };
        let (wanted, reason) = bounded(limits, step, goal, needed);
        if wanted < before {
            next.lowered = Some(look.now);
        }
        next.wanted = Some(wanted);
        (decision.wanted, decision.reason) = (Some(wanted), Some(reason));
    }
    Ok((decision, next))
}

impl Decision {
    /// The same, without going down: for a run that cannot remember what it decides.
    pub fn without_lowering(mut self) -> Decision {
        if let (Some(wanted), Some(before)) = (self.wanted, self.before)
            && wanted < before
        {
            self.wanted = Some(before);
            self.reason = Some(Reason::Held { at: before, enough: wanted, hold: Hold::Forgotten });
        }
        self
    }
}

/// The memory as far as it is about these balancers and this time.
fn continued(limits: &Limits, memory: Memory, look: &Look) -> Memory {
    if memory == Memory::default() {
        return Memory::begin(look.now);
    }
    let is_asked = |socket: &String| look.balancers.iter().any(|(asked, _)| asked == socket);
    if memory.continues_at(look.now, limits.longest_gap()) && memory.balancers.keys().all(is_asked) {
        memory
    } else {
        memory.begin_again(look.now)
    }
}

/// How much a server is to carry. `None` while there is no server to take it from.
fn target(limits: &Limits, traffic: &Traffic, memory: &Memory) -> Result<Option<f64>, NoTarget> {
    if limits.target.is_some() {
        return Ok(limits.target);
    }
    let limits: Vec<u64> = traffic.servers.values().filter_map(|server| server.maxconn).collect();
    // A silent balancer does not tell how much it may send to a server, but its sessions are remembered.
    let known = if traffic.answers < traffic.seen.len() { memory.target } else { None };
    match limits.len() {
        0 if traffic.servers.is_empty() => Ok(memory.target),
        0 => Err(NoTarget),
        count => {
            let target =
                limits.iter().map(|limit| *limit as f64).sum::<f64>() / count as f64 * SHARE_OF_MAXCONN;
            Ok(Some(target.max(known.unwrap_or(0.0))))
        }
    }
}

fn describe(traffic: Traffic, target: Option<f64>, count: Option<u32>) -> Decision {
    let number = |state: ServerState| {
        let servers = traffic.servers.values().filter(|server| server.state == state);
        u32::try_from(servers.count()).unwrap_or(u32::MAX)
    };
    let (serving, starting) = (number(ServerState::Up), number(ServerState::Starting));
    let (failed, draining) = (number(ServerState::Failed), number(ServerState::Draining));
    let listed = (traffic.answers > 0).then(|| serving.saturating_add(starting).saturating_add(failed));
    Decision {
        wanted: None,
        count: count.or(listed),
        before: None,
        serving,
        starting,
        failed,
        draining,
        traffic,
        target,
        reason: None,
    }
}

/// What is remembered of this look, but for the number.
fn remember(limits: &Limits, memory: Memory, look: &Look, decision: &Decision) -> Memory {
    let mut next = memory;
    next.last = look.now;
    next.target = decision.target;
    next.balancers.clone_from(&decision.traffic.seen);
    if decision.traffic.errors_rose {
        next.errors_rose = Some(look.now);
    }
    if let Some(count) = decision.count {
        next.counts.add_for_smallest(look.now, count, limits.up_period);
    }
    next
}

/// The count, if somebody else has added servers since the last look: it rose, and is above the last number. If an engine
/// is late with removing a server, the count is above the last number too, but does not rise.
fn added_by_others(memory: &Memory, count: Option<u32>) -> Option<u32> {
    let wanted = memory.wanted?;
    count.filter(|count| *count > wanted && memory.count.is_none_or(|last| *count > last))
}

/// How many servers the traffic needs. A server that failed is made up for. But if they all fail, more of the same do not
/// help: at most as many again as the traffic needs.
fn needed(limits: &Limits, decision: &Decision, memory: &Memory) -> u32 {
    let Decision { serving, starting, failed, traffic, .. } = decision;
    let healthy = serving.saturating_add(*starting);
    // What was asked for counts, too: while an engine is late, the number would otherwise follow each small change.
    let asked = decision.before.map_or(healthy, |before| before.saturating_sub(*failed));
    let carried = match (traffic.demand, decision.target) {
        (Some(demand), Some(target)) => servers_for(demand / target, [asked, healthy], limits.tolerance),
        _ => 0,
    };
    // Two looks in a row: a queue of a moment is no lack of servers.
    let is_short = traffic.queued > 0 && memory.queued;
    let enough = if is_short { carried.max(serving.saturating_add(1)) } else { carried };
    enough.saturating_add((*failed).min(enough))
}

/// The servers for a number of full ones: 3.2 are four. Within the tolerance of what is there, that is enough.
fn servers_for(full: f64, there: [u32; 2], tolerance: f64) -> u32 {
    let is_enough = |there: &u32| *there > 0 && (full / f64::from(*there) - 1.0).abs() <= tolerance + 1e-9;
    // A float that is a hair above a number is that number. The conversion saturates.
    there.into_iter().find(is_enough).unwrap_or((full - 1e-9).ceil().max(0.0) as u32)
}

/// The number within one step of `before`, without the limits of the settings.
fn step(limits: &Limits, decision: &Decision, memory: &Memory, before: u32, needed: u32) -> (u32, Reason) {
    if needed > before {
        return up(limits, memory, before, needed);
    }
    if needed == before {
        return (before, Reason::Stays { at: before });
    }
    let peak = memory.wishes.first().unwrap_or(needed);
    match hold(limits, decision, memory, before, peak) {
        Some(hold) => (before, Reason::Held { at: before, enough: needed, hold }),
        None => {
            let to = peak.max(before.saturating_sub(limits.step_down(before)));
            (to, Reason::Down { from: before, to, enough: peak })
        }
    }
}

fn up(limits: &Limits, memory: &Memory, before: u32, needed: u32) -> (u32, Reason) {
    // From what is there, and not from the last number: an engine that starts nothing gets no larger and larger ones.
    let ceiling = limits.ceiling(memory.counts.first().unwrap_or(before)).max(before);
    let reason = if needed <= ceiling {
        Reason::Up { from: before }
    } else if ceiling > before {
        Reason::UpInSteps { from: before, needed, period: limits.up_period }
    } else {
        Reason::WaitsForStep { at: before, needed, period: limits.up_period }
    };
    (needed.min(ceiling), reason)
}

/// The number without a memory.
fn undamped(decision: &Decision, before: u32, goal: u32) -> (u32, Reason) {
    match &decision.traffic.doubt {
        _ if goal > before => (goal, Reason::Up { from: before }),
        _ if goal == before => (goal, Reason::Stays { at: goal }),
        Some(doubt) => (before, Reason::Held { at: before, enough: goal, hold: Hold::Doubt(doubt.clone()) }),
        None => (goal, Reason::Down { from: before, to: goal, enough: goal }),
    }
}

/// Why the number must not go down now.
fn hold(limits: &Limits, decision: &Decision, memory: &Memory, before: u32, peak: u32) -> Option<Hold> {
    // A moment in the future is not one that a run has written.
    let is_within = |since: Option<u64>, period| {
        since.is_some_and(|since| memory.last.checked_sub(since).is_some_and(|passed| passed < period))
    };
    let traffic = &decision.traffic;
    if let Some(doubt) = &traffic.doubt {
        Some(Hold::Doubt(doubt.clone()))
    } else if traffic.demand.is_none() {
        Some(Hold::NoRate)
    } else if is_within(Some(memory.since), limits.down_window) {
        Some(Hold::Begun(limits.down_window))
    } else if peak >= before {
        Some(Hold::Wished { peak, window: limits.down_window })
    } else if is_within(memory.lowered, limits.down_period) {
        Some(Hold::Lowered(limits.down_period))
    } else if let Some(server) = traffic.servers.values().find(|server| still_drains(server)) {
        Some(Hold::Drains { name: server.name.clone(), sessions: server.sessions })
    } else {
        is_within(memory.errors_rose, limits.up_period).then_some(Hold::Errors)
    }
}

fn still_drains(server: &Server) -> bool {
    server.state == ServerState::Draining && server.sessions > 0
}

/// The number within the limits of the settings. Their name is the reason where they decide.
fn bounded(limits: &Limits, (number, reason): (u32, Reason), goal: u32, needed: u32) -> (u32, Reason) {
    let number = number.clamp(limits.min, limits.max);
    if number == goal && needed < goal {
        (number, Reason::AtMin { min: limits.min, needed })
    } else if number == goal && needed > goal {
        (number, Reason::AtMax { max: limits.max, needed })
    } else {
        (number, reason)
    }
}

#[cfg(test)]
mod tests;
