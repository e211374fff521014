//! The result of a day.

use crate::proofs::autoscale::days::bill::Bill;
use crate::proofs::autoscale::days::day::Day;
use crate::proofs::autoscale::days::settings::DaySettings;

/// The result of a day.
pub struct Outcome {
    /// With it the day can be repeated.
    pub seed: u64,
    /// What it was like.
    pub settings: DaySettings,
    /// The first rule that was broken, with the looks before it.
    pub fault: Option<String>,
    /// Looks.
    pub looks: u64,
    /// Looks with requests in the queue.
    pub queued: u64,
    /// What it cost.
    pub bill: Bill,
    /// Changes of direction, and how many were allowed.
    pub turns: (u32, u32),
}

impl Outcome {
    /// Simulates this many hours of a day; `most` is the largest `--max`.
    pub fn of(seed: u64, most: u64, hours: u64) -> Outcome {
        let mut day = Day::new(seed, most);
        let fault = day.live(hours).err();
        let swings = &day.rules.swings;
        let turns = (swings.turns, swings.allowed());
        let Day { settings, looks, queued, bill, .. } = day;
        Outcome { seed, settings, fault, looks, queued, bill, turns }
    }
}
