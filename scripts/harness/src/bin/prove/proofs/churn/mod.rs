//! A thousand changes of membership under load: no request is lost, and in the end all agree.
//!
//! There are thirty real Serf agents with web apps, each pair in its own network namespace. They join, leave, die,
//! move, change tags and are cut off, several at once. The balancer is set up as in docs/installation.md, with its
//! timer.

mod change;
pub mod driver;

use std::time::{Duration, Instant};

use harness::Result;
use harness::network::namespace;
use harness::run::{poll, process};
use harness::traffic::load::{Load, Rate, Sample};

use crate::judging::agreement;
use crate::judging::resource_usage;
use crate::judging::resource_usage::ResourceUsage;
use crate::judging::verdict::Verdict;
use crate::proof::Proof;
use crate::proofs::churn::driver::{Engine, Pace};
use crate::setups::networked_balancer::{FORGOTTEN, NetworkedBalancer};

const PLACES: usize = 30;
const FEW_PLACES: usize = 16;
const CHANGES: usize = 1_000;
const FEW_CHANGES: usize = 60;
/// The longest time for which a link is cut. Serf marks a member failed after about seven seconds.
pub const CUT: Duration = Duration::from_secs(14);
/// The same for the short form: the cut is too short for that, because marking a member failed and recovering takes
/// half a minute or more.
pub const FEW_CUT: Duration = Duration::from_secs(4);
/// 200 requests a second.
const RATE: Rate = Rate { visitors: 8, every: Duration::from_millis(40) };
/// How long a visitor waits for an answer.
const PATIENCE: Duration = Duration::from_secs(70);
/// How long it may take until all agree. Serf takes about seven seconds to mark a member failed, and the timer
/// fifteen to repair an event that Serf did not send.
const SETTLED: Duration = Duration::from_secs(120);
/// How much the memory of a process may grow, in KiB. HAProxy 2.6 keeps a server that has left, and Serf, a Go
/// program, returns memory late.
const GROWTH: u64 = 16 << 10;
const ANSWERED: Duration = Duration::from_secs(10);
const ENDED: Duration = Duration::from_secs(10);

/// Runs the proof.
pub fn prove(proof: &mut Proof, verdict: &mut Verdict) -> Result<()> {
    namespace::apart(|| {
        let mut site = NetworkedBalancer::new(proof.rounds(PLACES, FEW_PLACES), Some(FORGOTTEN))?;
        site.start_balancer()?;
        let pace = Pace {
            changes: proof.rounds(CHANGES, FEW_CHANGES),
            time: Duration::from_secs(20 * 60),
            every: Duration::from_millis(300),
            cut: if proof.is_short { FEW_CUT } else { CUT },
        };
        run(&mut site, proof, verdict, pace, |_| Ok(()))?;
        end(site, verdict)
    })
}

/// Fills all slots, makes the changes under load, and checks everything but the end; calls `each` between changes.
pub fn run(
    site: &mut NetworkedBalancer,
    proof: &mut Proof,
    verdict: &mut Verdict,
    pace: Pace,
    each: impl FnMut(&mut NetworkedBalancer) -> Result<()>,
) -> Result<()> {
    site.fill()?;
    agreement::wait(site, verdict, SETTLED)?;
    let (processes, before) = (processes(site)?, resource_usage::measure(site)?);
    let reloads = reloads(site).len();
    let start = Instant::now();
    let load = Load::patient(site.balancer.front(), "/", RATE, PATIENCE);
    let engine = Engine::run(site, &mut proof.dice, pace, each)?;
    let took = start.elapsed().as_secs_f64();
    verdict.note(&format!("{} slots; {} in {took:.0} s", site.slots.len(), engine.shown()));
    verdict.note(&format!(
        "at most {} at once; {} leaves not confirmed in time; cut off: back after at most {:.1} s, {} had to join again",
        engine.most,
        engine.unheard,
        engine.healed.as_secs_f64(),
        engine.rejoined
    ));
    agreement::wait(site, verdict, SETTLED)?;
    judge_load(load.stop(), start, verdict);
    judge_workers(site, &processes, reloads, verdict)?;
    judge_memory(&before, &resource_usage::measure(site)?, verdict);
    Ok(())
}

/// Checks that no request failed; prints each failure with its time.
pub fn judge_load(samples: Vec<Sample>, start: Instant, verdict: &mut Verdict) {
    let took = |sample: &Sample| (sample.over - sample.sent).as_secs_f64();
    let slowest = samples.iter().map(took).fold(0.0, f64::max);
    let failed = samples.iter().filter_map(|sample| Some((sample, sample.outcome.err()?)));
    verdict.check(!samples.is_empty(), "no request was made");
    let mut failures = 0;
    for (sample, failure) in failed {
        failures += 1;
        let at = sample.sent.saturating_duration_since(start).as_secs_f64();
        verdict.wrong(&format!(
            "a request failed: {failure}, sent after {at:.1} s, over {:.1} s later",
            took(sample)
        ));
    }
    verdict.note(&format!("{} requests, {failures} failed; the slowest took {slowest:.2} s", samples.len()));
}

/// Checks that the worker is the same; if it is not, there must have been reloads, which are printed with their
/// reasons.
fn judge_workers(
    site: &NetworkedBalancer,
    old: &[u32],
    reloaded: usize,
    verdict: &mut Verdict,
) -> Result<()> {
    let new = processes(site)?;
    let reloads = reloads(site).split_off(reloaded);
    reloads.iter().take(5).for_each(|line| verdict.note(line));
    verdict.note(&format!("HAProxy's worker before {old:?}, now {new:?}; {} reloads", reloads.len()));
    verdict.check(new.len() == 1, "HAProxy has more than one worker");
    verdict
        .check(old == new || !reloads.is_empty(), "HAProxy has another worker, and the log gives no reason");
    Ok(())
}

/// The log lines of reloads so far.
fn reloads(site: &NetworkedBalancer) -> Vec<String> {
    let log = site.balancer.log();
    log.lines().filter(|line| line.contains("]: reload (")).map(str::to_owned).collect()
}

/// HAProxy's workers, including those that are about to end.
fn processes(site: &NetworkedBalancer) -> Result<Vec<u32>> {
    let processes = poll::until(ANSWERED, "the master's answer", || {
        site.balancer.haproxy().ok()?.master_command("show proc").ok()
    })?;
    let lines = processes.lines().filter(|line| line.split_whitespace().nth(1) == Some("worker"));
    Ok(lines.filter_map(|line| line.split_whitespace().next()?.parse().ok()).collect())
}

fn judge_memory(before: &ResourceUsage, after: &ResourceUsage, verdict: &mut Verdict) {
    for (name, then) in before.iter().filter(|(name, _)| name.ends_with("memory (KiB)")) {
        let now = after.get(name).copied().unwrap_or(0);
        verdict.note(&format!("{name}: {then} before, {now} after"));
        verdict.check(now <= then + GROWTH, &format!("{name} grew by more than {GROWTH}"));
    }
}

/// Stops everything in order, and counts each process that is left as a fault.
pub fn end(mut site: NetworkedBalancer, verdict: &mut Verdict) -> Result<()> {
    site.stop()?;
    let left = || -> Result<Vec<u32>> {
        Ok(resource_usage::marked(&site)?.into_iter().filter(|pid| process::is_running(*pid)).collect())
    };
    if poll::try_until(ENDED, "the end of all processes", || Ok(left()?.is_empty().then_some(()))).is_err() {
        for pid in left()? {
            verdict.wrong(&format!("'{}' is left (process {pid})", resource_usage::command_name(pid)));
        }
    }
    Ok(())
}
