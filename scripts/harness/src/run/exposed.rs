//! Metrics in Prometheus' text format, checked by promtool as Prometheus reads them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};

use crate::run::programs;

/// The values of metrics, each by its name with its labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Exposed(BTreeMap<String, f64>);

impl Exposed {
    /// Reads a text. Panics if `promtool check metrics` finds anything wrong with it.
    pub fn read(text: &str) -> Exposed {
        check(text);
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        let pairs = samples.map(|line| line.rsplit_once(' ').unwrap());
        Exposed(pairs.map(|(name, value)| (name.to_owned(), value.parse().unwrap())).collect())
    }

    /// The value of `rollcall_NAME`, where `name` includes the labels: `nodes{role="backend"}`. Panics if it is missing.
    pub fn value(&self, name: &str) -> f64 {
        self.get(name).unwrap_or_else(|| panic!("'{name}' is missing: {self:#?}"))
    }

    /// The same, or `None` if it is missing.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.0.get(&format!("rollcall_{name}")).copied()
    }

    /// The counters that are not 0, without `rollcall_`, with their values.
    pub fn counted(&self) -> Vec<(&str, f64)> {
        let counters = self.0.iter().filter(|(name, value)| name.contains("_total{") && **value > 0.0);
        counters.map(|(name, value)| (name.strip_prefix("rollcall_").unwrap(), *value)).collect()
    }
}

fn check(text: &str) {
    let mut command = Command::new(programs::find("promtool").unwrap());
    command.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut promtool = command.spawn().unwrap();
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && complaint.is_empty(), "{complaint}\n{text}");
}
