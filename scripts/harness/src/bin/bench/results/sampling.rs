//! Repeats and compares: warm-up, alternation, medians.
//!
//! On a machine with other load, measuring one program and then another compares two different moments. Measured in
//! turn, both have the same conditions. A median ignores the few samples that were disturbed.

use std::time::Duration;

use harness::Result;

/// Warm-up rounds, which are not counted: they fill caches, raise the processor's clock, and let HAProxy's first
/// checks finish.
const WARM_UP: usize = 3;

/// Something that can be measured repeatedly.
pub type Subject<'a> = &'a mut dyn FnMut() -> Result<Duration>;

/// Measures the subjects in turn, for a number of rounds; returns the median of each.
pub fn in_turn<const N: usize>(rounds: usize, mut subjects: [Subject<'_>; N]) -> Result<[Duration; N]> {
    let medians = all_in_turn(rounds, WARM_UP, &mut subjects)?;
    Ok(std::array::from_fn(|at| medians[at]))
}

/// Like `in_turn`, with any number of subjects and another number of warm-up rounds.
pub fn all_in_turn(rounds: usize, warm_up: usize, subjects: &mut [Subject<'_>]) -> Result<Vec<Duration>> {
    let mut each: Vec<_> = subjects.iter_mut().map(|subject| (1, &mut **subject as Subject<'_>)).collect();
    Ok(figures_in_turn(rounds, warm_up, &mut each)?.into_iter().map(median).collect())
}

/// Measures subjects in turn, each in one of so many rounds: 1 for every round, more for a slow subject, which has no
/// warm-up. Returns all figures of each.
pub fn figures_in_turn(
    rounds: usize,
    warm_up: usize,
    subjects: &mut [(usize, Subject<'_>)],
) -> Result<Vec<Vec<Duration>>> {
    let mut figures = vec![Vec::new(); subjects.len()];
    for round in 0..warm_up + rounds {
        for ((every, subject), figures) in subjects.iter_mut().zip(&mut figures) {
            match round.checked_sub(warm_up) {
                Some(counted) if counted.is_multiple_of(*every) => figures.push(subject()?),
                None if *every == 1 => drop(subject()?),
                _ => {}
            }
        }
    }
    Ok(figures)
}

/// The median; for an even number of values, the higher of the two in the middle.
pub fn median<T: Ord + Copy>(mut figures: Vec<T>) -> T {
    figures.sort_unstable();
    figures[figures.len() / 2]
}

/// The time `a` as a multiple of `b`.
pub fn ratio(a: Duration, b: Duration) -> f64 {
    a.as_secs_f64() / b.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_take_turns_and_the_warm_up_does_not_count() {
        let order = std::cell::RefCell::new(Vec::new());
        let (mut a, mut b) = (0, 0);
        let mut first = || {
            order.borrow_mut().push('a');
            a += 1;
            Ok(Duration::from_millis(a))
        };
        let mut second = || {
            order.borrow_mut().push('b');
            b += 1;
            Ok(Duration::from_millis(10 * b))
        };
        let medians = in_turn(3, [&mut first, &mut second]).unwrap();
        assert_eq!(medians, [Duration::from_millis(5), Duration::from_millis(50)]);
        assert!(order.borrow().chunks(2).all(|pair| pair == ['a', 'b']));
    }
    #[test]
    fn a_slow_subject_is_measured_in_fewer_rounds_and_not_in_the_warm_up() {
        let mut calls = 0;
        let mut often = || Ok(Duration::from_millis(1));
        let mut seldom = || {
            calls += 1;
            Ok(Duration::from_secs(calls))
        };
        let figures = figures_in_turn(9, 1, &mut [(1, &mut often), (3, &mut seldom)]).unwrap();
        assert_eq!(figures[0].len(), 9);
        assert_eq!(figures[1], [1, 2, 3].map(Duration::from_secs));
    }
}
