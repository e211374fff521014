//! The kinds of changes to a backend, and the choice of the next one.

use std::collections::BTreeMap;
use std::time::Duration;

use harness::Result;

use crate::judging::random::Dice;
use crate::setups::backend_slot::BackendSlot;

/// A change of membership.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A backend starts in a slot: under an old or a new name, at an old or a new address.
    Join,
    /// A backend leaves in order, and its web app keeps serving for a while.
    Leave,
    /// A backend's agent and web app get SIGKILL.
    Kill,
    /// A backend moves to another address under the same name, at once.
    Move,
    /// A backend gets another weight, is drained, or is undrained.
    Tag,
    /// A backend's link is cut for a while. Serf marks it failed, or nearly does, and it comes back.
    Cut,
}

/// The share of each kind, in percent. Joins are about as frequent as leaves and crashes together.
const SHARES: [(Kind, usize); 6] = [
    (Kind::Join, 30),
    (Kind::Leave, 18),
    (Kind::Kill, 12),
    (Kind::Move, 12),
    (Kind::Tag, 20),
    (Kind::Cut, 8),
];
/// A planned change: its kind, and a random number that decides the details.
#[derive(Clone, Copy, Debug)]
pub struct Change {
    /// The kind.
    pub kind: Kind,
    /// The random number for the details.
    luck: usize,
}

/// How many changes of each kind there were.
pub type Tally = BTreeMap<Kind, usize>;

impl Change {
    /// Draws the next change among the possible kinds, by their shares.
    pub fn next(dice: &mut Dice, is_possible: impl Fn(Kind) -> bool) -> Option<Change> {
        let possible: Vec<_> = SHARES.iter().filter(|(kind, _)| is_possible(*kind)).collect();
        let total: usize = possible.iter().map(|(_, share)| share).sum();
        let mut left = if total == 0 { return None } else { dice.below(total) };
        let kind = possible.into_iter().find_map(|(kind, share)| match left.checked_sub(*share) {
            None => Some(*kind),
            Some(rest) => {
                left = rest;
                None
            }
        })?;
        Some(Change { kind, luck: dice.below(1 << 20) })
    }

    /// Makes the change. A link is cut for at most this long. False if a leave was not confirmed in time.
    pub fn make(self, slot: &mut BackendSlot, cut: Duration) -> Result<bool> {
        let luck = self.luck;
        match self.kind {
            Kind::Join => {
                if luck.is_multiple_of(2) {
                    slot.rename();
                }
                if luck % 4 < 2 {
                    slot.relocate()?;
                }
                slot.join()?;
            }
            Kind::Leave => return slot.leave(),
            Kind::Kill => slot.kill9(),
            Kind::Move => return slot.move_on(),
            Kind::Tag if slot.is_drained => slot.undrain()?,
            Kind::Tag if luck.is_multiple_of(4) => slot.tag("state", "drain")?,
            Kind::Tag => slot.tag("weight", &(luck % 100 + 1).to_string())?,
            Kind::Cut => slot.cut(cut.mul_f64(0.2 + 0.8 * (luck % 100) as f64 / 100.0))?,
        }
        Ok(true)
    }
}

impl Kind {
    /// The kind's name, for the counts.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Join => "joined",
            Kind::Leave => "left",
            Kind::Kill => "killed",
            Kind::Move => "moved",
            Kind::Tag => "retagged",
            Kind::Cut => "cut off",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_possible_happens_and_by_its_share() {
        let mut dice = Dice::new(1);
        let mut tally = Tally::new();
        for _ in 0..5_000 {
            let change = Change::next(&mut dice, |kind| kind != Kind::Cut).unwrap();
            *tally.entry(change.kind).or_default() += 1;
        }
        assert_eq!(tally.get(&Kind::Cut), None);
        assert!(tally[&Kind::Join] > tally[&Kind::Leave] && tally[&Kind::Leave] > tally[&Kind::Kill]);
        assert!(Change::next(&mut dice, |_| false).is_none());
    }
}
