//! Changes of servers in a running HAProxy under traffic: no visitor notices them.
//!
//! `$HAPROXY` names another HAProxy than the installed one, as in tests/reload_methods.rs. HAProxy does not retry
//! requests here, so each failure is visible.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::thread;
use std::time::{Duration, Instant};

use harness::cluster::single_haproxy::{BALANCED, HaproxyFixture, assert_done, is_since};
use harness::daemons::counting_server::CountingServer;
use harness::daemons::haproxy::Mode;
use harness::run::poll;
use harness::traffic::http::Client;
use harness::traffic::load::{Counts, Load, Rate};

const SOON: Duration = Duration::from_secs(10);

/// Whether servers that leave are deleted, and not parked in maintenance.
fn deletes() -> bool {
    is_since((3, 0))
}

#[track_caller]
fn assert_none_failed(counts: &Counts, least: u64) {
    assert!(counts.requests >= least, "{}", counts.requests);
    assert_eq!(counts.failures(), 0, "{} of {}", counts.failures_shown(), counts.requests);
}

#[test]
fn servers_that_do_not_listen_yet_get_no_request_and_join_without_failures() {
    let (fixture, _apps) = HaproxyFixture::serving();
    let mut file = fixture.two();
    let (start, load) = (Instant::now(), Load::start(fixture.front(), "/", Rate::default()));
    for n in 0..150 {
        file += &fixture.line(&format!("dead{n}"), 100 + n % 100, "");
        fixture.write_nodes(&file);
        fixture.change();
    }
    assert_none_failed(&load.since(start), 100);
    let rows = fixture.haproxy().show_stat().unwrap();
    let chosen = rows.iter().filter(|row| row["svname"].starts_with("dead") && row["lbtot"] != "0");
    assert_eq!(chosen.count(), 0);
}

#[test]
fn a_server_that_listens_serves_as_soon_as_its_checks_have_passed() {
    let mut fixture = HaproxyFixture::empty();
    let _apps: Vec<CountingServer> = (11..16).map(|host| fixture.app(host)).collect();
    // With `inter` alone, the check would take longer than the test waits.
    let rare = format!("{BALANCED}  default-server inter 30s\n");
    let mut file = rare + &fixture.line("s11", 11, "");
    fixture.write_backend(&file);
    fixture.start_proven(Mode::MasterSocket);
    let (begin, load) = (Instant::now(), Load::start(fixture.front(), "/", Rate::default()));
    for host in 12..16 {
        file += &fixture.line(&format!("s{host}"), host, "");
        fixture.write_backend(&file);
        let start = Instant::now();
        fixture.change();
        let first = || load.first_answer_by(fixture.address(host).ip(), start);
        poll::until(SOON, "its first answer", first).unwrap();
    }
    assert_none_failed(&load.since(begin), 100);
}

#[test]
fn requests_that_run_are_finished_when_their_server_leaves_or_moves() {
    let (fixture, apps) = HaproxyFixture::serving();
    let slow = |at: &CountingServer, file: &str| {
        let (front, begun) = (fixture.front(), apps.iter().map(|app| app.begun()).sum::<u64>());
        let requests: Vec<_> = (0..4)
            .map(|_| {
                thread::spawn(move || Client::fresh(front).get("/slow/1500").map(|answer| answer.status))
            })
            .collect();
        let all_begun = || (apps.iter().map(|app| app.begun()).sum::<u64>() >= begun + 4).then_some(());
        poll::until(SOON, "the requests", all_begun).unwrap();
        fixture.write_nodes(file);
        fixture.change();
        let reached = at.begun();
        for _ in 0..10 {
            assert_eq!(Client::fresh(front).get("/").unwrap().status, 200);
        }
        assert_eq!(at.begun(), reached, "it got a new request");
        for request in requests {
            assert_eq!(request.join().unwrap(), Ok(200));
        }
    };
    let moved = fixture.line("s1", 11, "") + &fixture.line("s2", 14, "");
    slow(&apps[1], &moved);
    fixture.write_nodes(&fixture.two());
    fixture.change();
    fixture.wait_for_up(&["s1", "s2"]);
    slow(&apps[1], &fixture.line("s1", 11, ""));
    fixture.assert_runs_the_file();
}

