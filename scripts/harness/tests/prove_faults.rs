//! The proofs of kills, crowds and forged members, in their short forms.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::process::{Command, Stdio};

use harness::run::programs;

/// Runs a proof and checks that it holds.
#[track_caller]
fn assert_holds(proof: &str) {
    if !programs::are_all_here() {
        return;
    }
    if !nix::unistd::geteuid().is_root() {
        assert!(std::env::var_os("CI").is_none(), "mounts and a network of its own need root");
        eprintln!("SKIPPED: mounts and a network of its own need root");
        return;
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_prove"));
    let output = command.args([proof, "--short"]).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let complained = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}{complained}");
    assert_eq!(said.lines().last(), Some(format!("{proof}: HOLDS").as_str()), "{said}{complained}");
}

#[test]
fn a_killed_program_leaves_old_or_new_files_and_the_next_run_finishes() {
    if programs::find("strace").is_err() && std::env::var_os("CI").is_none() {
        eprintln!("SKIPPED: a slow disk is made by strace; install it");
        return;
    }
    assert_holds("kill");
}

#[test]
fn a_crowd_of_handlers_and_reloads_loses_nothing() {
    assert_holds("crowd");
}

#[test]
fn forged_members_in_the_gossip_harm_no_other_member() {
    assert_holds("forgery");
}

#[test]
fn an_unknown_proof_is_a_usage_error() {
    let output = Command::new(env!("CARGO_BIN_EXE_prove")).arg("nothing").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}
