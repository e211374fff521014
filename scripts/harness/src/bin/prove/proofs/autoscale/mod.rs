//! Autoscale: the decision through simulated days, and the program at real HAProxys while they fail.

mod days;
mod hostile_memory;
mod real;

use harness::Result;

use crate::judging::verdict::Verdict;
use crate::proof::Proof;

/// Runs all of it.
pub fn run(proof: &mut Proof, verdict: &mut Verdict) -> Result<()> {
    days::run(proof, verdict)?;
    hostile_memory::run(proof, verdict)?;
    real::run(proof, verdict)
}
