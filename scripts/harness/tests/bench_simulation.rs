//! The short form of `scripts/bench simulation`: two hundred simulated members, the real handler and a real HAProxy.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::process::Command;

use harness::run::programs;

#[test]
fn simulated_members_end_as_haproxys_servers() {
    if !programs::are_all_here() {
        return;
    }
    let output = Command::new(env!("CARGO_BIN_EXE_bench")).args(["--quick", "simulation"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    for calm in ["join within", "are replaced within"] {
        let row = said.lines().position(|line| line.contains(calm)).unwrap();
        let failed = said.lines().skip(row + 1).take(5).find(|line| line.contains("failed requests"));
        assert_eq!(failed, None, "{said}");
    }
}
