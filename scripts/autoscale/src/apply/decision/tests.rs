//! The decision, row by row.

use super::action::{Action, Kind};
use super::attempts::{Attempt, Attempts, Outcome, pause};
use super::decide;
use super::situation::{Choice, Situation};
use super::victim::{Phase, Server, Victim};

const NOW: u64 = 1_000_000;

/// What was tried last, and how many seconds ago.
fn tried(value: &str, tries: u8, ago: u64, outcome: Outcome) -> Option<Attempt> {
    let failure = if outcome == Outcome::Failed { "cannot" } else { "" }.to_owned();
    Some(Attempt { value: value.to_owned(), tries, at: NOW - ago * 1000, outcome, failure })
}

fn victim(phase: Phase, idle: u8, ago: u64) -> Victim {
    Victim { name: "s1".into(), since: NOW - ago * 1000, idle, phase }
}

fn situation(wanted: u32, count: u32, attempts: &Attempts) -> Situation<'_> {
    Situation {
        wanted,
        count,
        reason: "why",
        is_sure: true,
        choice: None,
        servers: None,
        attempts,
        victim: None,
        now: NOW,
    }
}

/// What is done, as a line for each action.
fn shown(situation: &Situation<'_>) -> Vec<String> {
    let line = |action: Action| match action {
        Action::Run(order, tries) => {
            format!("{:?} {} to {} ({tries}): {}", order.kind, order.value, order.goal, order.because)
        }
        Action::Wait { goal, left, failure } => {
            format!("wait {left} to {goal}{}", failure.map_or("", |_| ", failing"))
        }
        Action::Settle { count } => format!("settle {count}"),
        Action::Note(victim) => format!("note {} {:?} {}", victim.name, victim.phase, victim.idle),
        Action::Forget { why } => why,
    };
    decide(situation).into_iter().map(line).collect()
}

#[test]
fn the_number_is_made_true_and_in_doubt_only_upwards() {
    let none = Attempts::default();
    for (wanted, count, is_sure, says) in [
        (6, 4, true, &["Scale 6 to scale from 4 to 6 (1): why"][..]),
        (6, 4, false, &["Scale 6 to scale from 4 to 6 (1): why"]),
        (4, 6, true, &["Scale 4 to scale from 6 to 4 (1): why"]),
        (4, 6, false, &[]),
        (4, 4, true, &[]),
    ] {
        let situation = Situation { is_sure, ..situation(wanted, count, &none) };
        assert_eq!(shown(&situation), says, "{wanted} of {count}, sure: {is_sure}");
    }
}

#[test]
fn an_attempt_is_repeated_after_its_pause_and_another_number_is_new_only_after_success() {
    use Outcome::{Done, Failed};
    for (last, says) in [
        (tried("6", 1, 14, Failed), "wait 1000 to scale from 4 to 6, failing"),
        (tried("6", 1, 15, Failed), "Scale 6 to scale from 4 to 6 (2): attempt 2; why"),
        (tried("5", 1, 14, Failed), "wait 1000 to scale from 4 to 6, failing"),
        (tried("5", 2, 30, Failed), "Scale 6 to scale from 4 to 6 (3): attempt 3; why"),
        (tried("6", 99, 300, Failed), "Scale 6 to scale from 4 to 6 (99): attempt 99; why"),
        (tried("6", 2, 1, Done), "wait 29000 to scale from 4 to 6"),
        (
            tried("6", 2, 30, Done),
            "Scale 6 to scale from 4 to 6 (3): the command said success, but there are 4; why",
        ),
        (tried("5", 2, 1, Done), "Scale 6 to scale from 4 to 6 (1): why"),
    ] {
        let attempts = Attempts { scale: last.clone(), ..Attempts::default() };
        assert_eq!(shown(&situation(6, 4, &attempts)), [says], "{last:?}");
        assert_eq!(shown(&situation(4, 4, &attempts)), ["settle 4"], "{last:?}");
    }
}

#[test]
fn pauses_grow_to_five_minutes() {
    let pauses = [1, 2, 3, 4, 5, 6, 99].map(|tries| pause(tries) / 1000);
    assert_eq!(pauses, [15, 30, 60, 120, 240, 300, 300]);
}

/// What is done with a victim, by its phase, what HAProxy says of it, its sessions, and how many servers are wanted of 4.
fn tended(victim: &Victim, state: &str, sessions: u64, wanted: u32, attempts: &Attempts) -> Vec<String> {
    let server = |name: &str, is_draining| Server { name: name.into(), is_draining, sessions };
    let all = [server("s1", state == "draining"), server("s2", false)];
    let servers = if state.is_empty() { &all[1..] } else { &all };
    let choice = Some(Choice { drains: true, limit: 60_000 });
    let choosing = Situation { choice, servers: Some(servers), ..situation(wanted, 4, attempts) };
    shown(&Situation { victim: Some(victim), ..choosing })
}

/// A row: the phase, in how many looks it was idle, for how many seconds, what HAProxy says of it, its sessions, how many
/// servers are wanted of 4, and what is done.
type Row<'a> = (Phase, u8, u64, &'a str, u64, u32, &'a [&'a str]);

