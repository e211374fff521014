//! Changes of servers in a running HAProxy: made through its stats socket, without a reload and unnoticed by
//! visitors.
//!
//! `$HAPROXY` names another HAProxy than the installed one, as in tests/reload.rs. Requests are not tried
//! again: each that goes wrong is seen to fail.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::thread;
use std::time::{Duration, Instant};

use harness::bed::{BALANCED, Bed, assert_done, is_since, many};
use harness::haproxy::{Mode, Server};
use harness::http::Client;
use harness::load::{Counts, Load, Rate};
use harness::poll;

const SOON: Duration = Duration::from_secs(10);

/// Whether servers that leave are deleted, and not parked in maintenance.
fn deletes() -> bool {
    is_since((3, 0))
}

fn server(bed: &Bed, name: &str) -> Option<Server> {
    bed.haproxy().servers().unwrap().into_iter().find(|server| server.name == name)
}

fn wait_for_up(bed: &Bed, names: &[&str]) {
    let is_up = |name: &&str| server(bed, name).is_some_and(|server| server.status == "UP");
    poll::until(SOON, "servers that are up", || names.iter().all(is_up).then_some(())).unwrap();
}

/// A bed with the servers s1 and s2, which serve.
fn serving() -> (Bed, Vec<harness::app::App>) {
    let mut bed = Bed::empty();
    let apps = vec![bed.app(11), bed.app(12)];
    bed.write_nodes(&two(&bed));
    bed.start_proven(Mode::MasterSocket);
    wait_for_up(&bed, &["s1", "s2"]);
    (bed, apps)
}

fn two(bed: &Bed) -> String {
    bed.line("s1", 11, "") + &bed.line("s2", 12, "")
}

#[track_caller]
fn assert_none_failed(counts: &Counts, least: u64) {
    assert!(counts.requests >= least, "{}", counts.requests);
    assert_eq!(counts.failures(), 0, "{} of {}", counts.failures_shown(), counts.requests);
}

#[test]
fn each_kind_of_change_keeps_the_worker_and_is_named() {
    let bed = Bed::with_nodes(&many(3));
    let one = |file: &str, says: &str| {
        bed.write_nodes(file);
        let dry_run = bed.told(&["--dry-run"]).1;
        let outcome = bed.change();
        assert!(outcome.stderr.contains(&format!("server nodes/{says}")), "{says}: {}", outcome.stderr);
        for line in dry_run.lines() {
            assert!(outcome.stderr.contains(line), "{line}: {}", outcome.stderr);
        }
        assert_done(&bed.reload(&[]), "nothing to do");
    };
    let file = many(3);
    let file = file + "  server s9 127.9.9.9:9 check weight 7 maxconn 5\n";
    one(&file, "s9 added at 127.9.9.9:9");
    let file = file.replace("9.9.9:9 ", "9.9.8:8 ");
    one(&file, "s9 moved to 127.9.9.8:8");
    let file = file.replace("weight 7", "weight 256");
    one(&file, "s9 weight 256");
    let file = file.replace("maxconn 5", "maxconn 6");
    one(&file, "s9 maxconn 6");
    let file = file.replace(" maxconn 6", "");
    one(&file, "s9 maxconn 0");
    let file = file.replace("127.9.0.2:9 check", "127.9.0.2:9 check disabled");
    one(&file, "s1 disabled");
    let file = file.replace(" disabled", " weight 3");
    one(&file, "s1 back at 127.9.0.2:9");
    one(&many(2), "s2 removed");
    bed.assert_runs_the_file();
}