#[test]
fn a_visitor_stays_with_a_server_of_weight_0_and_moves_when_it_leaves() {
    let (fixture, _apps) = HaproxyFixture::serving();
    let _new = fixture.app(13);
    fixture.write_nodes(&(fixture.two() + &fixture.line("s3", 13, "")));
    fixture.change();
    fixture.wait_for_up(&["s3"]);
    let visit = |cookie: &str| {
        let cookies = [("Cookie", cookie)];
        let headers = if cookie.is_empty() { &cookies[..0] } else { &cookies[..] };
        let answer = Client::fresh(fixture.front()).send("GET", "/", headers, b"").unwrap();
        let set = answer.header("set-cookie").map(|cookie| cookie.split(';').next().unwrap().to_owned());
        (answer.header("x-backend-ip").unwrap().to_owned(), set)
    };
    let home = fixture.subnet.host(13).to_string();
    // The cookie of an added server is the same as after a reload.
    let cookie =
        poll::until(SOON, "its cookie", || Some(visit("")).filter(|(ip, _)| *ip == home)).unwrap().1.unwrap();
    assert!(cookie.starts_with("SRV=") && cookie.len() > 10, "{cookie}");
    assert_eq!(visit(&cookie), (home.clone(), None));
    fixture.write_nodes(&(fixture.two() + &fixture.line("s3", 13, "weight 0")));
    fixture.change();
    for _ in 0..10 {
        assert_eq!(visit(&cookie), (home.clone(), None));
        assert_ne!(visit("").0, home);
    }
    fixture.write_nodes(&fixture.two());
    fixture.change();
    let (ip, set) = visit(&cookie);
    assert!(ip != home && set.is_some_and(|set| set != cookie), "{ip}");
    fixture.write_nodes(&(fixture.two() + &fixture.line("s3", 13, "")));
    fixture.change();
    fixture.wait_for_up(&["s3"]);
    assert_eq!(visit(&cookie), (home.clone(), None));
    assert_done(&fixture.reload(&["--force"]), "runs '");
    fixture.wait_for_up(&["s3"]);
    assert_eq!(visit(&cookie), (home, None));
}

#[test]
fn connections_to_a_server_that_was_added_or_moved_are_kept_and_used_again() {
    let fixture = HaproxyFixture::with_nodes("  http-reuse always\n");
    let lines = |host: u8| format!("  http-reuse always\n{}", fixture.line("s1", host, ""));
    for host in [11, 12] {
        let app = fixture.app(host);
        fixture.write_nodes(&lines(host));
        fixture.change();
        fixture.wait_for_up(&["s1"]);
        for _ in 0..50 {
            assert_eq!(Client::fresh(fixture.front()).get("/").unwrap().status, 200);
        }
        assert!(app.begun() == 50 && app.connections() < 10, "{} in {}", app.begun(), app.connections());
    }
}

#[test]
fn what_has_left_takes_nothing_and_may_come_back() {
    let (fixture, apps) = HaproxyFixture::serving();
    fixture.write_nodes(&fixture.line("s1", 11, ""));
    assert_eq!(
        fixture.change().stderr.contains("server nodes/s2 removed, parked in maintenance"),
        !deletes()
    );
    assert_eq!(fixture.server("s2").map(|server| server.is_in_maintenance()), (!deletes()).then_some(true));
    assert!(fixture.told(&["--status"]).1.contains(if deletes() {
        "nodes: 1 up\n"
    } else {
        "nodes: 1 up, 1 parked\n"
    }));
    let before = apps[1].begun();
    (0..10).for_each(|_| assert_eq!(Client::fresh(fixture.front()).get("/").unwrap().status, 200));
    assert_eq!(apps[1].begun(), before);
    fixture.write_nodes(&fixture.two());
    fixture.change();
    fixture.wait_for_up(&["s2"]);
    fixture.assert_runs_the_file();
    // The options differ, so a parked server cannot be used for it.
    fixture.write_nodes(&fixture.line("s1", 11, ""));
    fixture.change();
    fixture.write_nodes(&(fixture.line("s1", 11, "") + &fixture.line("s2", 12, "fall 9")));
    if deletes() {
        fixture.change();
    } else {
        assert_done(
            &fixture.reload(&[]),
            "server s2 of backend nodes: it was parked with options 'check downinter",
        );
    }
    fixture.assert_runs_the_file();
}

#[test]
fn a_server_that_still_has_connections_is_deleted_by_a_later_run() {
    if !deletes() {
        return;
    }
    let (fixture, apps) = HaproxyFixture::serving();
    let front = fixture.front();
    // Two that come at the same time may both go to one server, because HAProxy has several threads.
    let requests: Vec<_> =
        (0..8).map(|_| thread::spawn(move || Client::fresh(front).get("/slow/1500").map(drop))).collect();
    apps[1].wait_for(1).unwrap();
    fixture.write_nodes(&fixture.line("s1", 11, ""));
    assert_done(&fixture.change(), "server nodes/s2 removed, parked in maintenance");
    assert!(fixture.server("s2").is_some_and(|server| server.is_in_maintenance()));
    for request in requests {
        request.join().unwrap().unwrap();
    }
    fixture.write_nodes(&fixture.line("s1", 11, "weight 2"));
    fixture.change();
    assert!(fixture.server("s2").is_none());
}
