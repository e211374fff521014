//! What happens in silence, in doubt and after a gap.

use super::*;

#[test]
fn in_silence_the_number_stays_and_then_waits_for_a_window() {
    let mut story = Story::settled(6, 120);
    for _ in 0..100 {
        let decision = story.look_at(vec![("a".to_owned(), None)]);
        assert_eq!((decision.wanted, decision.count), (Some(6), None));
    }
    story.report.sessions = 0;
    assert_eq!(story.look().wanted, Some(6));
    assert_eq!(story.pass(4 * MINUTE).wanted, Some(6));
    assert_eq!(story.pass(MINUTE + 5 * SECOND).wanted, Some(5));
}

#[test]
fn a_long_gap_between_two_looks_begins_a_new_window_and_a_rare_timer_does_not() {
    for (gap, begins) in [(10 * MINUTE, false), (11 * MINUTE, false), (11 * MINUTE + SECOND, true)] {
        let mut story = Story::settled(6, 0);
        story.now += gap - 5 * SECOND;
        story.look();
        assert_eq!(story.memory.since == story.now, begins, "{gap}");
    }
}

#[test]
fn a_silent_balancer_has_as_much_as_before() {
    let mut story = Story::begun(6, 0);
    let both = |first: u64, second: Option<u64>| {
        let report =
            |sessions| Report { pid: 7, uptime: 1000, sessions, servers: up(6), ..Report::default() };
        vec![("a".to_owned(), Some(report(first))), ("b".to_owned(), second.map(report))]
    };
    let decision = story.look_at(both(60, Some(60)));
    assert_eq!((decision.wanted, decision.traffic.sessions), (Some(6), 120));
    let decision = story.look_at(both(60, None));
    assert_eq!((decision.wanted, decision.traffic.sessions), (Some(6), 120));
    assert_eq!(story.look_at(both(100, None)).wanted, Some(8), "it still goes up");
}

#[test]
fn a_new_worker_has_at_least_as_much_as_the_old_one() {
    let mut story = Story::settled(6, 120);
    story.report = Report { pid: 8, uptime: 0, sessions: 10, ..story.report.clone() };
    let decision = story.look();
    assert_eq!((decision.wanted, decision.traffic.sessions), (Some(6), 120));
    assert!(decision.traffic.doubt.is_some());
    assert!(story.look().traffic.doubt.is_none());
}

#[test]
fn a_balancer_that_is_no_longer_asked_begins_a_new_window() {
    let mut story = Story::settled(6, 0);
    let now = story.now;
    story.look_at(vec![("b".to_owned(), Some(Report { servers: up(6), ..Report::default() }))]);
    assert!(story.memory.since > now);
}

#[test]
fn times_that_make_no_sense_begin_a_new_window() {
    for (since, last) in [(0, u64::MAX), (u64::MAX, 0), (0, 5), (9_000_000_000, 9_000_000_000)] {
        let mut story = Story::settled(6, 0);
        story.memory.wanted = Some(6);
        (story.memory.since, story.memory.last) = (since, last);
        story.memory.lowered = Some(u64::MAX);
        assert_eq!(story.look().wanted, Some(6));
        assert_eq!(story.memory.since, story.now);
    }
}

#[test]
fn a_silent_balancer_does_not_change_the_target_from_maxconn() {
    let mut story = Story::begun(4, 0);
    story.limits.target = None;
    let report = || {
        let servers = up(4).into_iter().map(|server| Server { maxconn: Some(100), ..server }).collect();
        Report { pid: 7, uptime: 1000, sessions: 260, servers, ..Report::default() }
    };
    let both = story.look_at(vec![("a".to_owned(), Some(report())), ("b".to_owned(), Some(report()))]);
    assert_eq!((both.wanted, both.target), (Some(4), Some(140.0)));
    let one = story.look_at(vec![("a".to_owned(), Some(report())), ("b".to_owned(), None)]);
    assert_eq!((one.wanted, one.target), (Some(4), Some(140.0)));
}

#[test]
fn a_moment_in_the_future_does_not_hold_the_number_forever() {
    for moment in [9_000_000_000, u64::MAX] {
        let mut story = Story::settled(6, 0);
        story.memory.wanted = Some(6);
        (story.memory.lowered, story.memory.errors_rose) = (Some(moment), Some(moment));
        assert_eq!(story.look().wanted, Some(5), "{moment}");
    }
}
