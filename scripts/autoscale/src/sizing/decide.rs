//! The decision: what the traffic needs, and what of that may happen now.
//!
//! The number rises at once, in bounded steps. It falls slowly, and in doubt it does not fall: a server too many costs a
//! little, a server too few costs visitors.

use crate::sizing::damping::{bounded, step, undamped};
use crate::sizing::decision::{Decision, NoTarget};
use crate::sizing::limits::Limits;
use crate::sizing::look::{Look, ServerState};
use crate::sizing::memory::Memory;
use crate::sizing::needs::{needed, target};
use crate::sizing::traffic::{Traffic, add_up};

/// Decides how many servers there should be, and returns what to remember for the next look. Without a memory the number
/// is what this moment needs, undamped. `count` overrides how many servers the balancers list.
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
        // If no balancer answers, only the last number is known.
        let needed = if decision.traffic.answers == 0 { before } else { needed };
        let goal = needed.clamp(limits.min, limits.max);
        // Servers that someone else added count as needed, so they are not stopped at once.
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

/// The memory, begun again if it is of other balancers or too old.
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

fn describe(traffic: Traffic, target: Option<f64>, count: Option<u32>) -> Decision {
    let number = |state: ServerState| {
        let servers = traffic.servers.values().filter(|server| server.state == state);
        u32::try_from(servers.count()).unwrap_or(u32::MAX)
    };
    let serving = number(ServerState::Up).saturating_add(traffic.unnamed);
    let starting = number(ServerState::Starting);
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

/// What is remembered of this look, except the number.
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

/// The count, if someone else has added servers since the last look: the count rose, and is above the last number. If the
/// engine is only late in removing a server, the count is above the last number, too, but has not risen.
fn added_by_others(memory: &Memory, count: Option<u32>) -> Option<u32> {
    let wanted = memory.wanted?;
    count.filter(|count| *count > wanted && memory.count.is_none_or(|last| *count > last))
}

#[cfg(test)]
mod tests;