#[test]
fn what_runs_after_a_change_is_what_runs_after_a_reload() {
    let bed = Bed::with_nodes(&many(3));
    let line = |name: &str, rest: &str| format!("  server {name} 127.9.1.1:9 {rest}\n");
    let added = line("plain", "check")
        + &line("tuned", "check weight 9 maxconn 77 maxqueue 5 fall 7 rise 4")
        + &line("aside", "check port 99 addr 127.9.9.9")
        + &line("unchecked", "weight 4")
        + &line("gentle", "check weight 0")
        + "  server six [::1]:80 check\n"
        + &line("hasty", "check inter 100ms slowstart 10s observe layer4 error-limit 5 on-error mark-down")
        + &line("keeper", "pool-max-conn 3 pool-purge-delay 1s")
        + &line("off", "check disabled weight 5")
        + &line("secure", "check check-ssl ssl verify none alpn h2,http/1.1 sni str(x) ssl-min-ver TLSv1.2")
        + &line("proxied", "check send-proxy-v2 check-send-proxy on-marked-up shutdown-backup-sessions");
    let moved =
        many(3).replace("127.9.0.1:9", "127.9.0.1:10 weight 2").replace("127.9.0.2:9", "[::1]:9 maxconn 3");
    bed.write_nodes(&(moved + &added));
    assert_eq!(bed.change().stderr.matches(" added at ").count(), 11);
    let states = bed.states();
    bed.assert_runs_the_file();
    let again = bed.states();
    for column in ["srv_addr", "srv_port", "srv_uweight"] {
        assert_eq!(states["nodes/off"][column], again["nodes/off"][column], "{column}");
    }
}

#[test]
fn several_backends_listens_and_inherited_default_server_lines_are_each_done() {
    let mut bed = Bed::empty();
    let front = bed.front();
    let sections = |a: &str, b: &str, c: &str| {
        format!(
            "# a template that knows nothing of Rollcall\n\
             defaults base\n  mode http\n  timeout connect 1s\n  timeout client 5s\n  timeout server 5s\n  \
             default-server check inter 3s rise 5 weight 7\n\
             defaults more from base\n  default-server fall 6 maxconn 9\n\
             backend plain from base\n  server a 127.9.1.1:9{a}\n\
             listen web from more\n  bind {front}\n  default-server no-check\n  server s 127.9.2.1:9\n  \
             default-server weight 3\n{b}\
             backend \"last\" from more  # quoted\n  balance random\n\n{c}\tserver\tx 127.9.3.1:9   # here\n"
        )
    };
    bed.write_sections(&sections("", "", ""));
    bed.start_proven(Mode::MasterSocket);
    bed.write_sections(&sections(
        " weight 5\n  server b 127.9.1.2:9",
        "  server s2 127.9.2.2:9 fall 9\n",
        "  server \"y\" 127.9.3.2:9 no-check   # new\n",
    ));
    let outcome = bed.change();
    let says = "runtime: +1 -0 ~1 servers in backend plain, +1 -0 ~0 servers in listen web, +1 -0 ~0 servers in backend last";
    assert_done(&outcome, says);
    let live = bed.live();
    assert_eq!((live["plain/b"]["srv_uweight"].as_str(), live["plain/b"]["check_rise"].as_str()), ("7", "5"));
    assert_eq!((live["web/s2"]["srv_uweight"].as_str(), live["web/s2"]["slim"].as_str()), ("3", "9"));
    bed.assert_runs_the_file();
}

#[test]
fn comments_spacing_and_a_revision_alone_are_nothing_to_do() {
    let bed = Bed::with_nodes(&many(2));
    let worker = bed.worker();
    for file in
        [format!("# why\n\n{}", many(2)), many(2).replace(' ', "\t \t"), many(2).replace('\n', " # x\n")]
    {
        bed.write_nodes(&file);
        assert_done(&bed.reload(&[]), "nothing to do");
    }
    assert_eq!(bed.worker(), worker);
}

#[test]
fn servers_that_do_not_listen_yet_get_no_request_and_nobody_notices_that_they_join() {
    let (bed, _apps) = serving();
    let mut file = two(&bed);
    let (start, load) = (Instant::now(), Load::start(bed.front(), "/", Rate::default()));
    for n in 0..150 {
        file += &bed.line(&format!("dead{n}"), 100 + n % 100, "");
        bed.write_nodes(&file);
        bed.change();
    }
    assert_none_failed(&load.since(start), 100);
    let rows = bed.haproxy().show_stat().unwrap();
    let chosen = rows.iter().filter(|row| row["svname"].starts_with("dead") && row["lbtot"] != "0");
    assert_eq!(chosen.count(), 0);
}

