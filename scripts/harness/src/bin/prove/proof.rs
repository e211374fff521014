//! The parameters of every proof.

use crate::judging::random::Dice;

/// Whether a proof is short, and its random numbers.
pub struct Proof {
    /// True for the short form.
    pub is_short: bool,
    /// The run's seed.
    pub seed: u64,
    /// The random number generator, started from the run's seed.
    pub dice: Dice,
}

impl Proof {
    /// `long` repetitions, or `short` ones in the short form.
    pub fn rounds(&self, long: usize, short: usize) -> usize {
        if self.is_short { short } else { long }
    }
}
