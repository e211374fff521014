//! The real program asks real HAProxys under a constant load, so that the right number is known.

mod failing_balancers;
mod full_disk;
mod held_load;
mod killed_looks;
mod scale_commands;
mod scaled_backend;
mod spoiled_state;

use harness::run::programs;
use harness::{Error, Result};

use crate::judging::verdict::Verdict;
use crate::proof::Proof;
use crate::proofs::autoscale::real::scaled_backend::ScaledBackend;
use crate::setups::private_mounts;

/// Runs all of it.
pub fn run(proof: &mut Proof, verdict: &mut Verdict) -> Result<()> {
    programs::find("haproxy")?;
    if !private_mounts::is_allowed() {
        return Err(Error::Unfit("the proof needs root, to mount a full disk".to_owned()));
    }
    failing_balancers::run(proof, verdict)?;
    let backend = ScaledBackend::start(1)?;
    spoiled_state::run(&backend, proof, verdict)?;
    full_disk::run(&backend, verdict)?;
    killed_looks::run(&backend, proof, verdict)?;
    scale_commands::run(proof.is_short, verdict)
}
