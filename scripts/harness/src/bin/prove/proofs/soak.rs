//! Half an hour of churn in the second wiring (docs/wirings.md): nothing may grow.
//!
//! The changes are made as in `churn`, but the handlers only record, and `scripts/watch` keeps running. Everything
//! that could leak is measured regularly, and the median of the first third of the samples is compared with that of
//! the last. A single sample would not do, because a handler may be running at that moment.

use std::time::{Duration, Instant};

use harness::Result;
use harness::network::namespace;

use crate::judging::resource_usage;
use crate::judging::resource_usage::ResourceUsage;
use crate::judging::verdict::Verdict;
use crate::proof::Proof;
use crate::proofs::churn;
use crate::proofs::churn::driver::Pace;
use crate::setups::networked_balancer::{FORGOTTEN, NetworkedBalancer};

const PLACES: usize = 16;
const FEW_PLACES: usize = 12;
const TIME: Duration = Duration::from_secs(30 * 60);
const SHORT_TIME: Duration = Duration::from_secs(35);
const EVERY: Duration = Duration::from_millis(800);
/// The time from one sample to the next.
const LOOKS: Duration = Duration::from_secs(2);
/// How much each figure may grow, by the end of its name. Memory is in KiB: HAProxy 2.6 keeps up to a thousand
/// servers that have left, and Serf, a Go program, returns memory late. A running handler adds a few descriptors and
/// processes.
const BOUNDS: [(&str, u64); 4] = [("memory (KiB)", 8 << 10), ("descriptors", 10), ("agents", 6), ("", 2)];

/// Runs the proof.
pub fn prove(proof: &mut Proof, verdict: &mut Verdict) -> Result<()> {
    namespace::apart(|| {
        let mut site = NetworkedBalancer::new(proof.rounds(PLACES, FEW_PLACES), Some(FORGOTTEN))?;
        site.balancer.set_env("ROLLCALL_ONLY_RECORD", "1");
        site.start_balancer()?;
        site.balancer.start_watcher()?;
        let time = if proof.is_short { SHORT_TIME } else { TIME };
        let cut = if proof.is_short { churn::FEW_CUT } else { churn::CUT };
        let pace = Pace { changes: usize::MAX, time, every: EVERY, cut };
        let mut looks = Vec::new();
        let mut last: Option<Instant> = None;
        churn::run(&mut site, proof, verdict, pace, |site| {
            if last.is_none_or(|last| last.elapsed() >= LOOKS) {
                last = Some(Instant::now());
                looks.push(resource_usage::measure(site)?);
            }
            Ok(())
        })?;
        judge(&looks, verdict);
        churn::end(site, verdict)
    })
}

/// Prints the table, and counts everything that grew as a fault.
fn judge(looks: &[ResourceUsage], verdict: &mut Verdict) {
    let third = looks.len() / 3;
    verdict.check(third > 0, "there were too few samples to compare");
    let Some(first) = looks.first().filter(|_| third > 0) else { return };
    verdict.note(&format!(
        "{:<40} {:>8} {:>8} {:>8}   ({} samples, medians of thirds)",
        "",
        "first",
        "middle",
        "last",
        looks.len()
    ));
    for name in first.keys() {
        let of = |looks: &[ResourceUsage]| {
            median(looks.iter().filter_map(|look| look.get(name).copied()).collect())
        };
        let (early, middle, late) =
            (of(&looks[..third]), of(&looks[third..looks.len() - third]), of(&looks[looks.len() - third..]));
        verdict.note(&format!("{name:<40} {early:>8} {middle:>8} {late:>8}"));
        let bound = BOUNDS.iter().find(|(end, _)| name.ends_with(end)).map_or(0, |(_, bound)| *bound);
        verdict.check(late <= early + bound, &format!("{name} grew by more than {bound}"));
    }
}

fn median(mut numbers: Vec<u64>) -> u64 {
    numbers.sort_unstable();
    numbers.get(numbers.len() / 2).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looks(numbers: impl Iterator<Item = u64>) -> Vec<ResourceUsage> {
        numbers.map(|number| ResourceUsage::from([("x, descriptors".to_owned(), number)])).collect()
    }

    #[test]
    fn growth_is_distinguished_from_fluctuation() {
        let holds = |looks: &[ResourceUsage]| {
            let mut verdict = Verdict::default();
            judge(looks, &mut verdict);
            verdict.end("soak")
        };
        assert!(holds(&looks((0..90).map(|number| 20 + number % 7))));
        assert!(!holds(&looks(0..90)));
        assert!(!holds(&looks(0..2)), "too few");
    }
}
