//! The state is on a disk that is full or read-only, at a moment when the number could go down.

use std::fs;
use std::path::Path;

use common::replace::replace;
use harness::{Result, system};
use serde_json::{Value, json};

use crate::judging::verdict::Verdict;
use crate::proofs::autoscale::real::scaled_backend::{CARRY, Look, MAX, ScaledBackend, judge};
use crate::setups::private_mounts::with_own_mounts;
use crate::setups::small_disk::{Scarce, SmallDisk};

/// Looks with less and less room, and then on a read-only disk.
pub fn run(backend: &ScaledBackend, verdict: &mut Verdict) -> Result<()> {
    with_own_mounts(|| {
        let mut disk = SmallDisk::mount(&backend.run().join("disk"))?;
        let state = disk.join("state.json");
        judge(verdict, "a new state on a small disk", &backend.look(&state)?, &[0]);
        for scarce in [Scarce::Pages, Scarce::Files] {
            let mut refused = 0;
            for left in 0..8 {
                disk.fill(scarce, left)?;
                let is_refused = look(backend, &state, &format!("room for {left} {scarce}"), verdict);
                disk.free()?;
                refused += usize::from(is_refused?);
            }
            verdict.check((1..8).contains(&refused), &format!("no {scarce}: refused {refused} times"));
        }
        lower(&state)?;
        disk.set_read_only(true)?;
        let read_only = backend.look(&state);
        disk.set_read_only(false)?;
        kept(&read_only?, "a read-only disk", verdict);
        lower(&state)?;
        let look = backend.look(&state)?;
        verdict.check(look.code == 0 && look.wanted == Some(MAX - 1), &format!("with room: {look:?}"));
        verdict.note(&format!(
            "a full or read-only disk, when {CARRY} of {MAX} are enough: exit code 4, never a smaller number; with room \
             it goes down"
        ));
        Ok(())
    })
}

/// A look at a state that lets the number go down. True if it was refused.
fn look(backend: &ScaledBackend, state: &Path, at: &str, verdict: &mut Verdict) -> Result<bool> {
    let old = fs::read(state).map_err(system("read", state.display()))?;
    let look = backend.look(state)?;
    if look.code == 0 {
        judge(verdict, at, &look, &[0]);
        return Ok(false);
    }
    kept(&look, at, verdict);
    let is_old = fs::read(state).map_err(system("read", state.display()))? == old;
    verdict.check(is_old, &format!("{at}: the state was changed"));
    Ok(true)
}

/// Checks that a look was refused, and that its number, if it has one, is not lower.
fn kept(look: &Look, at: &str, verdict: &mut Verdict) {
    let is_kept = look.wanted.is_none_or(|wanted| wanted >= CARRY);
    let is_line = look.complaint.lines().count() == 1 && look.complaint.contains(": cannot ");
    verdict.check(look.code == 4 && is_kept && is_line, &format!("{at}: {look:?}"));
}

/// Makes a state of one that wanted the most servers, a long time ago.
fn lower(state: &Path) -> Result<()> {
    let bytes = fs::read(state).map_err(system("read", state.display()))?;
    let mut content: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let memory = &mut content["memory"];
    let last = memory["last"].as_u64().unwrap_or(0);
    memory["since"] = json!(last - 60_000);
    memory["wanted"] = json!(MAX);
    memory["wishes"] = json!([]);
    replace(state, content.to_string().as_bytes(), 0o640).map_err(system("write", state.display()))
}
