//! The outcome of a run of reload-haproxy, and assertions about it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::process::Child;

/// The outcome of a run of reload-haproxy.
#[derive(Debug)]
pub struct Outcome {
    /// Its exit code; -1 if a signal ended it.
    pub code: i32,
    /// Its stderr.
    pub stderr: String,
}

/// Waits for the end of a run.
pub fn finish(child: Child) -> Outcome {
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    Outcome { code: output.status.code().unwrap_or(-1), stderr }
}

/// Asserts that it succeeded and that its stderr contains this text.
#[track_caller]
pub fn assert_done(outcome: &Outcome, says: &str) {
    assert!(outcome.code == 0 && outcome.stderr.contains(says), "{}: {}", outcome.code, outcome.stderr);
}

/// Asserts that HAProxy or a check before it rejected the file (exit code 5), and that stderr contains this text.
#[track_caller]
pub fn assert_refused(outcome: &Outcome, says: &str) {
    assert!(outcome.code == 5 && outcome.stderr.contains(says), "{}: {}", outcome.code, outcome.stderr);
}