#[test]
fn a_server_that_listens_serves_as_soon_as_its_checks_have_passed() {
    let (bed, _apps) = serving();
    let load = Load::start(bed.front(), "/", Rate::default());
    let _others: Vec<_> = (13..18).map(|host| bed.app(host)).collect();
    for host in 13..18 {
        bed.write_nodes(&(two(&bed) + &bed.line("new", host, "")));
        let start = Instant::now();
        bed.change();
        let first = || load.first_answer_by(bed.address(host).ip(), start);
        let first = poll::until(SOON, "its first answer", first).unwrap();
        // Two checks at 250 ms. A moved one is first checked at any moment of `inter` where it cannot be remade.
        let least = if host == 13 || deletes() { 2 } else { 4 };
        assert!(first - start < Duration::from_secs(least), "{:?}", first - start);
    }
    assert_none_failed(&load.since(Instant::now() - SOON), 100);
}

#[test]
fn requests_that_run_are_finished_when_their_server_leaves_or_moves() {
    let (bed, apps) = serving();
    let slow = |at: &harness::app::App, file: &str| {
        let (front, begun) = (bed.front(), apps.iter().map(|app| app.begun()).sum::<u64>());
        let requests: Vec<_> = (0..4)
            .map(|_| {
                thread::spawn(move || Client::fresh(front).get("/slow/1500").map(|answer| answer.status))
            })
            .collect();
        let all_begun = || (apps.iter().map(|app| app.begun()).sum::<u64>() >= begun + 4).then_some(());
        poll::until(SOON, "the requests", all_begun).unwrap();
        bed.write_nodes(file);
        bed.change();
        let reached = at.begun();
        for _ in 0..10 {
            assert_eq!(Client::fresh(front).get("/").unwrap().status, 200);
        }
        assert_eq!(at.begun(), reached, "it got a new request");
        for request in requests {
            assert_eq!(request.join().unwrap(), Ok(200));
        }
    };
    let moved = bed.line("s1", 11, "") + &bed.line("s2", 14, "");
    slow(&apps[1], &moved);
    bed.write_nodes(&two(&bed));
    bed.change();
    wait_for_up(&bed, &["s1", "s2"]);
    slow(&apps[1], &bed.line("s1", 11, ""));
    bed.assert_runs_the_file();
}

#[test]
fn a_visitor_stays_with_a_server_of_weight_0_and_moves_when_it_leaves() {
    let (bed, _apps) = serving();
    let _new = bed.app(13);
    bed.write_nodes(&(two(&bed) + &bed.line("s3", 13, "")));
    bed.change();
    wait_for_up(&bed, &["s3"]);
    let visit = |cookie: &str| {
        let cookies = [("Cookie", cookie)];
        let headers = if cookie.is_empty() { &cookies[..0] } else { &cookies[..] };
        let answer = Client::fresh(bed.front()).send("GET", "/", headers, b"").unwrap();
        let set = answer.header("set-cookie").map(|cookie| cookie.split(';').next().unwrap().to_owned());
        (answer.header("x-backend-ip").unwrap().to_owned(), set)
    };
    let home = bed.subnet.host(13).to_string();
    // The cookie of the server that was added is that which it has after a reload.
    let cookie =
        poll::until(SOON, "its cookie", || Some(visit("")).filter(|(ip, _)| *ip == home)).unwrap().1.unwrap();
    assert!(cookie.starts_with("SRV=") && cookie.len() > 10, "{cookie}");
    assert_eq!(visit(&cookie), (home.clone(), None));
    bed.write_nodes(&(two(&bed) + &bed.line("s3", 13, "weight 0")));
    bed.change();
    for _ in 0..10 {
        assert_eq!(visit(&cookie), (home.clone(), None));
        assert_ne!(visit("").0, home);
    }
    bed.write_nodes(&two(&bed));
    bed.change();
    let (ip, set) = visit(&cookie);
    assert!(ip != home && set.is_some_and(|set| set != cookie), "{ip}");
    bed.write_nodes(&(two(&bed) + &bed.line("s3", 13, "")));
    bed.change();
    wait_for_up(&bed, &["s3"]);
    assert_eq!(visit(&cookie), (home.clone(), None));
    assert_done(&bed.reload(&["--force"]), "runs '");
    wait_for_up(&bed, &["s3"]);
    assert_eq!(visit(&cookie), (home, None));
}

