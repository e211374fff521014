//! Judges what the days cost.
//!
//! With a window of 300 s a burst of one minute keeps its servers for five minutes more. So a single day is judged against
//! the careful oracle, which has the same window. The plain oracle is the measure for all days together, and for each
//! ordinary day: a night, a busy day, and the default settings.

use std::collections::BTreeMap;

use crate::judging::verdict::Verdict;
use crate::proofs::autoscale::days::day_outcome::Outcome;
use crate::proofs::autoscale::days::load_curve::Shape;

/// A day may cost this many times what the oracle pays.
const DEAR: f64 = 1.5;

/// Judges the days without a fault of a rule, and prints what each kind costs. `is_whole` if the days have 24 hours.
pub fn judge(outcomes: &[Outcome], is_whole: bool, verdict: &mut Verdict) {
    let mut kinds: BTreeMap<(bool, bool, Shape), Vec<&Outcome>> = BTreeMap::new();
    for outcome in outcomes.iter().filter(|outcome| outcome.fault.is_none()) {
        each(outcome, is_whole, verdict);
        let settings = &outcome.settings;
        let kind = (!settings.is_calm, !settings.is_default, settings.shape);
        kinds.entry(kind).or_default().push(outcome);
    }
    let sum = |part: fn(&Outcome) -> u64| outcomes.iter().map(part).sum::<u64>() as f64;
    let all = sum(|outcome| outcome.bill.used) / sum(|outcome| outcome.bill.plain);
    verdict.note(&format!("all days together: {all:.2} x the servers of the plain oracle"));
    verdict.check(all <= DEAR, "all days together cost too much");
    if is_whole {
        kinds.iter().for_each(|(kind, outcomes)| verdict.note(&row(*kind, outcomes)));
    }
}

fn each(outcome: &Outcome, is_whole: bool, verdict: &mut Verdict) {
    let Outcome { seed, settings, bill, .. } = outcome;
    if !settings.is_calm {
        return;
    }
    let (plain, careful) = (bill.by_plain(), bill.by_careful());
    verdict.check(careful <= DEAR, &format!("--seed {seed}: {careful:.2} x the careful oracle ({settings})"));
    let is_usual = is_whole && settings.is_default && settings.shape == Shape::Nights;
    let is_dear = is_usual && plain > DEAR;
    verdict.check(!is_dear, &format!("--seed {seed}: {plain:.2} x the plain oracle ({settings})"));
}

fn row((fails, is_special, shape): (bool, bool, Shape), outcomes: &[&Outcome]) -> String {
    let of = |part: fn(&Outcome) -> f64| {
        let mut sorted: Vec<f64> = outcomes.iter().map(|outcome| part(outcome)).collect();
        sorted.sort_by(f64::total_cmp);
        let at = |share: f64| sorted[((sorted.len() - 1) as f64 * share) as usize];
        let above = sorted.iter().filter(|ratio| **ratio > DEAR).count();
        format!("median {:.2}, 95 % {:.2}, most {:.2}, {above} above {DEAR}", at(0.5), at(0.95), at(1.0))
    };
    format!(
        "{}, {}, {shape}, {} days: {}; careful: {}",
        if fails { "faults" } else { "no faults" },
        if is_special { "other settings" } else { "default settings" },
        outcomes.len(),
        of(|outcome| outcome.bill.by_plain()),
        of(|outcome| outcome.bill.by_careful()),
    )
}
