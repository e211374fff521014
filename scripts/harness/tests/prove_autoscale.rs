//! The proof of autoscale in its short form.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::process::{Command, Stdio};

use harness::run::programs;

#[test]
fn autoscale_holds_through_simulated_days_and_while_haproxy_disk_and_engine_fail() {
    if !programs::are_here(&["haproxy"]) {
        return;
    }
    if !nix::unistd::geteuid().is_root() {
        assert!(std::env::var_os("CI").is_none(), "a full disk needs root");
        eprintln!("SKIPPED: a full disk needs root");
        return;
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_prove"));
    let output = command.args(["autoscale", "--short"]).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let complained = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}{complained}");
    assert_eq!(said.lines().last(), Some("autoscale: HOLDS"), "{said}{complained}");
}
