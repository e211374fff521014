//! The short forms of the proofs of membership (churn, partition and soak); and that a killed proof leaves nothing.
//!
//! They need root, for network namespaces. They run one after the other, because at the same time they would only be
//! slower.

#![allow(clippy::unwrap_used, reason = "a test ends with the error")]

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use harness::network::namespace;
use harness::run::MARK;
use harness::run::{poll, process};

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

const SOON: Duration = Duration::from_secs(60);

fn prove(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_prove"));
    command.args(arguments);
    command
}

fn holds(proof: &str) {
    if !namespace::is_possible() {
        return;
    }
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let output = prove(&[proof, "--short"]).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.ends_with(&format!("{proof}: HOLDS\n")), "{said}");
    assert!(said.contains(" requests, 0 failed"), "{said}");
}

#[test]
fn changes_of_membership_fail_no_request_and_all_agree_afterwards() {
    holds("churn");
}

#[test]
fn a_balancer_cut_off_from_gossip_serves_all_backends_and_heals() {
    holds("partition");
}

#[test]
fn nothing_grows_while_members_come_and_go() {
    holds("soak");
}

#[test]
fn a_killed_proof_leaves_no_process() {
    if !namespace::is_possible() {
        return;
    }
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let place = tempfile::tempdir().unwrap();
    let mark = format!("{MARK}={}/", place.path().display());
    let marked = || process::marked(|entry| entry.starts_with(mark.as_bytes())).unwrap();
    let mut proof = prove(&["churn", "--short"]);
    let mut proof = proof.env("TMPDIR", place.path()).stdout(Stdio::null()).process_group(0).spawn().unwrap();
    let seen = poll::until(SOON, "agents and web apps", || (marked().len() > 8).then_some(()));
    proof.kill().unwrap();
    proof.wait().unwrap();
    seen.unwrap();
    poll::until(SOON, "the end of all", || marked().is_empty().then_some(())).unwrap();
    poll::until(SOON, "the end of the run's directory", || {
        std::fs::read_dir(place.path()).unwrap().next().is_none().then_some(())
    })
    .unwrap();
}
