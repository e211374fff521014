//! What every proof is given.

use crate::judging::random::Dice;

/// How long a proof may take, and its random numbers.
pub struct Proof {
    /// The short form.
    pub is_short: bool,
    /// Seeded.
    pub dice: Dice,
}

impl Proof {
    /// `long` repetitions, or `short` ones in the short form.
    pub fn rounds(&self, long: usize, short: usize) -> usize {
        if self.is_short { short } else { long }
    }
}
