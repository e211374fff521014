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
    let mut figures = vec![Vec::new(); subjects.len()];
    for round in 0..warm_up + rounds {
        for (subject, figures) in subjects.iter_mut().zip(&mut figures) {
            let figure = subject()?;
            if round >= warm_up {
                figures.push(figure);
            }
        }
    }
    Ok(figures.into_iter().map(median).collect())
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
}
