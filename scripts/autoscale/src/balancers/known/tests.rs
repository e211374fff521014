use super::*;

use crate::sizing::look::Server;

const TARGET: Needs = Needs { names: false, maxconn: false, changes: false };
const MAXCONN: Needs = Needs { maxconn: true, ..TARGET };
const NOW: Millis = 1_000_000;

fn up(servers: u32) -> Report {
    Report { pid: 7, uptime: 500, active: servers.into(), weight: 4, unnamed: servers, ..Report::default() }
}

/// What is known after a look at four servers that are up.
fn known(question: Question, needs: Needs) -> Known {
    let mut known = Known::default();
    known.learn(&up(4), question, needs, NOW);
    known
}

#[test]
fn the_row_is_enough_while_the_list_is_fresh_and_all_are_there() {
    assert_eq!(Known::default().question(TARGET, NOW), Question::List);
    let known = known(Question::List, TARGET);
    for (passed, question) in [(0, Question::Row), (14_999, Question::Row), (15_000, Question::List)] {
        assert_eq!(known.question(TARGET, NOW + passed), question);
    }
    assert_eq!(known.question(TARGET, NOW - 1), Question::List, "a time in the future");
    assert_eq!(known.question(Needs { changes: true, ..TARGET }, NOW), Question::List);
    assert_eq!(known.question(Needs { names: true, ..TARGET }, NOW), Question::Whole);
}

#[test]
fn a_row_of_other_servers_or_of_another_worker_is_not_enough() {
    let known = known(Question::List, TARGET);
    let same = Report { uptime: 505, unnamed: 0, ..up(4) };
    let complete = |report| known.complete(report, Question::Row, TARGET, NOW + 5_000);
    assert_eq!(complete(same.clone()).map(|report| report.unnamed), Some(4));
    for other in [
        Report { active: 3, ..same.clone() },
        Report { weight: 5, ..same.clone() },
        Report { pid: 8, ..same.clone() },
        Report { uptime: 502, ..same.clone() },
        Report { uptime: u64::MAX, ..same },
    ] {
        assert_eq!(complete(other.clone()), None, "{other:?}");
    }
    assert_eq!(Known::next_question(Question::Row, TARGET), Question::List);
    assert_eq!(Known::next_question(Question::List, TARGET), Question::Whole);
    assert_eq!(Known::next_question(Question::Row, MAXCONN), Question::Whole);
}

#[test]
fn a_list_with_a_server_that_is_not_up_is_not_remembered() {
    let server = |state| Server { name: "s".to_owned(), state, sessions: 0, maxconn: None };
    let one = |state, active| Report { servers: vec![server(state)], active, unnamed: 0, ..up(0) };
    let list = |report: &Report| List::of(report, NOW).map(|list| list.servers);
    assert_eq!(list(&one(ServerState::Up, 1)), Some(1));
    assert_eq!(list(&one(ServerState::Up, 2)), None);
    for state in [ServerState::Starting, ServerState::Failed, ServerState::Draining] {
        assert_eq!(list(&one(state, 1)), None);
    }
    let mut known = known(Question::List, TARGET);
    known.learn(&one(ServerState::Failed, 0), Question::Whole, TARGET, NOW);
    assert_eq!(known.question(TARGET, NOW), Question::List);
}

#[test]
fn maxconn_is_asked_for_every_minute_and_when_the_servers_change() {
    assert_eq!(Known::default().question(MAXCONN, NOW), Question::Whole);
    let mut known = known(Question::Whole, MAXCONN);
    assert_eq!(known.question(MAXCONN, NOW + 5_000), Question::Row);
    assert_eq!(known.question(MAXCONN, NOW + 15_000), Question::List);
    assert_eq!(known.question(MAXCONN, NOW + 60_000), Question::Whole);
    let at = NOW + 20_000;
    let later = Report { uptime: 520, ..up(4) };
    let more = Report { active: 5, unnamed: 5, ..later.clone() };
    assert_eq!(known.complete(more.clone(), Question::List, MAXCONN, at), None);
    assert!(known.complete(more, Question::List, TARGET, at).is_some());
    assert!(known.complete(later.clone(), Question::List, MAXCONN, at).is_some());
    known.learn(&later, Question::List, MAXCONN, at);
    assert_eq!(known.question(MAXCONN, NOW + 34_999), Question::Row);
    assert_eq!(known.question(MAXCONN, NOW + 60_000), Question::Whole, "a list has no maxconn");
}

#[test]
fn a_target_that_was_given_is_not_taken_for_the_servers_maxconn() {
    let mut known = known(Question::Whole, MAXCONN);
    known.learn(&up(4), Question::Row, TARGET, NOW);
    assert_eq!(known.question(MAXCONN, NOW), Question::Whole);
}
