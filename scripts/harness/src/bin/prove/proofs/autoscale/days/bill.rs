//! What a day costs, against oracles that know the load.
//!
//! The plain oracle has at each moment as many servers as the load needs then, and starts and stops them at once. The
//! careful one knows the load as well, but keeps a server for a window after it was last needed, and stops them step by
//! step, as the settings demand.

use autoscale::sizing::limits::Limits;
use autoscale::sizing::look::Millis;

use crate::proofs::autoscale::days::observed::Highest;

/// Servers times looks.
#[derive(Debug)]
pub struct Bill {
    limits: Limits,
    step: Millis,
    now: Millis,
    needs: Highest,
    careful_now: u32,
    lowered: Millis,
    /// What was used.
    pub used: u64,
    /// What the plain oracle uses.
    pub plain: u64,
    /// What the careful oracle uses.
    pub careful: u64,
}

impl Bill {
    /// A bill for looks that are `step` apart; at first so many servers run.
    pub fn new(limits: &Limits, step: Millis, running: u32) -> Bill {
        let limits = limits.clone();
        // In its first window it does not know what was needed before, either.
        let mut needs = Highest::default();
        needs.add(0, f64::from(running), limits.down_window);
        Bill { limits, step, now: 0, needs, careful_now: running, lowered: 0, used: 0, plain: 0, careful: 0 }
    }

    /// Adds a look: what is paid, and the load in servers, as it is in the mean and as a look sees it.
    pub fn add(&mut self, paid: u32, mean: f64, seen: f64) {
        self.now += self.step;
        let Limits { min, max, down_window, down_period, .. } = self.limits;
        let servers = |load: f64| (load - 1e-9).ceil().clamp(f64::from(min), f64::from(max)) as u32;
        self.used += u64::from(paid);
        self.plain += u64::from(servers(mean));
        let needed = self.needs.add(self.now, f64::from(servers(seen)), down_window) as u32;
        if needed >= self.careful_now {
            self.careful_now = needed;
        } else if self.now >= self.lowered + down_period {
            let next = self.careful_now - self.limits.step_down(self.careful_now);
            (self.careful_now, self.lowered) = (next.max(needed), self.now);
        }
        self.careful += u64::from(self.careful_now);
    }

    /// What was used as a multiple of the plain oracle's.
    pub fn by_plain(&self) -> f64 {
        self.used as f64 / self.plain as f64
    }

    /// What was used as a multiple of the careful oracle's.
    pub fn by_careful(&self) -> f64 {
        self.used as f64 / self.careful as f64
    }
}
