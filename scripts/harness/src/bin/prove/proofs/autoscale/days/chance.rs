//! Random numbers with the distributions of real traffic: arrivals are Poisson, and so is what is left of them.

use crate::judging::random::Dice;

/// Above this mean, a normal distribution is close enough.
const MANY: f64 = 40.0;

/// A number from 0 to 1, without 1.
pub fn share(dice: &mut Dice) -> f64 {
    (dice.number() >> 11) as f64 / (1_u64 << 53) as f64
}

/// A number of this range.
pub fn between(dice: &mut Dice, low: f64, high: f64) -> f64 {
    low + share(dice) * (high - low)
}

/// A whole number of this range, with its end.
pub fn whole(dice: &mut Dice, low: u64, high: u64) -> u64 {
    low + dice.number() % (high - low + 1)
}

/// True once in `mean` times.
pub fn is_one_in(dice: &mut Dice, mean: f64) -> bool {
    share(dice) * mean < 1.0
}

/// About normal, with mean 0 and deviation 1: the sum of twelve.
pub fn normal(dice: &mut Dice) -> f64 {
    (0..12).map(|_| share(dice)).sum::<f64>() - 6.0
}

/// How many arrive, if this many do in the mean.
pub fn poisson(dice: &mut Dice, mean: f64) -> u64 {
    if mean > MANY {
        return (mean + mean.sqrt() * normal(dice)).round().max(0.0) as u64;
    }
    let (limit, mut product, mut count) = ((-mean).exp(), share(dice), 0);
    while product > limit {
        product *= share(dice);
        count += 1;
    }
    count
}

/// How many of `count` are left, if each is with this probability.
pub fn survivors(dice: &mut Dice, count: u64, probability: f64) -> u64 {
    if count as f64 > MANY {
        let mean = count as f64 * probability;
        let drawn = mean + (mean * (1.0 - probability)).sqrt() * normal(dice);
        return (drawn.round().max(0.0) as u64).min(count);
    }
    (0..count).filter(|_| share(dice) < probability).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_and_deviations_are_right() {
        let mut dice = Dice::new(1);
        for mean in [0.5, 7.0, 30.0, 400.0] {
            let drawn: Vec<f64> = (0..20_000).map(|_| poisson(&mut dice, mean) as f64).collect();
            let average = drawn.iter().sum::<f64>() / drawn.len() as f64;
            let variance = drawn.iter().map(|n| (n - average).powi(2)).sum::<f64>() / drawn.len() as f64;
            assert!((average / mean - 1.0).abs() < 0.05, "{average}");
            assert!((variance / mean - 1.0).abs() < 0.1, "{variance}");
        }
        let left: u64 = (0..2_000).map(|_| survivors(&mut dice, 20, 0.25)).sum();
        assert!((9_000..11_000).contains(&left), "{left}");
    }
}
