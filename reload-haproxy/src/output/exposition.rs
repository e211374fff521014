//! Prometheus' text format, as the textfile collector of node_exporter reads it.
//!
//! That collector does not read OpenMetrics: there the type of a counter has a name without `_total`.

use std::fmt::Display;

/// The kind of a metric.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Counter,
    Gauge,
}

/// A name and its value.
pub(super) type Label<'l> = (&'static str, &'l str);

/// A text that grows by one metric after the other.
#[derive(Debug, Default)]
pub(super) struct Exposition {
    text: String,
}

impl Exposition {
    /// Adds a metric with its samples: the labels and the value of each. Without samples nothing is added.
    pub(super) fn add<'l, V: Display>(
        &mut self,
        kind: Kind,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Vec<Label<'l>>, V)>,
    ) {
        let mut samples = samples.into_iter().peekable();
        if samples.peek().is_none() {
            return;
        }
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        };
        let text = &mut self.text;
        text.push_str(&format!("# HELP rollcall_{name} {help}.\n# TYPE rollcall_{name} {kind}\n"));
        for (labels, value) in samples {
            text.push_str(&format!("rollcall_{name}{} {value}\n", braced(&labels)));
        }
    }

    /// The text.
    pub(super) fn into_text(self) -> String {
        self.text
    }
}

fn braced(labels: &[Label]) -> String {
    if labels.is_empty() {
        return String::new();
    }
    let labels: Vec<String> =
        labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
    format!("{{{}}}", labels.join(","))
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_has_its_help_its_type_and_a_line_for_each_sample() {
        let mut text = Exposition::default();
        let labels = |value| vec![("role", value), ("x", "y")];
        text.add(Kind::Gauge, "nodes", "Nodes", [(labels("a\"b\\c\nd"), 2), (labels("e"), 0)]);
        text.add(Kind::Counter, "runs_total", "Runs", [(vec![], 1)]);
        text.add(Kind::Gauge, "none", "None", [] as [(Vec<Label>, u8); 0]);
        assert_eq!(
            text.into_text(),
            "# HELP rollcall_nodes Nodes.\n# TYPE rollcall_nodes gauge\n\
             rollcall_nodes{role=\"a\\\"b\\\\c\\nd\",x=\"y\"} 2\nrollcall_nodes{role=\"e\",x=\"y\"} 0\n\
             # HELP rollcall_runs_total Runs.\n# TYPE rollcall_runs_total counter\nrollcall_runs_total 1\n"
        );
    }
}