fn check(rows: &[Row<'_>]) {
    for (phase, idle, ago, state, sessions, wanted, says) in rows {
        let seen = tended(&victim(*phase, *idle, *ago), state, *sessions, *wanted, &Attempts::default());
        assert_eq!(seen, *says, "{phase:?} {idle} {ago} s, {state} {sessions}, wanted {wanted}");
    }
}

#[test]
fn a_victim_drains_until_it_is_idle_or_its_time_is_over() {
    use Phase::{Asked, Draining};
    let idle = "Stop s1 to stop s1 (1): it has no sessions left";
    let late = "Stop s1 to stop s1 (1): it has drained for 60 s, and still has sessions: 5";
    check(&[
        (Asked, 0, 0, "up", 3, 3, &["Drain s1 to drain s1 (1): why"]),
        (Asked, 0, 0, "up", 3, 4, &[]),
        (Asked, 0, 0, "draining", 3, 3, &["note s1 Draining 0"]),
        (Asked, 0, 99, "draining", 0, 3, &["note s1 Draining 1"]),
        (Draining, 0, 9, "draining", 0, 4, &["note s1 Draining 1"]),
        (Draining, 1, 9, "draining", 5, 4, &["note s1 Draining 0"]),
        (Draining, 1, 9, "draining", 0, 4, &["note s1 Draining 2", idle]),
        (Draining, 0, 59, "draining", 5, 4, &["note s1 Draining 0"]),
        (Draining, 0, 60, "draining", 5, 4, &["note s1 Draining 0", late]),
    ]);
}

#[test]
fn a_victim_is_left_alone_when_it_is_gone_or_serves_again() {
    use Phase::{Asked, Draining, Stopped};
    let gone: &[&str] = &["s1 is gone"];
    let spared = "s1 stays: it serves again, so someone else has ended its drain";
    check(&[
        (Asked, 0, 9, "", 0, 3, gone),
        (Draining, 0, 9, "", 0, 3, gone),
        (Stopped, 0, 9, "", 0, 3, gone),
        (Draining, 0, 9, "up", 5, 3, &[spared]),
        (Stopped, 0, 9, "draining", 0, 4, &["Stop s1 to stop s1 (1): it was drained"]),
        (Stopped, 0, 9, "up", 0, 3, &["Stop s1 to stop s1 (1): why"]),
        (Stopped, 0, 9, "up", 0, 4, &["s1 is there again"]),
    ]);
}

#[test]
fn a_victim_that_could_not_be_drained_is_spared_if_it_is_needed() {
    let attempts = Attempts { drain: tried("s1", 1, 1, Outcome::Failed), ..Attempts::default() };
    let asked = victim(Phase::Asked, 0, 1);
    assert_eq!(tended(&asked, "up", 0, 4, &attempts), ["s1 stays: it is needed again"]);
    assert_eq!(tended(&asked, "up", 0, 3, &attempts), ["wait 14000 to drain s1, failing"]);
}

#[test]
fn a_stopped_victim_that_stays_is_stopped_again_after_a_pause() {
    let attempts = |ago| Attempts { stop: tried("s1", 1, ago, Outcome::Done), ..Attempts::default() };
    let stopped = victim(Phase::Stopped, 2, 20);
    assert_eq!(tended(&stopped, "draining", 0, 3, &attempts(1)), ["wait 14000 to stop s1"]);
    let again = "Stop s1 to stop s1 (2): the command said success, but s1 is still there; it was drained";
    assert_eq!(tended(&stopped, "draining", 0, 3, &attempts(15)), [again]);
}

#[test]
fn more_servers_come_before_a_victim_which_the_engine_still_runs() {
    let none = Attempts::default();
    for (phase, number) in [(Phase::Asked, 7), (Phase::Draining, 7), (Phase::Stopped, 6)] {
        let victim = victim(phase, 1, 9);
        let says = format!("Scale {number} to scale from 4 to 6 (1): why");
        assert_eq!(tended(&victim, "draining", 0, 6, &none), [says], "{phase:?}");
    }
    let failed = Attempts { scale: tried("7", 1, 1, Outcome::Failed), ..Attempts::default() };
    let says = ["wait 14000 to scale from 4 to 6, failing", "note s1 Draining 1"];
    assert_eq!(tended(&victim(Phase::Draining, 0, 9), "draining", 0, 6, &failed), says);
}

#[test]
fn the_one_with_the_fewest_sessions_is_chosen_of_those_that_serve() {
    let none = Attempts::default();
    let server = |name: &str, is_draining, sessions| Server { name: name.into(), is_draining, sessions };
    let servers =
        [server("s1", true, 0), server("-x", false, 0), server("s3", false, 1), server("s4", false, 2)];
    let by = |drains, is_sure, servers| {
        let choice = Some(Choice { drains, limit: 60_000 });
        shown(&Situation { choice, servers, is_sure, ..situation(3, 4, &none) })
    };
    let because = "(1): it has the fewest sessions, 1; why";
    let drained = format!("Drain s3 to drain s3 {because}");
    assert_eq!(by(true, true, Some(&servers)), ["note s3 Asked 0", drained.as_str()]);
    let stopped = format!("Stop s3 to stop s3 {because}");
    assert_eq!(by(false, true, Some(&servers)), ["note s3 Asked 0", stopped.as_str()]);
    assert!(by(true, false, Some(&servers)).is_empty(), "in doubt");
    assert!(by(true, true, None).is_empty(), "a balancer is silent");
    assert!(by(true, true, Some(&servers[..2])).is_empty());
}

#[test]
fn only_more_servers_may_come_without_a_note() {
    let none = Attempts::default();
    for (wanted, is_more) in [(5, true), (3, false)] {
        let actions = decide(&situation(wanted, 4, &none));
        let [Action::Run(order, 1)] = &actions[..] else { panic!("{actions:?}") };
        assert_eq!((order.kind, order.is_more), (Kind::Scale, is_more));
    }
}
