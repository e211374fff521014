//! What was tried, and when it may be tried again.
//!
//! A command that failed, or succeeded and changed nothing, runs again after 15 s, 30 s, ... 5 min.

use serde::{Deserialize, Serialize};

use super::action::{Action, Kind, Order};
use crate::sizing::look::Millis;

const PAUSE_FIRST: Millis = 15_000;
const PAUSE_MOST: Millis = 300_000;
const TRIES_MOST: u8 = 99;

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Outcome {
    /// The command returned 0. Later looks show whether it had an effect.
    Done,
    /// It failed, it was ended, or this program was killed before it ended.
    Failed,
}

/// The last attempt of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Attempt {
    /// The number, or the server's name.
    pub(crate) value: String,
    /// How many times in a row, 1 or more.
    pub(crate) tries: u8,
    pub(crate) at: Millis,
    pub(crate) outcome: Outcome,
    /// The error, if it failed.
    pub(crate) failure: String,
}

/// The last attempt of each kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Attempts {
    pub(crate) scale: Option<Attempt>,
    pub(crate) drain: Option<Attempt>,
    pub(crate) stop: Option<Attempt>,
}

/// The pause after so many tries.
pub(crate) fn pause(tries: u8) -> Millis {
    let doublings = u32::from(tries.saturating_sub(1)).min(8);
    (PAUSE_FIRST << doublings).min(PAUSE_MOST)
}

impl Attempts {
    /// The last attempt of this kind.
    pub(crate) fn of(&mut self, kind: Kind) -> &mut Option<Attempt> {
        match kind {
            Kind::Scale => &mut self.scale,
            Kind::Drain => &mut self.drain,
            Kind::Stop => &mut self.stop,
        }
    }

    /// Whether all of them may be of this start of the machine.
    pub(crate) fn are_plausible(&self, now: Millis) -> bool {
        let all = [&self.scale, &self.drain, &self.stop];
        all.into_iter()
            .flatten()
            .all(|attempt| attempt.at <= now && (1..=TRIES_MOST).contains(&attempt.tries))
    }

    /// Decides to run a command, or to wait if the last attempt of its kind was too recent. If the last attempt succeeded, an
    /// order with another value need not wait.
    pub(crate) fn again(&self, mut order: Order, now: Millis) -> Action {
        let last = match order.kind {
            Kind::Scale => &self.scale,
            Kind::Drain => &self.drain,
            Kind::Stop => &self.stop,
        };
        let is_new = |last: &&Attempt| last.outcome == Outcome::Done && last.value != order.value;
        let Some(last) = last.as_ref().filter(|last| !is_new(last)) else { return Action::Run(order, 1) };
        let left = (last.at + pause(last.tries)).saturating_sub(now);
        let has_failed = last.outcome == Outcome::Failed;
        if left > 0 {
            let failure = has_failed.then(|| last.failure.clone());
            return Action::Wait { goal: order.goal, left, failure };
        }
        let tries = (last.tries + 1).min(TRIES_MOST);
        order.because = match has_failed {
            true => format!("attempt {tries}; {}", order.because),
            false => format!("the command said success, but {}; {}", order.unchanged, order.because),
        };
        Action::Run(order, tries)
    }
}
