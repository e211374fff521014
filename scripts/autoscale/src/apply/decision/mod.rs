//! What one look leads to. It is pure, so that every case is a row of a test.
//!
//! Missing servers come first. The server that is chosen to go comes next, if no command is needed for the number.

pub(crate) mod attempts;
pub(crate) mod deed;
pub(crate) mod situation;
mod tend;
#[cfg(test)]
mod tests;
pub(crate) mod victim;

use std::cmp::Ordering;

use deed::{Deed, Kind, Wish};
use situation::Situation;
use victim::Victim;

/// What to do, in this order. At most one of them runs a command.
pub(crate) fn decide(situation: &Situation<'_>) -> Vec<Deed> {
    let mut deeds: Vec<Deed> = about_the_number(situation).into_iter().collect();
    if !deeds.iter().any(|deed| matches!(deed, Deed::Run(..))) {
        deeds.extend(tend::decide(situation));
    }
    deeds
}

fn about_the_number(situation: &Situation<'_>) -> Option<Deed> {
    let Situation { wanted, count, .. } = *situation;
    let own = situation.victim.map_or(0, Victim::still_runs);
    match wanted.cmp(&count) {
        Ordering::Greater => Some(scale(situation, wanted + own)),
        Ordering::Equal => situation.attempts.scale.as_ref().map(|_| Deed::Settle { count }),
        Ordering::Less if situation.is_sure && situation.choice.is_none() => Some(scale(situation, wanted)),
        Ordering::Less => None,
    }
}

/// The number includes a server that we drain, because the engine still runs it.
fn scale(situation: &Situation<'_>, number: u32) -> Deed {
    let Situation { wanted, count, .. } = situation;
    let wish = Wish {
        kind: Kind::Scale,
        value: number.to_string(),
        deed: format!("scale from {count} to {wanted}"),
        because: situation.reason.to_owned(),
        unchanged: format!("there are {count}"),
        is_more: wanted > count,
    };
    situation.attempts.again(wish, situation.now)
}
