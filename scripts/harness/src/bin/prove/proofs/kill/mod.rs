//! Kill: every program ended by SIGKILL at moments spread over its run, on a whole disk and on bad ones.
//!
//! What stands after a kill has to be the old or the new, whole; and one more run has to finish what the killed one
//! began. Nobody can enumerate the moments, so they are drawn: evenly over the run, with dice within each part.

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
