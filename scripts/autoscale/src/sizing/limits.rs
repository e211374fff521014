//! The settings of the decision.

use crate::sizing::look::Millis;

/// How the traffic is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Sessions in the backend, including those in the queue.
    Sessions,
    /// Requests per second.
    Rate,
}

/// The settings of the decision.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// How the traffic is measured.
    pub signal: Signal,
    /// How much of the traffic one server should carry; `None` means 70 % of the servers' `maxconn`.
    pub target: Option<f64>,
    /// The fewest servers.
    pub min: u32,
    /// The most servers.
    pub max: u32,
    /// How far the traffic of a server may be from the target before the number changes, as a share: 0.1.
    pub tolerance: f64,
    /// The time in which the number at most doubles, or rises by four.
    pub up_period: Millis,
    /// The number goes down only to the most that was needed in this time.
    pub down_window: Millis,
    /// The time between two steps down.
    pub down_period: Millis,
}

/// The share of its `maxconn` that a server should carry if no target is given.
pub const SHARE_OF_MAXCONN: f64 = 0.7;

impl Limits {
    /// The default settings: sessions; periods of the Kubernetes HPA's default behaviour, with a slower way down.
    pub fn new(min: u32, max: u32, target: Option<f64>) -> Limits {
        Limits {
            signal: Signal::Sessions,
            target,
            min,
            max,
            tolerance: 0.1,
            up_period: 15_000,
            down_window: 300_000,
            down_period: 60_000,
        }
    }

    /// How far apart two looks may be. A scale command may run for minutes between two looks, and a timer may run only once
    /// in a window.
    pub fn longest_gap(&self) -> Millis {
        self.down_window.saturating_mul(2).saturating_add(60_000)
    }

    /// The most servers after one period upwards, from this number.
    pub fn ceiling(&self, from: u32) -> u32 {
        from.saturating_mul(2).max(from.saturating_add(4))
    }

    /// The most servers that one step down removes from this number.
    pub fn step_down(&self, from: u32) -> u32 {
        (from / 10).max(1)
    }
}