#[test]
fn connections_to_a_server_that_was_added_or_moved_are_kept_and_used_again() {
    let bed = Bed::with_nodes("  http-reuse always\n");
    let lines = |host: u8| format!("  http-reuse always\n{}", bed.line("s1", host, ""));
    for host in [11, 12] {
        let app = bed.app(host);
        bed.write_nodes(&lines(host));
        bed.change();
        wait_for_up(&bed, &["s1"]);
        for _ in 0..50 {
            assert_eq!(Client::fresh(bed.front()).get("/").unwrap().status, 200);
        }
        assert!(app.begun() == 50 && app.connections() < 10, "{} in {}", app.begun(), app.connections());
    }
}

#[test]
fn what_has_left_takes_nothing_and_may_come_back() {
    let (bed, apps) = serving();
    bed.write_nodes(&bed.line("s1", 11, ""));
    assert_eq!(bed.change().stderr.contains("server nodes/s2 removed, parked in maintenance"), !deletes());
    assert_eq!(server(&bed, "s2").map(|server| server.is_in_maintenance()), (!deletes()).then_some(true));
    assert!(bed.told(&["--status"]).1.contains(if deletes() {
        "nodes: 1 up\n"
    } else {
        "nodes: 1 up, 1 parked\n"
    }));
    let before = apps[1].begun();
    (0..10).for_each(|_| assert_eq!(Client::fresh(bed.front()).get("/").unwrap().status, 200));
    assert_eq!(apps[1].begun(), before);
    bed.write_nodes(&two(&bed));
    bed.change();
    wait_for_up(&bed, &["s2"]);
    bed.assert_runs_the_file();
    // With other options: a parked one cannot take them.
    bed.write_nodes(&bed.line("s1", 11, ""));
    bed.change();
    bed.write_nodes(&(bed.line("s1", 11, "") + &bed.line("s2", 12, "fall 9")));
    if deletes() {
        bed.change();
    } else {
        assert_done(&bed.reload(&[]), "server s2 of backend nodes: it left with 'check downinter");
    }
    bed.assert_runs_the_file();
}

#[test]
fn a_server_that_still_has_connections_is_deleted_by_a_later_run() {
    if !deletes() {
        return;
    }
    let (bed, apps) = serving();
    let front = bed.front();
    let requests: Vec<_> =
        (0..2).map(|_| thread::spawn(move || Client::fresh(front).get("/slow/1500").map(drop))).collect();
    apps[1].wait_for(1).unwrap();
    bed.write_nodes(&bed.line("s1", 11, ""));
    assert_done(&bed.change(), "server nodes/s2 removed, parked in maintenance");
    assert!(server(&bed, "s2").is_some_and(|server| server.is_in_maintenance()));
    for request in requests {
        request.join().unwrap().unwrap();
    }
    bed.write_nodes(&bed.line("s1", 11, "weight 2"));
    bed.change();
    assert!(server(&bed, "s2").is_none());
}

#[test]
fn a_thousand_servers_come_and_go_in_one_change() {
    let bed = Bed::with_nodes(&many(3));
    bed.write_nodes(&many(1003));
    assert_eq!(bed.change().stderr.matches(" added at ").count(), 1000);
    assert_done(&bed.reload(&[]), "nothing to do");
    bed.write_nodes(&many(3));
    assert_eq!(bed.change().stderr.matches(" removed").count(), 1000);
    assert_done(&bed.reload(&[]), "nothing to do");
    // The note of a thousand that are parked is still read.
    bed.write_nodes(&many(4));
    bed.change();
    bed.assert_runs_the_file();
}

#[test]
fn what_was_done_by_hand_at_the_socket_is_put_right() {
    let bed = Bed::with_nodes(&many(4));
    for command in
        ["set server nodes/s1 weight 77", "set server nodes/s2 state maint", "disable server nodes/s3"]
    {
        bed.order(command);
    }
    bed.haproxy().command("set server nodes/s0 addr 127.9.9.9 port 99").unwrap();
    bed.haproxy().command("add server nodes/stray 127.9.9.9:9;enable server nodes/stray").unwrap();
    let (code, told) = bed.told(&["--status"]);
    assert_eq!(
        (code, told.contains("same       no: HAProxy differs: +0 -1 ~2 servers")),
        (5, true),
        "{told}"
    );
    let outcome = bed.change();
    for says in ["nodes/s0 moved to 127.9.0.1:9", "nodes/s1 weight 1", "nodes/stray removed"] {
        assert!(outcome.stderr.contains(says), "{}", outcome.stderr);
    }
    // Whom an operator has put into maintenance stays there.
    bed.write_nodes(&many(5));
    bed.change();
    assert_done(&bed.reload(&[]), "nothing to do");
    for name in ["s2", "s3"] {
        assert!(server(&bed, name).unwrap().is_in_maintenance());
    }
    let taken = "add server nodes/s5 127.9.9.9:9;enable server nodes/s5";
    bed.haproxy().command(taken).unwrap();
    bed.write_nodes(&many(6));
    assert_done(&bed.reload(&[]), "server s5 of backend nodes: somebody else has added one of that name");
    bed.assert_runs_the_file();
}

