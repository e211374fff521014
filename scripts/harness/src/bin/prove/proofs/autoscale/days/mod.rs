//! A day in a second: the decision alone, with simulated time, traffic, engine and balancers.

mod bill;
mod chance;
mod cost;
mod day;
mod day_outcome;
mod load_curve;
mod observed;
mod queue_watch;
mod rules;
mod settings;
mod simulated_balancers;
mod simulated_engine;
mod simulated_traffic;
mod swings;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use harness::Result;

use crate::judging::verdict::Verdict;
use crate::proof::Proof;
use crate::proofs::autoscale::days::day_outcome::Outcome;

const DAYS: usize = 10_000;
const SHORT_DAYS: usize = 300;
const HOURS: u64 = 24;
const SHORT_HOURS: u64 = 1;
/// Days between two lines of progress.
const BATCH: usize = 500;
/// The largest `--max` of a day.
const MOST: u64 = 30;

/// Simulates the days, on all processors.
pub fn run(proof: &mut Proof, verdict: &mut Verdict) -> Result<()> {
    let (days, hours) = (proof.rounds(DAYS, SHORT_DAYS), if proof.is_short { SHORT_HOURS } else { HOURS });
    let begun = Instant::now();
    let mut outcomes: Vec<Outcome> = Vec::new();
    for first in (0..days).step_by(BATCH) {
        let lived = live(proof.seed.wrapping_add(first as u64), BATCH.min(days - first), hours);
        for Outcome { seed, fault, .. } in &lived {
            fault.iter().for_each(|fault| verdict.wrong(&format!("--seed {seed}: {fault}")));
        }
        outcomes.extend(lived);
        if days > BATCH {
            verdict.note(&format!("{} days, {:.0} s", outcomes.len(), begun.elapsed().as_secs_f64()));
        }
    }
    let looks: u64 = outcomes.iter().map(|outcome| outcome.looks).sum();
    let queued: u64 = outcomes.iter().map(|outcome| outcome.queued).sum();
    let calm = outcomes.iter().filter(|outcome| outcome.settings.is_calm);
    let turns = calm.fold((0, 0), |(a, b), outcome| (a + outcome.turns.0, b + outcome.turns.1));
    verdict.note(&format!(
        "{days} days of {hours} hours in {:.0} s: {looks} looks, {queued} of them with a queue; {} changes of direction on \
         days without a fault, {} allowed",
        begun.elapsed().as_secs_f64(),
        turns.0,
        turns.1
    ));
    cost::judge(&outcomes, !proof.is_short, verdict);
    Ok(())
}

fn live(seed: u64, days: usize, hours: u64) -> Vec<Outcome> {
    let next = AtomicUsize::new(0);
    let worker = || {
        let numbers = std::iter::from_fn(|| Some(next.fetch_add(1, Ordering::Relaxed)));
        let seeds =
            numbers.take_while(|number| *number < days).map(|number| seed.wrapping_add(number as u64));
        seeds.map(|seed| Outcome::of(seed, MOST, hours)).collect::<Vec<_>>()
    };
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let mut outcomes = thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(worker)).collect();
        let joined = threads.into_iter().map(|thread| thread.join());
        joined
            .flat_map(|done| done.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect::<Vec<_>>()
    });
    outcomes.sort_by_key(|outcome| outcome.seed);
    outcomes
}
