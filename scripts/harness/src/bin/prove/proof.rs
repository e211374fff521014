//! What every proof is given.

use crate::judging::random::Dice;

/// What a proof is given: how long it may take, and what it throws dice with.
pub struct Proof {
    /// The short form.
    pub is_short: bool,
    /// Seeded.
    pub dice: Dice,
}

impl Proof {
    /// How often something is done, of which the short form does `short`.
    pub fn rounds(&self, long: usize, short: usize) -> usize {
        if self.is_short { short } else { long }
    }
}
