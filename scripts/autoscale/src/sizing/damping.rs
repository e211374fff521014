//! What of the need may happen now: upwards in bounded steps, downwards slowly, and in doubt not downwards.

use crate::sizing::decision::Decision;
use crate::sizing::limits::Limits;
use crate::sizing::look::{Server, ServerState};
use crate::sizing::memory::Memory;
use crate::sizing::reason::{Hold, Reason};

/// The number within one step of `before`, without the limits of the settings.
pub(super) fn step(
    limits: &Limits,
    decision: &Decision,
    memory: &Memory,
    before: u32,
    needed: u32,
) -> (u32, Reason) {
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
    // Counted from the servers that are there and not from the last number: otherwise an engine that starts nothing would
    // be given larger and larger numbers.
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
pub(super) fn undamped(decision: &Decision, before: u32, goal: u32) -> (u32, Reason) {
    match &decision.traffic.doubt {
        _ if goal > before => (goal, Reason::Up { from: before }),
        _ if goal == before => (goal, Reason::Stays { at: goal }),
        Some(doubt) => (before, Reason::Held { at: before, enough: goal, hold: Hold::Doubt(doubt.clone()) }),
        None => (goal, Reason::Down { from: before, to: goal, enough: goal }),
    }
}

/// Why the number must not go down now.
fn hold(limits: &Limits, decision: &Decision, memory: &Memory, before: u32, peak: u32) -> Option<Hold> {
    // A time in the future was not written by a run of this program.
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
        (traffic.errors_rose || is_within(memory.errors_rose, limits.up_period)).then_some(Hold::Errors)
    }
}

fn still_drains(server: &Server) -> bool {
    server.state == ServerState::Draining && server.sessions > 0
}

/// The number within `--min` and `--max`. If one of them decides, it is the reason.
pub(super) fn bounded(
    limits: &Limits,
    (number, reason): (u32, Reason),
    goal: u32,
    needed: u32,
) -> (u32, Reason) {
    if number < limits.min {
        return (limits.min, Reason::ToMin { from: number, min: limits.min });
    }
    if number > limits.max {
        return (limits.max, Reason::ToMax { from: number, max: limits.max });
    }
    if number == goal && needed < goal {
        (number, Reason::AtMin { min: limits.min, needed })
    } else if number == goal && needed > goal {
        (number, Reason::AtMax { max: limits.max, needed })
    } else {
        (number, reason)
    }
}
