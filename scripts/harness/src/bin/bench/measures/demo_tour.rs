//! The demo's tour, which is the only source of one figure: the failed requests.

use std::process::{Command, Stdio};

use harness::run::programs;
use harness::{Error, Result};

use crate::bench::Bench;
use crate::results::report::{Figure, Report};

/// Runs the tour of `scripts/demo` once, which takes a minute or two, and reads its figures.
pub fn measure(_bench: &Bench, report: &mut Report) -> Result<()> {
    let program = programs::bin_dir()?.join("demo");
    let mut command = Command::new(&program);
    let output = command.arg("tour").stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.map_err(|err| Error::Unfit(format!("cannot run '{}': {err}", program.display())))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let lines = |word| text.lines().filter(move |line| line.starts_with(word));
    let requests = lines("requests").next_back().ok_or_else(|| Error::Answer {
        from: "demo tour".to_owned(),
        reason: "it has no line 'requests'".to_owned(),
    })?;
    let none = Some(Figure::Count(0));
    report.row("failed requests over the demo's tour", Figure::Count(failed(requests)), none, 1);
    report.row("faults of the tour: late effects", Figure::Count(lines("FAULT").count() as u64), none, 1);
    for line in ["effects", "requests", "session", "verdict"].into_iter().flat_map(lines) {
        report.note(line);
    }
    Ok(())
}

/// The number before `failed`. A missing number counts as one failure.
fn failed(line: &str) -> u64 {
    let words: Vec<&str> = line.split_whitespace().collect();
    let at = words.iter().position(|word| *word == "failed").filter(|at| *at > 0);
    at.and_then(|at| words[at - 1].parse().ok()).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_failed_requests_is_read_from_the_verdict() {
        assert_eq!(failed("requests   24010 idempotent GETs, 0 failed"), 0);
        assert_eq!(failed("requests   24010 idempotent GETs, 3 failed (2 reset, 1 503)"), 3);
        assert_eq!(failed("requests   none"), 1);
    }
}
