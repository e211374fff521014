//! The next step with the server that is chosen to go: it is drained, and stopped once it has no sessions.

use super::action::{Action, Kind, Order};
use super::attempts::Outcome;
use super::situation::{Choice, Situation};
use super::victim::{Phase, Server, Victim, is_name};

/// In this many looks in a row it must have had no sessions, because a request may be on its way.
const IDLE_LOOKS: u8 = 2;

/// The next step with the chosen server, or the choice of one if there are too many.
pub(super) fn decide(situation: &Situation<'_>) -> Vec<Action> {
    let (Some(choice), Some(servers), true) = (situation.choice, situation.servers, situation.is_sure) else {
        return Vec::new();
    };
    match situation.victim {
        Some(victim) => {
            let server = servers.iter().find(|server| server.name == victim.name);
            tend(situation, choice, victim, server)
        }
        None if situation.wanted < situation.count => choose(situation, choice, servers),
        None => Vec::new(),
    }
}

/// The next step with the victim.
fn tend(situation: &Situation<'_>, choice: Choice, victim: &Victim, server: Option<&Server>) -> Vec<Action> {
    let are_too_many = situation.wanted < situation.count;
    let name = &victim.name;
    let Some(server) = server else { return forget(format!("{name} is gone")) };
    match victim.phase {
        Phase::Stopped if server.is_draining => vec![stop(situation, name, "it was drained")],
        Phase::Stopped if are_too_many => vec![stop(situation, name, situation.reason)],
        Phase::Stopped => forget(format!("{name} is there again")),
        Phase::Draining if server.is_draining => {
            wait_for_sessions(situation, choice, victim, server.sessions)
        }
        Phase::Asked if server.is_draining => {
            let begun = Victim { since: situation.now, idle: 0, phase: Phase::Draining, ..victim.clone() };
            wait_for_sessions(situation, choice, &begun, server.sessions)
        }
        Phase::Draining => {
            forget(format!("{name} stays: it serves again, so someone else has ended its drain"))
        }
        // HAProxy does not show it as draining: the command has had no effect, at least not yet.
        Phase::Asked if are_too_many => vec![begin(situation, choice, name, situation.reason)],
        Phase::Asked => spare(situation, name),
    }
}

/// It does not drain yet, and is needed again.
fn spare(situation: &Situation<'_>, name: &str) -> Vec<Action> {
    let attempts = [&situation.attempts.drain, &situation.attempts.stop];
    let has_failed = attempts.into_iter().flatten().any(|attempt| attempt.outcome == Outcome::Failed);
    if has_failed { forget(format!("{name} stays: it is needed again")) } else { Vec::new() }
}

fn wait_for_sessions(
    situation: &Situation<'_>,
    choice: Choice,
    victim: &Victim,
    sessions: u64,
) -> Vec<Action> {
    let idle = if sessions == 0 { (victim.idle + 1).min(IDLE_LOOKS) } else { 0 };
    let note = Action::Note(Victim { idle, ..victim.clone() });
    let seconds = choice.limit / 1000;
    let late = format!("it has drained for {seconds} s, and still has sessions: {sessions}");
    match () {
        () if idle >= IDLE_LOOKS => vec![note, stop(situation, &victim.name, "it has no sessions left")],
        () if situation.now - victim.since >= choice.limit => {
            vec![note, stop(situation, &victim.name, &late)]
        }
        () => vec![note],
    }
}

/// Chooses the server with the fewest sessions of those that do not drain.
fn choose(situation: &Situation<'_>, choice: Choice, servers: &[Server]) -> Vec<Action> {
    let Some(server) = servers.iter().find(|server| !server.is_draining && is_name(&server.name)) else {
        return Vec::new();
    };
    let victim = Victim { name: server.name.clone(), since: situation.now, idle: 0, phase: Phase::Asked };
    let because = format!("it has the fewest sessions, {}; {}", server.sessions, situation.reason);
    vec![Action::Note(victim), begin(situation, choice, &server.name, &because)]
}

/// Drains it, or stops it at once if the engine drains by itself.
fn begin(situation: &Situation<'_>, choice: Choice, name: &str, because: &str) -> Action {
    if !choice.drains {
        return stop(situation, name, because);
    }
    let unchanged = format!("{name} does not drain");
    order(situation, Kind::Drain, name, format!("drain {name}"), because, unchanged)
}

fn stop(situation: &Situation<'_>, name: &str, because: &str) -> Action {
    order(situation, Kind::Stop, name, format!("stop {name}"), because, format!("{name} is still there"))
}

fn order(
    situation: &Situation<'_>,
    kind: Kind,
    name: &str,
    goal: String,
    because: &str,
    unchanged: String,
) -> Action {
    let (value, because) = (name.to_owned(), because.to_owned());
    situation.attempts.again(Order { kind, value, goal, because, unchanged, is_more: false }, situation.now)
}

fn forget(why: String) -> Vec<Action> {
    vec![Action::Forget { why }]
}
