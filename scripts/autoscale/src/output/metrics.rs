//! The decision as OpenMetrics text, which Prometheus and node_exporter's textfile collector read.
//!
//! The format is <https://github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md>.

use crate::sizing::decision::Decision;

/// The decision as OpenMetrics text. What is not known is left out.
pub(crate) fn metrics(decision: &Decision, backends: &[String]) -> String {
    let label = format!("{{backend=\"{}\"}}", escaped(&backends.join(",")));
    let traffic = &decision.traffic;
    let families: [(&str, &str, Option<f64>); 10] = [
        ("wanted_servers", "How many servers there should be", decision.wanted.map(f64::from)),
        ("servers", "How many servers there are", decision.count.map(f64::from)),
        ("serving_servers", "Servers that serve", known(decision, f64::from(decision.serving))),
        (
            "starting_servers",
            "Servers that have joined and never served",
            known(decision, f64::from(decision.starting)),
        ),
        ("failed_servers", "Servers that served and are down", known(decision, f64::from(decision.failed))),
        (
            "draining_servers",
            "Servers that get no new sessions",
            known(decision, f64::from(decision.draining)),
        ),
        ("sessions", "Sessions, including those in the queue", known(decision, traffic.sessions as f64)),
        ("queued_requests", "Requests in the queue", known(decision, traffic.queued as f64)),
        (
            "target_per_server",
            "How many sessions or requests per second one server should carry",
            decision.target,
        ),
        ("complete", "1 if all balancers answered", Some(f64::from(u8::from(traffic.doubt.is_none())))),
    ];
    let family = |(name, help, value): &(&str, &str, Option<f64>)| {
        value.map(|value| {
            let name = format!("rollcall_autoscale_{name}");
            format!("# HELP {name} {help}.\n# TYPE {name} gauge\n{name}{label} {value}\n")
        })
    };
    let text: String = families.iter().filter_map(family).collect();
    format!("{text}# EOF\n")
}

/// A number that is known only if a balancer answered.
fn known(decision: &Decision, number: f64) -> Option<f64> {
    (decision.traffic.answers > 0).then_some(number)
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
