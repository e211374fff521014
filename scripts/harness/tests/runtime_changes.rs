//! Changes of servers that reload-haproxy makes in a running HAProxy through its stats socket, without a reload.
//!
//! `$HAPROXY` names another HAProxy than the installed one, as in tests/reload_methods.rs.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use harness::cluster::single_haproxy::{BALANCED, HaproxyFixture, MODES, assert_done, assert_refused, many};
use harness::daemons::haproxy::Mode;

#[test]
fn each_kind_of_change_keeps_the_worker_and_is_named() {
    let fixture = HaproxyFixture::with_nodes(&many(3));
    let one = |file: &str, says: &str| {
        fixture.write_nodes(file);
        let dry_run = fixture.told(&["--dry-run"]).1;
        let outcome = fixture.change();
        assert!(outcome.stderr.contains(&format!("server nodes/{says}")), "{says}: {}", outcome.stderr);
        for line in dry_run.lines() {
            assert!(outcome.stderr.contains(line), "{line}: {}", outcome.stderr);
        }
        assert_done(&fixture.reload(&[]), "nothing to do");
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
    fixture.assert_runs_the_file();
}

#[test]
fn what_runs_after_a_change_is_what_runs_after_a_reload() {
    let fixture = HaproxyFixture::with_nodes(&many(3));
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
    fixture.write_nodes(&(moved + &added));
    assert_eq!(fixture.change().stderr.matches(" added at ").count(), 11);
    let states = fixture.states();
    fixture.assert_runs_the_file();
    let again = fixture.states();
    for column in ["srv_addr", "srv_port", "srv_uweight"] {
        assert_eq!(states["nodes/off"][column], again["nodes/off"][column], "{column}");
    }
}

#[test]
fn several_backends_listens_and_inherited_default_server_lines_are_each_done() {
    let mut fixture = HaproxyFixture::empty();
    let front = fixture.front();
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
    fixture.write_sections(&sections("", "", ""));
    fixture.start_proven(Mode::MasterSocket);
    fixture.write_sections(&sections(
        " weight 5\n  server b 127.9.1.2:9",
        "  server s2 127.9.2.2:9 fall 9\n",
        "  server \"y\" 127.9.3.2:9 no-check   # new\n",
    ));
    let outcome = fixture.change();
    let says = "runtime: +1 -0 ~1 servers in backend plain, +1 -0 ~0 servers in listen web, +1 -0 ~0 servers in backend last";
    assert_done(&outcome, says);
    let live = fixture.live();
    assert_eq!((live["plain/b"]["srv_uweight"].as_str(), live["plain/b"]["check_rise"].as_str()), ("7", "5"));
    assert_eq!((live["web/s2"]["srv_uweight"].as_str(), live["web/s2"]["slim"].as_str()), ("3", "9"));
    fixture.assert_runs_the_file();
}

#[test]
fn comments_spacing_and_a_revision_alone_are_nothing_to_do() {
    let fixture = HaproxyFixture::with_nodes(&many(2));
    let worker = fixture.worker();
    for file in
        [format!("# why\n\n{}", many(2)), many(2).replace(' ', "\t \t"), many(2).replace('\n', " # x\n")]
    {
        fixture.write_nodes(&file);
        assert_done(&fixture.reload(&[]), "nothing to do");
    }
    assert_eq!(fixture.worker(), worker);
}

#[test]
fn a_thousand_servers_come_and_go_in_one_change() {
    let fixture = HaproxyFixture::with_nodes(&many(3));
    fixture.write_nodes(&many(1003));
    assert_eq!(fixture.change().stderr.matches(" added at ").count(), 1000);
    assert_done(&fixture.reload(&[]), "nothing to do");
    fixture.write_nodes(&many(3));
    assert_eq!(fixture.change().stderr.matches(" removed").count(), 1000);
    assert_done(&fixture.reload(&[]), "nothing to do");
    // The note of a thousand parked servers can still be read.
    fixture.write_nodes(&many(4));
    fixture.change();
    fixture.assert_runs_the_file();
}

#[test]
fn what_was_done_by_hand_at_the_socket_is_put_right() {
    let fixture = HaproxyFixture::with_nodes(&many(4));
    for command in
        ["set server nodes/s1 weight 77", "set server nodes/s2 state maint", "disable server nodes/s3"]
    {
        fixture.order(command);
    }
    fixture.haproxy().command("set server nodes/s0 addr 127.9.9.9 port 99").unwrap();
    fixture.haproxy().command("add server nodes/stray 127.9.9.9:9;enable server nodes/stray").unwrap();
    let (code, told) = fixture.told(&["--status"]);
    assert_eq!(
        (code, told.contains("same       no: HAProxy differs: +0 -1 ~2 servers")),
        (5, true),
        "{told}"
    );
    let outcome = fixture.change();
    for says in ["nodes/s0 moved to 127.9.0.1:9", "nodes/s1 weight 1", "nodes/stray removed"] {
        assert!(outcome.stderr.contains(says), "{}", outcome.stderr);
    }
    // A server that an operator has put into maintenance stays in maintenance.
    fixture.write_nodes(&many(5));
    fixture.change();
    assert_done(&fixture.reload(&[]), "nothing to do");
    for name in ["s2", "s3"] {
        assert!(fixture.server(name).unwrap().is_in_maintenance());
    }
    let taken = "add server nodes/s5 127.9.9.9:9;enable server nodes/s5";
    fixture.haproxy().command(taken).unwrap();
    fixture.write_nodes(&many(6));
    assert_done(&fixture.reload(&[]), "server s5 of backend nodes: a server of that name was added by hand");
    fixture.assert_runs_the_file();
}

#[test]
fn a_server_disabled_in_the_file_is_disabled_even_if_it_was_enabled_by_hand() {
    let fixture = HaproxyFixture::with_nodes(&many(2));
    for more in ["", "   # out for now"] {
        let file = format!("{}  server off 127.9.1.1:9 check weight 5 disabled{more}\n", many(2));
        fixture.write_nodes(&file);
        fixture.change();
        assert_eq!(fixture.states()["nodes/off"]["srv_uweight"], "5");
        fixture.order("enable server nodes/off");
        assert_done(&fixture.change(), "server nodes/off disabled");
        fixture.write_nodes(&file.replace("weight 5", "weight 6"));
        fixture.change();
        assert_eq!(fixture.states()["nodes/off"]["srv_uweight"], "6");
        fixture.write_nodes(&many(2));
        fixture.change();
        fixture.assert_runs_the_file();
    }
}

#[test]
fn actions_are_also_reported_as_json() {
    let fixture = HaproxyFixture::with_nodes(&many(2));
    let json = |arguments: &[&str]| -> serde_json::Value {
        let (_, told) = fixture.told(&[arguments, &["--json"]].concat());
        assert_eq!(told.lines().count(), 1, "{told}");
        serde_json::from_str(&told).unwrap()
    };
    let file = many(2).replace("127.9.0.2:9 check", "127.9.0.2:9 check weight 2")
        + "  server new 127.9.9.9:9 check maxconn 4\n";
    fixture.write_nodes(&file);
    let status = json(&["--status"]);
    let count: u64 = status["servers"]["nodes"].as_object().unwrap().values().flat_map(|n| n.as_u64()).sum();
    assert_eq!((&status["is_up_to_date"], count), (&false.into(), 2));
    let said = json(&["--dry-run"]);
    let done = json(&[]);
    assert_eq!((&said["is_dry_run"], &done["is_dry_run"]), (&true.into(), &false.into()));
    assert_eq!((&said["servers"], &done["action"]), (&done["servers"], &"runtime".into()));
    let tuned = serde_json::json!({"server": "nodes/s1", "action": "tune", "weight": 2});
    let added = serde_json::json!({"server": "nodes/new", "action": "add", "address": "127.9.9.9:9", "weight": 1, "maxconn": 4});
    assert_eq!(done["servers"], serde_json::json!([tuned, added]));
    assert_eq!(json(&[])["action"], "nothing");
    let status = json(&["--status"]);
    assert_eq!(
        (&status["is_up_to_date"], &status["worker"]["pid"]),
        (&true.into(), &fixture.worker().into())
    );
    fixture.write_backend(&format!("{BALANCED}{file}  retries 1\n"));
    assert_eq!(json(&["--dry-run"])["method"], "master");
    let done = json(&[]);
    assert_eq!((&done["action"], done["servers"].as_array().unwrap().len()), (&"reload".into(), 0));
}

#[test]
fn runtime_alone_does_what_it_can_and_reloads_nothing() {
    let fixture = HaproxyFixture::with_nodes(&many(2));
    let worker = fixture.worker();
    fixture.write_nodes(&many(3));
    assert_done(&fixture.reload(&["--method", "runtime"]), "runtime: +1 -0 ~0");
    fixture.write_backend(&format!("{BALANCED}{}  retries 1\n", many(3)));
    let outcome = fixture.reload(&["--method", "runtime"]);
    assert!(outcome.code == 5 && outcome.stderr.contains("use --method auto"), "{}", outcome.stderr);
    assert_eq!(fixture.worker(), worker);
}

#[test]
fn however_haproxy_is_run_its_servers_are_changed_through_its_socket() {
    for mode in MODES.into_iter().chain([Mode::Foreground]) {
        let mut fixture = HaproxyFixture::empty();
        fixture.write_nodes(&many(2));
        fixture.start_proven(mode);
        fixture.write_nodes(&many(3));
        assert_done(&fixture.change(), "server nodes/s2 added");
        assert_done(&fixture.reload(&[]), "nothing to do");
    }
}

#[test]
fn the_status_is_whether_the_file_runs_and_in_what_they_differ() {
    let mut fixture = HaproxyFixture::with_nodes(&many(2));
    let status = |fixture: &HaproxyFixture, code: i32, says: &str| {
        let told = fixture.told(&["--status"]);
        assert!(told.0 == code && told.1.contains(says), "{says}: {} {}", told.0, told.1);
    };
    status(&fixture, 0, "same       yes: ");
    fixture.write_nodes(&many(3));
    status(&fixture, 5, "same       no: +1 -0 ~0 servers in backend nodes\n");
    fixture.write_backend(&format!("{BALANCED}{}  retries 1\n", many(2)));
    status(&fixture, 5, "of backend nodes changed\n");
    fixture.write_nodes(&many(2));
    status(&fixture, 0, "same       yes: ");
    fixture.order("set server nodes/s1 weight 9");
    status(&fixture, 5, "same       no: HAProxy differs: +0 -0 ~1 servers\n");
    drop(fixture.haproxy.take());
    assert_refused(&fixture.reload(&["--status"]), "start one: haproxy -W -S");
}
