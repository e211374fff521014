//! The line of `-v` and of the log: the number, the traffic behind it, and the reason.

use crate::sizing::decision::Decision;
use crate::sizing::limits::Signal;

/// `6: 4 servers carry 113 sessions (28 each, target 20), 0 queued; up from 4`
pub(crate) fn line(decision: &Decision, signal: Signal) -> String {
    let wanted = decision.wanted.map_or("unknown".to_owned(), |wanted| wanted.to_string());
    let reason = decision.reason.as_ref().map_or("nothing is known yet".to_owned(), ToString::to_string);
    format!("{wanted}: {}; {reason}", load(decision, signal))
}

fn load(decision: &Decision, signal: Signal) -> String {
    if decision.traffic.answers == 0 {
        return "no balancer answers".to_owned();
    }
    let servers = match decision.serving {
        1 => "1 server carries".to_owned(),
        count => format!("{count} servers carry"),
    };
    let queued = decision.traffic.queued;
    format!("{servers} {}{}, {queued} queued{}", demand(decision, signal), share(decision), others(decision))
}

fn demand(decision: &Decision, signal: Signal) -> String {
    match (signal, decision.traffic.demand) {
        (Signal::Sessions, _) => format!("{} sessions", decision.traffic.sessions),
        (Signal::Rate, Some(rate)) => format!("{rate:.0} requests per second"),
        (Signal::Rate, None) => "an unknown number of requests per second".to_owned(),
    }
}

/// ` (28 each, target 20)`
fn share(decision: &Decision) -> String {
    let each = match decision.traffic.demand {
        Some(demand) if decision.serving > 0 => {
            Some(format!("{:.0} each", demand / f64::from(decision.serving)))
        }
        _ => None,
    };
    let target = decision.target.map(|target| format!("target {}", (target * 10.0).round() / 10.0));
    let parts: Vec<String> = each.into_iter().chain(target).collect();
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
}

/// `, 2 starting, 1 failed`
fn others(decision: &Decision) -> String {
    let others =
        [(decision.starting, "starting"), (decision.failed, "failed"), (decision.draining, "draining")];
    let shown = others.iter().filter(|(count, _)| *count > 0);
    shown.map(|(count, word)| format!(", {count} {word}")).collect()
}
