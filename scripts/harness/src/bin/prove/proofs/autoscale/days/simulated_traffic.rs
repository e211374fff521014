//! Simulated sessions: each arrives on its own and stays for a while. If no server has room for it, it waits or gives up.

use crate::judging::random::Dice;
use crate::proofs::autoscale::days::chance::{poisson, survivors};

/// `timeout queue` of the shipped template is shorter.
const PATIENCE: f64 = 30.0;

/// The sessions of a backend.
#[derive(Debug, Default)]
pub struct SimulatedTraffic {
    /// How long a session lasts, in seconds.
    pub length: f64,
    /// All sessions, including those in the queue.
    pub sessions: u64,
    /// Those in the queue.
    pub queued: u64,
    /// Requests so far.
    pub requests: u64,
}

impl SimulatedTraffic {
    /// Passes `step` seconds in which `mean` sessions are there in the mean, if there is room for `room`.
    pub fn pass(&mut self, dice: &mut Dice, step: f64, mean: f64, room: u64) {
        let turns = step / self.length;
        let arrived = poisson(dice, mean * turns);
        self.requests += arrived;
        let stays = (-turns).exp();
        let freely = if self.queued == 0 {
            survivors(dice, self.sessions, stays) + poisson(dice, mean * (1.0 - stays))
        } else {
            poisson(dice, mean)
        };
        self.sessions = if self.queued == 0 && freely <= room {
            freely
        } else {
            // All places are taken: what is done is what they can do.
            let done = poisson(dice, room as f64 * turns);
            let waiting = self.queued - survivors(dice, self.queued, (-step / PATIENCE).exp());
            let left = (self.sessions + arrived).saturating_sub(done + waiting);
            left.max(freely.min(room))
        };
        self.queued = self.sessions.saturating_sub(room);
    }

    /// Places that came or went since.
    pub fn place(&mut self, room: u64) {
        self.queued = self.sessions.saturating_sub(room);
    }
}
