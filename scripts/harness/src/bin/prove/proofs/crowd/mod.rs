//! Crowd: twenty handlers and twenty reloads at once, round after round. Each handler gets the event of another
//! member.
//!
//! The agent that the handlers ask is real and has only itself as a member, so reconcile's guard refuses. The records
//! after a round therefore come only from the events, and no reconcile can hide a lost event. The handlers are
//! expected to end with the guard's exit code.

mod crowded_balancer;

use std::process::Child;
use std::time::{Duration, Instant};

use harness::Result;
use harness::run::poll;

use crate::judging::verdict::Verdict;
use crate::proof::Proof;
use crate::proofs::crowd::crowded_balancer::CrowdedBalancer;

const ROUNDS: usize = 200;
/// How many rounds pass between two lines of progress.
const NEWS: usize = 25;
/// Reloads in a round. There is one handler for each changing member.
const RELOADS: usize = 20;
/// Forty processes take a few seconds. A process that takes this long hangs.
const LATE: Duration = Duration::from_secs(400);
/// The exit code of a handler if the guard refused and everything else succeeded.
const GUARDED: i32 = 6;

/// How many processes ended with each exit code.
type Codes = std::collections::BTreeMap<i32, usize>;

/// Runs all rounds.
pub fn run(proof: &mut Proof, verdict: &mut Verdict) -> Result<()> {
    let mut site = CrowdedBalancer::start()?;
    let begun = Instant::now();
    let rounds = proof.rounds(ROUNDS, 2);
    let (mut handlers, mut reloads, mut longest) = (Codes::new(), Codes::new(), Duration::ZERO);
    for number in 0..rounds {
        let start = Instant::now();
        let (events, calls) = crowd(&mut site, proof)?;
        longest = longest.max(start.elapsed());
        for (codes, all, good) in [(events, &mut handlers, GUARDED), (calls, &mut reloads, 0)] {
            for code in codes {
                *all.entry(code).or_default() += 1;
                verdict
                    .check(code == good, &format!("round {number}: exit code {code}; {}", site.last_words()));
            }
        }
        for fault in site.faults()? {
            verdict.wrong(&format!("round {number}: {fault}"));
        }
        if (number + 1) % NEWS == 0 {
            verdict.note(&format!("{} rounds, {:.0} s", number + 1, begun.elapsed().as_secs_f64()));
        }
    }
    let took = begun.elapsed().as_secs_f64();
    verdict.note(&format!("{rounds} rounds in {took:.0} s, the longest {:.1} s", longest.as_secs_f64()));
    verdict.note(&format!("exit codes of the handlers {handlers:?}, of the reloads {reloads:?}"));
    let (changes, counts) = (site.changes(), site.requests());
    verdict.note(&format!("{changes}; {} requests meanwhile, {} failed", counts.requests, counts.failures()));
    verdict.check(counts.failures() == 0, &format!("requests failed: {}", counts.failures_shown()));
    Ok(())
}

/// Runs one round: starts all processes at once and waits for them. Returns the exit codes of the handlers, and those
/// of the reloads.
fn crowd(site: &mut CrowdedBalancer, proof: &mut Proof) -> Result<(Vec<i32>, Vec<i32>)> {
    let events = site.next_events(&mut proof.dice);
    let (mut handlers, mut reloads) = (Vec::new(), Vec::new());
    for number in 0..events.len().max(RELOADS) {
        if let Some((event, payload)) = events.get(number) {
            handlers.push(site.start_handler(event, payload)?);
        }
        if number < RELOADS {
            reloads.push(site.start_reload()?);
        }
    }
    Ok((codes(handlers)?, codes(reloads)?))
}

fn codes(children: Vec<Child>) -> Result<Vec<i32>> {
    let code = |mut child: Child| {
        poll::until(LATE, "the end of a crowd", || {
            child.try_wait().ok()?.map(|status| status.code().unwrap_or(-1))
        })
    };
    children.into_iter().map(code).collect()
}
