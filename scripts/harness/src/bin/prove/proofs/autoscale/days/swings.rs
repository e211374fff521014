//! Swings of the load, and changes of direction of the number.
//!
//! What counts is the highest load of the last window, in servers, and at least `--min`. A swing is a fall of it to a
//! smaller whole number, and a later rise to a larger one, by more than the tolerance. It allows two changes of direction:
//! down, and up again. A server that fails, a queue, and a memory that is lost allow two as well, because the number may
//! rise for them and fall later.

/// Counts swings and changes of direction.
#[derive(Debug)]
pub struct Swings {
    /// The highest load while it rises, or the lowest while it falls.
    extreme: f64,
    falls: bool,
    went_down: Option<bool>,
    /// Rises of the load after a fall, by more than the tolerance.
    pub rises: u32,
    /// Other reasons to go up.
    pub reasons: u32,
    /// Changes of direction.
    pub turns: u32,
}

impl Default for Swings {
    /// There may be too many servers at first, so the number may fall before the load does.
    fn default() -> Swings {
        Swings { extreme: f64::INFINITY, falls: true, went_down: None, rises: 0, reasons: 0, turns: 0 }
    }
}

impl Swings {
    /// Adds a look: the highest load of the window.
    pub fn add_load(&mut self, highest: f64, tolerance: f64) {
        if self.falls {
            self.extreme = self.extreme.min(highest);
            if highest > self.extreme * (1.0 + tolerance) && is_less(self.extreme, highest) {
                (self.falls, self.extreme) = (false, highest);
                self.rises += 1;
            }
        } else if is_less(highest, self.extreme) {
            (self.falls, self.extreme) = (true, highest);
        } else {
            self.extreme = self.extreme.max(highest);
        }
    }

    /// Adds a change of the number. True if it is a change of direction for which there was no reason.
    pub fn add_step(&mut self, from: u32, to: u32) -> bool {
        if from == to {
            return false;
        }
        let is_down = to < from;
        if self.went_down.replace(is_down).is_some_and(|before| before != is_down) {
            self.turns += 1;
        }
        self.turns > self.allowed()
    }

    /// How many changes of direction there may be.
    pub fn allowed(&self) -> u32 {
        // One for the first rise or fall.
        2 * (self.rises + self.reasons) + 1
    }
}

/// Whether a load needs fewer servers than another.
fn is_less(one: f64, other: f64) -> bool {
    (one - 1e-9).ceil() < (other - 1e-9).ceil()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_swing_allows_the_way_down_and_the_way_up() {
        let mut swings = Swings::default();
        for load in [5.0, 6.0, 5.9, 6.2, 3.0, 3.2, 3.4, 5.0, 4.0, 9.0] {
            swings.add_load(load, 0.1);
        }
        assert_eq!(swings.rises, 3);
        for _ in 0..3 {
            assert!(!swings.add_step(6, 5));
            assert!(!swings.add_step(5, 6));
        }
        assert!(!swings.add_step(6, 5));
        assert!(!swings.add_step(5, 6));
        assert!(swings.add_step(6, 5));
    }
}
