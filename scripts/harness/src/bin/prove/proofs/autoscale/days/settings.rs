//! The settings of a simulated day: half of the days have the default ones.

use std::fmt;

use autoscale::sizing::limits::{Limits, SHARE_OF_MAXCONN, Signal};

use crate::judging::random::Dice;
use crate::proofs::autoscale::days::chance::{between, is_one_in, whole};
use crate::proofs::autoscale::days::load_curve::{SHAPES, Shape};
use crate::proofs::autoscale::days::simulated_engine::EngineHabits;

/// What a day is like.
#[derive(Clone, Debug)]
pub struct DaySettings {
    /// The settings of the program.
    pub limits: Limits,
    /// How many sessions, or requests per second, a server carries.
    pub target: f64,
    /// What a server takes at once, from all balancers together.
    pub maxconn: u64,
    /// How long a session lasts, in seconds.
    pub length: f64,
    /// Whether the engine tells the count.
    pub is_counted: bool,
    /// The engine.
    pub habits: EngineHabits,
    /// Balancers.
    pub balancers: usize,
    /// In this many looks something happens to a balancer once.
    pub trouble: f64,
    /// The shape of the load.
    pub shape: Shape,
    /// Its highest, in servers.
    pub top: f64,
    /// Whether nothing fails on this day.
    pub is_calm: bool,
    /// Whether the settings of the program are its defaults.
    pub is_default: bool,
}

impl DaySettings {
    /// Draws them; `most` is the largest `--max`.
    pub fn draw(dice: &mut Dice, most: u64) -> DaySettings {
        let is_calm = is_one_in(dice, 3.0);
        let balancers = whole(dice, 1, 3);
        // Each balancer may fill a server.
        let maxconn = whole(dice, 2, 150) * balancers;
        let has_target = is_one_in(dice, 2.0);
        let is_rate = has_target && is_one_in(dice, 3.0);
        let length = 10_f64.powf(between(dice, -0.7, 2.1));
        let of_maxconn = maxconn as f64 * SHARE_OF_MAXCONN;
        let share = if has_target { between(dice, 0.5, 1.0) } else { 1.0 };
        let sessions = of_maxconn * share;
        let target = if is_rate { sessions / length } else { sessions };
        let limits = limits(dice, most, has_target.then_some(target), is_rate);
        let top = f64::from(limits.max) * if is_calm { 0.95 } else { between(dice, 0.2, 1.3) };
        DaySettings {
            target,
            maxconn,
            length,
            is_counted: is_one_in(dice, 3.0),
            habits: habits(dice, is_calm, limits.max),
            balancers: balancers as usize,
            trouble: if is_calm { f64::INFINITY } else { 10_f64.powf(between(dice, 1.7, 4.2)) },
            shape: *dice.one_of(&SHAPES),
            top,
            is_calm,
            is_default: limits.down_window == Limits::new(1, 1, None).down_window,
            limits,
        }
    }

    /// Sessions that a server at its target carries.
    pub fn sessions_each(&self) -> f64 {
        if self.limits.signal == Signal::Rate { self.target * self.length } else { self.target }
    }
}

fn limits(dice: &mut Dice, most: u64, target: Option<f64>, is_rate: bool) -> Limits {
    let max = whole(dice, 1, most) as u32;
    let min = whole(dice, 1, u64::from(max.min(5))) as u32;
    let mut limits = Limits::new(min, max, target);
    if is_rate {
        limits.signal = Signal::Rate;
    }
    if is_one_in(dice, 2.0) {
        limits.tolerance = whole(dice, 0, 30) as f64 / 100.0;
        limits.up_period = whole(dice, 0, 60) * 1_000;
        limits.down_window = whole(dice, 5, 900) * 1_000;
        limits.down_period = whole(dice, 0, 300) * 1_000;
    }
    limits
}

fn habits(dice: &mut Dice, is_calm: bool, max: u32) -> EngineHabits {
    let start = whole(dice, 2, 25) * 1_000;
    let has_quota = !is_calm && is_one_in(dice, 8.0);
    EngineHabits {
        start: (start, start + 5_000),
        command: whole(dice, 0, 5) * 1_000,
        drain: whole(dice, 0, 60) * 1_000,
        crash: if is_calm { f64::INFINITY } else { between(dice, 500.0, 40_000.0) },
        quota: if has_quota { whole(dice, 1, u64::from(max)) as usize } else { usize::MAX },
    }
}

impl fmt::Display for DaySettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Limits { signal, min, max, tolerance, up_period, down_window, down_period, .. } = &self.limits;
        write!(
            f,
            "{}, {signal:?}, {} each (maxconn {}), {min} to {max}, tolerance {tolerance}, up {up_period} ms, window \
             {down_window} ms, down {down_period} ms, {} balancers, sessions of {:.1} s, {:?}",
            self.shape, self.target, self.maxconn, self.balancers, self.length, self.habits
        )
    }
}
