//! The largest or the smallest number of a period of time, in little memory.
//!
//! An earlier number can never be the answer again once a later one is at least as large (or as small), so it is dropped.
//! What is left is sorted.

use serde::{Deserialize, Serialize};

use crate::sizing::look::Millis;

/// Numbers with their moments, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct History {
    entries: Vec<(Millis, u32)>,
}

impl History {
    /// Adds a number, and forgets what is older than `period`. Afterwards `first` is the largest of the period.
    pub fn add_for_largest(&mut self, now: Millis, number: u32, period: Millis) {
        self.add(now, number, period, |old| old <= number);
    }

    /// The same for the smallest.
    pub fn add_for_smallest(&mut self, now: Millis, number: u32, period: Millis) {
        self.add(now, number, period, |old| old >= number);
    }

    fn add(&mut self, now: Millis, number: u32, period: Millis, is_outdone: impl Fn(u32) -> bool) {
        self.entries.retain(|(at, old)| *at <= now && now - *at < period && !is_outdone(*old));
        self.entries.push((now, number));
    }

    /// The largest number of the period, or the smallest, as the numbers were added.
    pub fn first(&self) -> Option<u32> {
        self.entries.first().map(|(_, number)| *number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_and_the_smallest_of_the_period_are_found() {
        let numbers = [5, 3, 8, 8, 2, 1, 4, 4, 9, 1, 1, 7];
        let (mut largest, mut smallest) = (History::default(), History::default());
        for (index, number) in numbers.iter().enumerate() {
            let now = index as Millis * 10;
            largest.add_for_largest(now, *number, 30);
            smallest.add_for_smallest(now, *number, 30);
            let period = &numbers[index.saturating_sub(2)..=index];
            assert_eq!(largest.first(), period.iter().max().copied(), "{period:?}");
            assert_eq!(smallest.first(), period.iter().min().copied(), "{period:?}");
            assert!(largest.entries.len() <= 3 && smallest.entries.len() <= 3);
        }
    }

    #[test]
    fn a_moment_in_the_future_is_forgotten() {
        let mut history = History { entries: vec![(1_000_000, 50)] };
        history.add_for_largest(10, 3, 300);
        assert_eq!(history.first(), Some(3));
    }
}
