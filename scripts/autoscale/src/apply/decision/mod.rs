//! What one look leads to. It is pure, so that every case is a row of a test.
//!
//! Missing servers come first. The server that is chosen to go comes next, if no command is needed for the number.

pub(crate) mod action;
pub(crate) mod attempts;
pub(crate) mod situation;
mod tend;
#[cfg(test)]
mod tests;
pub(crate) mod victim;

use std::cmp::Ordering;

use action::{Action, Kind, Order};
use situation::Situation;
use victim::Victim;

/// What to do, in this order. At most one of them runs a command.
pub(crate) fn decide(situation: &Situation<'_>) -> Vec<Action> {
    let mut actions: Vec<Action> = about_the_number(situation).into_iter().collect();
    if !actions.iter().any(|action| matches!(action, Action::Run(..))) {
        actions.extend(tend::decide(situation));
    }
    actions
}

fn about_the_number(situation: &Situation<'_>) -> Option<Action> {
    let Situation { wanted, count, .. } = *situation;
    let own = situation.victim.map_or(0, Victim::still_runs);
    match wanted.cmp(&count) {
        Ordering::Greater => Some(scale(situation, wanted + own)),
        Ordering::Equal => situation.attempts.scale.as_ref().map(|_| Action::Settle { count }),
        Ordering::Less if situation.is_sure && situation.choice.is_none() => Some(scale(situation, wanted)),
        Ordering::Less => None,
    }
}

/// The number includes a server that we drain, because the engine still runs it.
fn scale(situation: &Situation<'_>, number: u32) -> Action {
    let Situation { wanted, count, .. } = situation;
    let order = Order {
        kind: Kind::Scale,
        value: number.to_string(),
        goal: format!("scale from {count} to {wanted}"),
        because: situation.reason.to_owned(),
        unchanged: format!("there are {count}"),
        is_more: wanted > count,
    };
    situation.attempts.again(order, situation.now)
}
