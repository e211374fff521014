//! Kill: every program is ended by SIGKILL at moments spread over its run, on a good disk and on bad ones.
//!
//! After a kill the files must be the old or the new ones, complete, and one more run must finish the work. The moments
//! cannot be enumerated, so they are drawn: evenly over the run, at random within each part.

mod bad_disks;
mod handler;
mod records;
mod reload;
mod render;
mod slow_disk;
mod small_disk;
mod victim;

use harness::Result;
use harness::run::programs;

use crate::judging::verdict::Verdict;
use crate::proof::Proof;

/// The four programs, the script, and then the same where the disk is bad.
pub fn run(proof: &mut Proof, verdict: &mut Verdict) -> Result<()> {
    programs::SYSTEM.iter().try_for_each(|program| programs::find(program).map(drop))?;
    records::joins(proof, verdict)?;
    records::leaves(proof, verdict)?;
    render::renders(proof, verdict)?;
    reload::reloads(proof, verdict)?;
    handler::handles(proof, verdict)?;
    bad_disks::bad_disks(proof, verdict)
}
