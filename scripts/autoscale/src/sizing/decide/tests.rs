use super::*;
use crate::sizing::limits::Signal;
use crate::sizing::look::{Millis, Report, Server};

const SECOND: Millis = 1000;
const MINUTE: Millis = 60 * SECOND;

/// A series of looks at one balancer, 5 s apart.
struct Story {
    limits: Limits,
    memory: Memory,
    report: Report,
    now: Millis,
}

impl Story {
    /// Target 20, 2 to 20 servers, `servers` of them there, first seen at once and again after the first window.
    fn settled(servers: usize, sessions: u64) -> Story {
        let mut story = Story::begun(servers, sessions);
        story.pass(6 * MINUTE);
        story
    }

    fn begun(servers: usize, sessions: u64) -> Story {
        let report = Report { pid: 7, uptime: 100, sessions, servers: up(servers), ..Report::default() };
        let limits = Limits::new(2, 20, Some(20.0));
        let mut story = Story { limits, memory: Memory::default(), report, now: 1_000_000 };
        story.look();
        story
    }

    fn look(&mut self) -> Decision {
        self.look_at(vec![("a".to_owned(), Some(self.report.clone()))])
    }

    fn look_at(&mut self, balancers: Vec<(String, Option<Report>)>) -> Decision {
        self.now += 5 * SECOND;
        self.report.uptime += 5;
        let look = Look { now: self.now, balancers };
        let (decision, memory) = decide(&self.limits, Some(self.memory.clone()), &look, None).unwrap();
        self.memory = memory;
        decision
    }

    /// Looks for this time, while the engine does what the number says. Returns the last decision.
    fn pass(&mut self, time: Millis) -> Decision {
        let end = self.now + time;
        loop {
            let decision = self.look();
            if self.now >= end {
                return decision;
            }
            self.report.servers = up(decision.wanted.unwrap() as usize);
        }
    }

    fn wanted(&mut self, sessions: u64) -> u32 {
        self.report.sessions = sessions;
        self.look().wanted.unwrap()
    }
}

fn up(count: usize) -> Vec<Server> {
    (1..=count).map(|number| server(&format!("s{number}"), ServerState::Up, 0)).collect()
}

fn server(name: &str, state: ServerState, sessions: u64) -> Server {
    Server { name: name.to_owned(), state, sessions, maxconn: None }
}

fn reason(decision: &Decision) -> String {
    decision.reason.as_ref().unwrap().to_string()
}

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
fn the_rate_is_counted_between_two_looks_of_one_worker() {
    let mut story = Story::begun(4, 0);
    story.memory = Memory::default();
    story.limits.signal = Signal::Rate;
    let decision = story.look();
    assert_eq!((decision.wanted, decision.traffic.rate), (Some(4), None));
    story.report.requests += 500;
    let decision = story.look();
    assert_eq!((decision.wanted, decision.traffic.rate), (Some(5), Some(100.0)));
    story.report = Report { pid: 8, uptime: 1, requests: 3, ..story.report.clone() };
    assert_eq!(story.look().traffic.rate, Some(100.0), "a new worker has the old rate");
}

#[test]
fn two_looks_at_nearly_the_same_moment_keep_the_rate() {
    let mut story = Story::begun(4, 0);
    story.limits.signal = Signal::Rate;
    story.report.requests = 500;
    story.look();
    story.now -= 5 * SECOND - 10;
    story.report.requests = 600;
    assert_eq!(story.look().traffic.rate, Some(100.0));
    story.report.requests = 800;
    let rate = story.look().traffic.rate.unwrap();
    assert!((rate - 300.0 / 5.01).abs() < 0.1, "{rate}");
}

#[test]
fn without_a_target_it_is_a_share_of_the_servers_maxconn() {
    let mut story = Story::begun(4, 0);
    story.limits.target = None;
    story.report.servers.iter_mut().for_each(|server| server.maxconn = Some(100));
    story.report.sessions = 500;
    let decision = story.look();
    assert_eq!((decision.target, decision.wanted), (Some(70.0), Some(8)));
    story.report.servers.clear();
    assert_eq!(story.look().target, Some(70.0), "the last one is remembered");
    story.report.servers = up(4);
    let look = Look { now: story.now, balancers: vec![("a".to_owned(), Some(story.report.clone()))] };
    assert_eq!(decide(&story.limits, None, &look, None).unwrap_err(), NoTarget);
}

#[test]
fn without_a_memory_the_number_is_the_wish_of_the_moment() {
    let story = Story::begun(6, 0);
    let limits = Limits::new(1, 20, Some(20.0));
    let wish = |sessions, report: Option<Report>| {
        let report = report.map(|report| Report { sessions, ..report });
        let look = Look { now: 5, balancers: vec![("a".to_owned(), report)] };
        decide(&limits, None, &look, None).unwrap().0.wanted
    };
    assert_eq!(wish(25, Some(story.report.clone())), Some(2));
    assert_eq!(wish(380, Some(story.report)), Some(19));
    assert_eq!(wish(0, None), None);
}

#[test]
fn the_callers_count_is_the_number_to_start_from() {
    let limits = Limits::new(1, 100, Some(20.0));
    let report = Report { sessions: 2000, servers: up(2), ..Report::default() };
    let look = Look { now: 5, balancers: vec![("a".to_owned(), Some(report))] };
    let (decision, _) = decide(&limits, Some(Memory::default()), &look, Some(30)).unwrap();
    assert_eq!((decision.count, decision.wanted), (Some(30), Some(60)));
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
    assert_eq!(reason(&held), "stays at 6, although 5 would be enough: the state could not be written");
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

#[test]
fn while_an_engine_is_late_the_number_does_not_follow_each_small_change() {
    let mut story = Story::begun(5, 100);
    story.report.servers = up(2);
    assert_eq!(story.wanted(102), 5, "2 % more than 5 servers carry");
    assert_eq!(story.wanted(111), 6, "11 % more");
    story.report.servers[0].state = ServerState::Failed;
    assert_eq!(story.wanted(100), 6, "one of the 6 failed, and 5 are enough");
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

#[test]
fn servers_that_a_brief_answer_only_counts_are_there() {
    let mut story = Story::begun(0, 80);
    story.report.unnamed = 4;
    story.memory = Memory::default();
    let decision = story.look();
    assert_eq!((decision.wanted, decision.count, decision.serving), (Some(4), Some(4), 4));
}
