//! The balancers fail under a constant load. The number must not change.

use std::path::Path;
use std::time::{Duration, Instant};

use harness::Result;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::judging::verdict::Verdict;
use crate::proof::Proof;
use crate::proofs::autoscale::real::scaled_backend::{MIN, ScaledBackend, judge};

/// Longer than the window of the looks.
const WHILE: Duration = Duration::from_millis(1_300);
const ROUNDS: usize = 20;

/// What happens to a balancer.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Silent,
    Reloaded,
    Restarted,
    Gone,
}

/// Lets one and then two balancers fail, in every way.
pub fn run(proof: &mut Proof, verdict: &mut Verdict) -> Result<()> {
    let rounds = proof.rounds(ROUNDS, 1);
    for balancers in [1, 2] {
        let mut backend = ScaledBackend::start(balancers)?;
        let state = backend.run().join("state.json");
        let mut looks = watch(&backend, &state, verdict, "at first", WHILE)?;
        for _ in 0..rounds {
            for fault in [Fault::Silent, Fault::Reloaded, Fault::Restarted, Fault::Gone] {
                looks += fail(&mut backend, &state, fault, verdict)?;
            }
        }
        verdict.note(&format!(
            "{balancers} HAProxy: {} times silent, reloaded, restarted or gone: {looks} looks, the number never below \
             what carries the load",
            4 * rounds
        ));
        backend.load.clear();
        backend.wait_for(&state, MIN)?;
        verdict.note(&format!("{balancers} HAProxy: the load ended, and the number went down to {MIN}"));
    }
    Ok(())
}

/// One fault of the last balancer, until all is well again. Returns how often it looked.
fn fail(backend: &mut ScaledBackend, state: &Path, fault: Fault, verdict: &mut Verdict) -> Result<usize> {
    let last = backend.haproxies.len() - 1;
    let at = format!("{} HAProxy, {fault:?}", last + 1);
    let mut looks = 0;
    match fault {
        Fault::Silent => {
            let worker = Pid::from_raw(backend.haproxies[last].worker_pid()? as i32);
            let stopped = kill(worker, Signal::SIGSTOP);
            looks += watch(backend, state, verdict, &at, WHILE)?;
            let woken = kill(worker, Signal::SIGCONT);
            verdict.check(stopped.is_ok() && woken.is_ok(), &format!("{at}: the worker cannot be stopped"));
        }
        Fault::Reloaded => drop(backend.haproxies[last].master_command("reload")?),
        Fault::Restarted => {
            backend.haproxies[last].stop()?;
            backend.start_haproxy(last as u8)?;
        }
        Fault::Gone => {
            backend.haproxies[last].stop()?;
            looks += watch(backend, state, verdict, &at, WHILE)?;
            backend.start_haproxy(last as u8)?;
        }
    }
    Ok(looks + watch(backend, state, verdict, &format!("{at}, afterwards"), WHILE)?)
}

/// Looks again and again for this time, and judges each.
fn watch(
    backend: &ScaledBackend,
    state: &Path,
    verdict: &mut Verdict,
    at: &str,
    time: Duration,
) -> Result<usize> {
    let end = Instant::now() + time;
    let mut looks = 0;
    while Instant::now() < end {
        judge(verdict, at, &backend.look(state)?, &[0, 5]);
        looks += 1;
        harness::run::poll::pass(Duration::from_millis(30))?;
    }
    Ok(looks)
}