#[test]
fn a_server_that_is_disabled_in_the_file_is_disabled_whoever_enabled_it() {
    let bed = Bed::with_nodes(&many(2));
    for more in ["", "   # out for now"] {
        let file = format!("{}  server off 127.9.1.1:9 check weight 5 disabled{more}\n", many(2));
        bed.write_nodes(&file);
        bed.change();
        assert_eq!(bed.states()["nodes/off"]["srv_uweight"], "5");
        bed.order("enable server nodes/off");
        assert_done(&bed.change(), "server nodes/off disabled");
        bed.write_nodes(&file.replace("weight 5", "weight 6"));
        bed.change();
        assert_eq!(bed.states()["nodes/off"]["srv_uweight"], "6");
        bed.write_nodes(&many(2));
        bed.change();
        bed.assert_runs_the_file();
    }
}

#[test]
fn what_was_done_is_told_to_programs_too() {
    let bed = Bed::with_nodes(&many(2));
    let json = |arguments: &[&str]| -> serde_json::Value {
        let (_, told) = bed.told(&[arguments, &["--json"]].concat());
        assert_eq!(told.lines().count(), 1, "{told}");
        serde_json::from_str(&told).unwrap()
    };
    let file = many(2).replace("127.9.0.2:9 check", "127.9.0.2:9 check weight 2")
        + "  server new 127.9.9.9:9 check maxconn 4\n";
    bed.write_nodes(&file);
    let status = json(&["--status"]);
    let count: u64 = status["servers"]["nodes"].as_object().unwrap().values().flat_map(|n| n.as_u64()).sum();
    assert_eq!((&status["is_up_to_date"], count), (&false.into(), 2));
    let said = json(&["--dry-run"]);
    let done = json(&[]);
    assert_eq!((&said["is_dry_run"], &done["is_dry_run"]), (&true.into(), &false.into()));
    assert_eq!((&said["servers"], &done["action"]), (&done["servers"], &"runtime".into()));
    let tuned = serde_json::json!({"server": "nodes/s1", "deed": "tune", "weight": 2});
    let added = serde_json::json!({"server": "nodes/new", "deed": "add", "address": "127.9.9.9:9", "weight": 1, "maxconn": 4});
    assert_eq!(done["servers"], serde_json::json!([tuned, added]));
    assert_eq!(json(&[])["action"], "nothing");
    let status = json(&["--status"]);
    assert_eq!((&status["is_up_to_date"], &status["worker"]["pid"]), (&true.into(), &bed.worker().into()));
    bed.write_backend(&format!("{BALANCED}{file}  retries 1\n"));
    assert_eq!(json(&["--dry-run"])["method"], "master");
    let done = json(&[]);
    assert_eq!((&done["action"], done["servers"].as_array().unwrap().len()), (&"reload".into(), 0));
}

#[test]
fn runtime_alone_does_what_it_can_and_reloads_nothing() {
    let bed = Bed::with_nodes(&many(2));
    let worker = bed.worker();
    bed.write_nodes(&many(3));
    assert_done(&bed.reload(&["--method", "runtime"]), "runtime: +1 -0 ~0");
    bed.write_backend(&format!("{BALANCED}{}  retries 1\n", many(3)));
    let outcome = bed.reload(&["--method", "runtime"]);
    assert!(outcome.code == 5 && outcome.stderr.contains("--method auto reloads it"), "{}", outcome.stderr);
    assert_eq!(bed.worker(), worker);
}
