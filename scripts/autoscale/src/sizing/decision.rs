//! A decision: the number of servers, and the facts behind it.

use crate::sizing::reason::{Hold, Reason};
use crate::sizing::traffic::Traffic;

/// A number of servers, and the facts behind it.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// How many servers there should be. `None` if nothing is known, not even an earlier number.
    pub wanted: Option<u32>,
    /// How many there are, including those that start or failed. `None` if no balancer answers.
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
    /// How much of it one server should carry, if known.
    pub target: Option<f64>,
    /// Why the number is what it is; `None` if there is none.
    pub reason: Option<Reason>,
}

/// There is neither a `--target` nor a server with `maxconn`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoTarget;

impl Decision {
    /// The same decision, but not below the number before, unless `--max` is. For a run that could not use its state.
    pub fn without_lowering(mut self) -> Decision {
        if let (Some(wanted), Some(before)) = (self.wanted, self.before)
            && wanted < before
            && !matches!(self.reason, Some(Reason::ToMax { .. }))
        {
            self.wanted = Some(before);
            self.reason = Some(Reason::Held { at: before, enough: wanted, hold: Hold::Forgotten });
        }
        self
    }
}
