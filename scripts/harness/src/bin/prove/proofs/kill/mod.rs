//! Kill: every program is ended by SIGKILL at moments spread over its run, on a good disk and on bad ones.
//!
//! After a kill each file must be complete, either the old one or the new one, and one more run must finish the work.
//! The moments cannot be enumerated, so they are random: one in each of many equal parts of the run.

mod bad_disks;
mod handler;
mod records;
mod reload;
mod render;
mod slow_disk;
pub mod victim;

use harness::Result;
use harness::run::programs;

use crate::judging::verdict::Verdict;
use crate::proof::Proof;

/// Kills the four programs and the script, and then repeats that on bad disks.
pub fn run(proof: &mut Proof, verdict: &mut Verdict) -> Result<()> {
    programs::SYSTEM.iter().try_for_each(|program| programs::find(program).map(drop))?;
    records::joins(proof, verdict)?;
    records::leaves(proof, verdict)?;
    render::renders(proof, verdict)?;
    reload::reloads(proof, verdict)?;
    handler::handles(proof, verdict)?;
    bad_disks::bad_disks(proof, verdict)
}
