//! What the number is made of: the rate, the target, the count.

use super::*;

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
fn servers_that_a_brief_answer_only_counts_are_there() {
    let mut story = Story::begun(0, 80);
    story.report.unnamed = 4;
    story.memory = Memory::default();
    let decision = story.look();
    assert_eq!((decision.wanted, decision.count, decision.serving), (Some(4), Some(4), 4));
}
