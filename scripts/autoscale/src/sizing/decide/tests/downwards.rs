//! How the number falls, and what holds it.

use super::*;

#[test]
fn downwards_it_waits_for_the_window_and_goes_one_by_one() {
    let mut story = Story::settled(6, 120);
    story.report.sessions = 40;
    let decision = story.pass(4 * MINUTE);
    assert_eq!(reason(&decision), "stays at 6, although 2 would be enough: 6 were needed within the last 5m");
    let decision = story.pass(MINUTE + 5 * SECOND);
    assert_eq!((decision.wanted, decision.before), (Some(5), Some(5)));
    let decision = story.pass(50 * SECOND);
    assert_eq!(
        reason(&decision),
        "stays at 5, although 2 would be enough: the last step down was less than 1m ago"
    );
    assert_eq!(story.pass(20 * SECOND).wanted, Some(4));
    assert_eq!(story.pass(5 * MINUTE).wanted, Some(2));
}

#[test]
fn a_step_down_is_a_tenth_of_many() {
    let mut story = Story::begun(100, 2000);
    story.limits.max = 200;
    story.pass(6 * MINUTE);
    story.report.sessions = 100;
    story.pass(5 * MINUTE);
    assert_eq!(story.look().wanted, Some(90));
}

#[test]
fn it_does_not_go_down_in_its_first_window() {
    let mut story = Story::begun(6, 0);
    assert_eq!(
        reason(&story.pass(4 * MINUTE)),
        "stays at 6, although 2 would be enough: the first look was less than 5m ago"
    );
    assert_eq!(story.pass(MINUTE + 5 * SECOND).wanted, Some(5));
}

#[test]
fn it_does_not_go_down_while_a_server_drains_or_errors_rise() {
    let mut story = Story::settled(6, 0);
    story.memory.wishes = Default::default();
    story.memory.lowered = None;
    story.memory.wanted = Some(6);
    story.report.servers = up(6);
    story.report.servers.push(server("old", ServerState::Draining, 3));
    let decision = story.look();
    assert_eq!((decision.wanted, decision.count, decision.draining), (Some(6), Some(6), 1));
    assert!(reason(&decision).ends_with("server old still drains, with 3 sessions"), "{}", reason(&decision));
    story.report.servers[6].sessions = 0;
    story.report.errors = 1;
    assert!(reason(&story.look()).ends_with("failed connections or retries rise"));
    story.look();
    story.look();
    assert_eq!(story.look().wanted, Some(5));
}

#[test]
fn servers_that_someone_else_added_are_not_stopped_at_once() {
    let mut story = Story::settled(4, 80);
    story.report.servers = up(12);
    assert_eq!(story.look().wanted, Some(12));
    story.report.servers = up(3);
    assert_eq!(story.look().wanted, Some(12), "they were lost, and are wanted again");
}

#[test]
fn an_engine_that_is_late_with_stopping_does_not_raise_the_number() {
    let mut story = Story::settled(6, 120);
    story.report.sessions = 40;
    story.pass(5 * MINUTE);
    story.report.servers = up(6);
    story.memory.count = Some(6);
    assert_eq!(story.look().wanted, Some(5));
    assert_eq!(story.look().wanted, Some(5));
}

#[test]
fn a_decision_that_cannot_be_remembered_does_not_go_down() {
    let mut story = Story::settled(6, 120);
    story.report.sessions = 40;
    story.pass(4 * MINUTE);
    let lower = loop {
        let decision = story.look();
        if decision.wanted < decision.before {
            break decision;
        }
    };
    let held = lower.without_lowering();
    assert_eq!(held.wanted, Some(6));
    assert_eq!(reason(&held), "stays at 6, although 5 would be enough: the state cannot be used");
    story.limits.max = 4;
    assert_eq!(story.look().without_lowering().wanted, Some(4), "the most that may be");
}

#[test]
fn rising_errors_hold_the_number_even_without_a_period_upwards() {
    let mut story = Story::settled(6, 0);
    story.limits.up_period = 0;
    (story.memory.wanted, story.memory.lowered) = (Some(6), None);
    story.report.errors += 1;
    assert_eq!(story.look().wanted, Some(6));
    assert_eq!(story.look().wanted, Some(5), "they do not rise any more");
}

#[test]
fn an_engine_that_runs_fewer_servers_than_asked_for_does_not_move_the_number() {
    let mut story = Story::settled(4, 75);
    story.report.servers = up(3);
    // Within the tolerance of the three that are there, but four were asked for.
    for _ in 0..70 {
        assert_eq!(story.wanted(65), 4);
    }
}
