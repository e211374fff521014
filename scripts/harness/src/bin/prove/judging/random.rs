//! Random numbers that repeat for the same seed.
//!
//! SplitMix64 (Steele, Lea, Flood 2014): it is eight lines, and no new version of a crate can change its numbers. So
//! a seed from an old log still leads to the same run.

use std::time::{SystemTime, UNIX_EPOCH};

/// A random number generator.
#[derive(Clone, Debug)]
pub struct Dice(u64);

/// A different seed each time.
pub fn any_seed() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |time| time.as_micros() as u64)
}

impl Dice {
    /// A generator that starts from this seed.
    pub fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which must not be 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.number() % end as u64) as usize
    }

    /// One of several values; there must be at least one.
    pub fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers() {
        let numbers = |seed| -> Vec<u64> {
            let mut dice = Dice::new(seed);
            (0..3).map(|_| dice.number()).collect()
        };
        // The first numbers of the reference implementation for this seed.
        assert_eq!(numbers(1_234_567), [6457827717110365317, 3203168211198807973, 9817491932198370423]);
        assert_ne!(numbers(1), numbers(2));
    }
}
