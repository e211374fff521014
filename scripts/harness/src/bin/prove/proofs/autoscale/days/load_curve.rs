//! The load of a day, as it is in the mean: how many servers it would fill.

use std::f64::consts::TAU;
use std::fmt;

use crate::judging::random::Dice;
use crate::proofs::autoscale::days::chance::{between, is_one_in, normal, share, whole};

/// The shape of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shape {
    /// It rises and falls smoothly.
    Sine,
    /// It wanders, and never jumps.
    Walk,
    /// It is flat, and jumps now and then.
    Steps,
    /// It is low, with bursts of seconds or minutes.
    Spikes,
    /// Flat nights, a busy day.
    Nights,
    /// The highest of two others at any moment.
    Mixed,
}

/// All of them.
pub const SHAPES: [Shape; 6] =
    [Shape::Sine, Shape::Walk, Shape::Steps, Shape::Spikes, Shape::Nights, Shape::Mixed];

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Shape::Sine => "sine",
            Shape::Walk => "walk",
            Shape::Steps => "steps",
            Shape::Spikes => "spikes",
            Shape::Nights => "nights",
            Shape::Mixed => "mixed",
        })
    }
}

/// Draws the load at each of `looks` moments, `step` seconds apart; it is at most `top`.
pub fn draw(shape: Shape, dice: &mut Dice, looks: usize, step: f64, top: f64) -> Vec<f64> {
    match shape {
        Shape::Sine => sine(dice, looks, step, top),
        Shape::Walk => walk(dice, looks, step, top),
        Shape::Steps => steps(dice, looks, step, top),
        Shape::Spikes => spikes(dice, looks, step, top),
        Shape::Nights => nights(dice, looks, step, top),
        Shape::Mixed => {
            let mut part = || {
                let shape = SHAPES[dice.below(SHAPES.len() - 1)];
                draw(shape, dice, looks, step, top)
            };
            let (one, other) = (part(), part());
            one.into_iter().zip(other).map(|(one, other)| one.max(other)).collect()
        }
    }
}

fn sine(dice: &mut Dice, looks: usize, step: f64, top: f64) -> Vec<f64> {
    let (period, phase) = (between(dice, 0.5, 24.0) * 3_600.0, share(dice) * TAU);
    let low = share(dice) * top;
    let wave = |look: usize| (1.0 + (look as f64 * step / period * TAU + phase).sin()) / 2.0;
    (0..looks).map(|look| low + (top - low) * wave(look)).collect()
}

fn walk(dice: &mut Dice, looks: usize, step: f64, top: f64) -> Vec<f64> {
    // In an hour it changes by this share of the top.
    let pace = between(dice, 0.05, 1.0) * (step / 3_600.0).sqrt() * top;
    let mut load = share(dice) * top;
    let next = |_| {
        load = (load + pace * normal(dice)).clamp(0.0, top);
        load
    };
    (0..looks).map(next).collect()
}

fn steps(dice: &mut Dice, looks: usize, step: f64, top: f64) -> Vec<f64> {
    let mean = between(dice, 120.0, 4.0 * 3_600.0) / step;
    let mut load = share(dice) * top;
    let next = |_| {
        if is_one_in(dice, mean) {
            load = share(dice) * top;
        }
        load
    };
    (0..looks).map(next).collect()
}

fn spikes(dice: &mut Dice, looks: usize, step: f64, top: f64) -> Vec<f64> {
    let (low, mean) = (share(dice) * top / 3.0, between(dice, 600.0, 3.0 * 3_600.0) / step);
    let mut loads = vec![low; looks];
    let mut look = 0;
    while look < looks {
        if is_one_in(dice, mean) {
            let (length, height) = (whole(dice, 1, 120) as usize, between(dice, low, top));
            let end = (look + length).min(looks);
            loads[look..end].fill(height);
            look = end;
        }
        look += 1;
    }
    loads
}

fn nights(dice: &mut Dice, looks: usize, step: f64, top: f64) -> Vec<f64> {
    let (night, ramp) = (share(dice) * top / 4.0, between(dice, 10.0, 3_600.0));
    let length = looks as f64 * step;
    let (dawn, dusk) = (length * between(dice, 0.1, 0.4), length * between(dice, 0.6, 0.9));
    let part = |from: f64, moment: f64| ((moment - from) / ramp).clamp(0.0, 1.0);
    let at = |look: usize| {
        let moment = look as f64 * step;
        night + (top - night) * (part(dawn, moment) - part(dusk, moment))
    };
    (0..looks).map(at).collect()
}
