//! How the number follows a rise, and its bounds.

use super::*;

#[test]
fn the_number_is_the_sessions_by_the_target_rounded_up() {
    for (sessions, wanted) in [(0, 2), (40, 2), (41, 2), (45, 3), (113, 6), (160, 8)] {
        let mut story = Story::begun(2, 0);
        story.limits.up_period = 0;
        story.report.servers = up(4);
        story.memory.wanted = Some(2);
        story.memory.count = Some(4);
        assert_eq!(story.wanted(sessions), wanted, "{sessions}");
    }
}

#[test]
fn within_the_tolerance_the_number_stays() {
    for (sessions, wanted) in [(80, 4), (88, 4), (89, 5)] {
        assert_eq!(Story::begun(4, 80).wanted(sessions), wanted, "{sessions}");
    }
}

#[test]
fn upwards_it_doubles_or_adds_four_in_a_period() {
    let mut story = Story::begun(2, 40);
    assert_eq!(story.wanted(10_000), 6);
    assert_eq!(
        reason(&story.look()),
        "stays at 6; 20 are needed, but a step of 15s at most doubles the servers or adds four"
    );
    story.report.servers = up(6);
    story.look();
    assert_eq!(story.look().wanted, Some(6), "the period is not over");
    let decision = story.look();
    assert_eq!((decision.wanted, decision.count), (Some(12), Some(6)));
    assert!(reason(&decision).starts_with("up from 6; 20 are needed"), "{}", reason(&decision));
}

#[test]
fn an_engine_that_starts_nothing_is_not_asked_for_more_and_more() {
    let mut story = Story::begun(2, 10_000);
    for _ in 0..100 {
        assert_eq!(story.look().wanted, Some(6));
    }
}

#[test]
fn the_number_is_never_outside_its_bounds() {
    let mut story = Story::settled(20, 100_000);
    let decision = story.look();
    assert_eq!((decision.wanted, reason(&decision).as_str()), (Some(20), "5000 are needed, but --max is 20"));
    let mut story = Story::settled(2, 0);
    let decision = story.look();
    assert_eq!((decision.wanted, reason(&decision).as_str()), (Some(2), "0 would be enough, but --min is 2"));
    let mut story = Story::begun(50, 1000);
    assert_eq!(story.look().wanted, Some(20), "fifty were there before");
}

#[test]
fn a_queue_in_two_looks_asks_for_one_more_than_serve() {
    let mut story = Story::begun(4, 70);
    story.report.queued = 3;
    assert_eq!(story.look().wanted, Some(4));
    assert_eq!(story.look().wanted, Some(5));
    story.report.servers.push(server("s5", ServerState::Starting, 0));
    assert_eq!(story.look().wanted, Some(5), "the fifth is starting");
    story.report.servers = up(5);
    assert_eq!(story.look().wanted, Some(6));
}

#[test]
fn a_failed_server_is_made_up_for_but_not_a_crowd_of_them() {
    let mut story = Story::begun(4, 80);
    story.report.servers[0].state = ServerState::Failed;
    let decision = story.look();
    assert_eq!((decision.wanted, decision.count, decision.serving), (Some(5), Some(4), 3));
    let mut story = Story::begun(4, 40);
    story.report.servers.iter_mut().for_each(|server| server.state = ServerState::Failed);
    assert_eq!(story.look().wanted, Some(4));
}

#[test]
fn while_an_engine_is_late_the_number_does_not_follow_each_small_change() {
    let mut story = Story::begun(5, 100);
    story.report.servers = up(2);
    assert_eq!(story.wanted(102), 5, "2 % more than 5 servers carry");
    assert_eq!(story.wanted(111), 6, "11 % more");
    story.report.servers[0].state = ServerState::Failed;
    assert_eq!(story.wanted(100), 6, "one of the 6 failed, and 5 are enough");
}
