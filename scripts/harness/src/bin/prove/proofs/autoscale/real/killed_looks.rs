//! Looks that are killed at any moment, and many at once on one state file.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use harness::{Result, system};
use serde_json::Value;

use crate::judging::verdict::Verdict;
use crate::proof::Proof;
use crate::proofs::autoscale::real::scaled_backend::{CARRY, Look, MAX, ScaledBackend, judge};
use crate::proofs::kill::victim::{Victim, strike};

const KILLS: usize = 1_000;
const ROUNDS: usize = 500;
/// Looks at once.
const CROWD: usize = 4;

/// Kills looks, and then runs many at once.
pub fn run(backend: &ScaledBackend, proof: &mut Proof, verdict: &mut Verdict) -> Result<()> {
    let state = backend.run().join("killed.json");
    judge(verdict, "a new state", &backend.look(&state)?, &[0]);
    let kills = proof.rounds(KILLS, 60);
    strike("autoscale", kills, &mut KilledLook { backend, state }, proof, verdict)?;
    crowd(backend, proof, verdict)
}

/// A look that is killed.
struct KilledLook<'a> {
    backend: &'a ScaledBackend,
    state: PathBuf,
}

impl KilledLook<'_> {
    /// The fault of the state file, if it has one.
    fn fault(&self) -> Option<String> {
        let bytes = fs::read(&self.state).unwrap_or_default();
        let content: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let wanted = content["memory"]["wanted"].as_u64();
        let is_whole = wanted.is_some_and(|wanted| (u64::from(CARRY)..=u64::from(MAX)).contains(&wanted));
        (!is_whole).then(|| format!("the state is '{}'", String::from_utf8_lossy(&bytes)))
    }
}

impl Victim for KilledLook<'_> {
    fn prepare(&mut self) -> Result<Command> {
        self.backend.command(&self.state)
    }

    fn look(&mut self) -> Result<Option<String>> {
        Ok(self.fault())
    }

    fn again(&mut self) -> Result<Command> {
        self.backend.command(&self.state)
    }

    fn look_again(&mut self) -> Result<Option<String>> {
        Ok(self.fault())
    }
}

/// Some at once, again and again: each prints a right number, and none loses the state.
fn crowd(backend: &ScaledBackend, proof: &mut Proof, verdict: &mut Verdict) -> Result<()> {
    let state = backend.run().join("crowd.json");
    let rounds = proof.rounds(ROUNDS, 30);
    for round in 0..rounds {
        let mut looks = Vec::new();
        for _ in 0..CROWD {
            let mut command = backend.command(&state)?;
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            looks.push(command.spawn().map_err(system("run", "autoscale"))?);
        }
        for look in looks {
            let output = look.wait_with_output().map_err(system("wait for", "autoscale"))?;
            let wanted = String::from_utf8_lossy(&output.stdout).trim().parse().ok();
            let complaint = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            let look = Look { code: output.status.code().unwrap_or(-1), wanted, complaint };
            judge(verdict, &format!("{CROWD} at once, round {round}"), &look, &[0]);
            verdict.check(look.complaint.is_empty(), &format!("{CROWD} at once, round {round}: {look:?}"));
        }
    }
    verdict
        .note(&format!("{rounds} times {CROWD} looks at once: each number is right, and no state is lost"));
    Ok(())
}
