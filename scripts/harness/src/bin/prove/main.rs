//! `prove`: checks what Rollcall promises under load, faults and forged members, on the real programs.
//!
//! `scripts/prove` builds and runs it. A proof is a bounded run that counts faults. Its random numbers come from a
//! seed that is printed, so a failed run can be repeated. The exit code is 0 if all proofs hold.

#![allow(unreachable_pub, reason = "a binary has no public items")]

mod judging;
mod proof;
mod proofs;
mod setups;

use std::process::ExitCode;

use clap::Parser;
use harness::Result;

use judging::random::{self, Dice};
use judging::verdict::Verdict;
use proof::Proof;
use proofs::{autoscale, churn, crowd, forgery, kill, partition, soak};

const AFTER_HELP: &str = "\
Proofs:
  churn      1,000 changes of membership on 30 agents under load; ten minutes
  kill       each program killed (-9) at 1,000 moments of its run, and on full, read-only and slow disks
  crowd      20 handlers and 20 reloads at once, 200 rounds
  forgery    a forged Serf member with hostile names, tags and addresses: the known ones and 10,000 random ones
  partition  gossip lost between balancer and backends while HTTP works; ten minutes
  soak       half an hour of churn in the second wiring: nothing grows
  autoscale  10,000 simulated days; then the real program while HAProxy, disk and engine fail; half an hour

Exit status: 0 all hold; 1 one does not hold or could not run; 2 wrong usage.";

/// Check that Rollcall keeps its promises when everything goes wrong
#[derive(Parser)]
#[command(name = "prove", after_help = AFTER_HELP)]
struct Args {
    /// Only the proof with this name
    proof: Option<String>,
    /// The short form, as scripts/test runs it
    #[arg(long)]
    short: bool,
    /// The random seed, as printed by an earlier run [default: a new one each time]
    #[arg(long)]
    seed: Option<u64>,
}

/// Runs a proof and counts its faults in the verdict. An error means that the proof could not run.
type Run = fn(&mut Proof, &mut Verdict) -> Result<()>;

const PROOFS: [(&str, Run); 7] = [
    ("churn", churn::prove),
    ("kill", kill::run),
    ("crowd", crowd::run),
    ("forgery", forgery::run),
    ("partition", partition::prove),
    ("soak", soak::prove),
    ("autoscale", autoscale::run),
];

fn main() -> ExitCode {
    let args = Args::parse();
    let is_wanted = |name: &str| args.proof.as_ref().is_none_or(|wanted| wanted == name);
    let wanted: Vec<_> = PROOFS.iter().filter(|(name, _)| is_wanted(name)).collect();
    if wanted.is_empty() {
        eprintln!("prove: cannot find the proof '{}': see --help", args.proof.unwrap_or_default());
        return ExitCode::from(2);
    }
    let seed = args.seed.unwrap_or_else(random::any_seed);
    let mut do_hold = true;
    for (name, run) in wanted {
        println!("{name}: --seed {seed}");
        let mut proof = Proof { is_short: args.short, seed, dice: Dice::new(seed) };
        let mut verdict = Verdict::default();
        if let Err(err) = run(&mut proof, &mut verdict) {
            verdict.wrong(&format!("it could not run to its end: {err}"));
        }
        do_hold &= verdict.end(name);
    }
    if do_hold { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
