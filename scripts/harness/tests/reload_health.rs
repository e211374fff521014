//! The servers' health in HAProxy survives a reload by reload-haproxy.
//!
//! `$HAPROXY` names another HAProxy than the installed one, as in tests/reload_methods.rs. HAProxy does not retry
//! requests here, so each request to a dead server fails visibly.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::env;
use std::fs;
use std::net::SocketAddr;
use std::time::Instant;

use harness::cluster::single_haproxy::health_fixture::{
    CHECKED, HealthFixture, assert_none_failed, reload_under_load, with_a_dead_server,
};
use harness::daemons::counting_server::CountingServer;
use harness::daemons::haproxy::Mode;
use harness::run::poll;

#[test]
fn a_dead_server_gets_no_request_because_of_a_reload_in_every_mode() {
    for mode in [Mode::MasterSocket, Mode::MasterWorker, Mode::Classic] {
        let (fixture, _apps) = with_a_dead_server(HealthFixture::with_state_file(), mode);
        assert_none_failed(&reload_under_load(&fixture));
        assert_eq!(
            (fixture.chosen("dead").as_str(), fixture.server("dead").status.as_str()),
            ("0", "DOWN"),
            "{mode:?}"
        );
        fixture.assert_names_no_server();
    }
}

#[test]
fn without_a_state_file_a_dead_server_gets_requests_until_it_is_checked() {
    let (fixture, _apps) = with_a_dead_server(HealthFixture::without_state_file(), Mode::MasterSocket);
    let counts = reload_under_load(&fixture);
    assert!(counts.failures() > 0 && fixture.chosen("dead") != "0", "{}", counts.requests);
    assert!(!fixture.state_file().exists());
}

#[test]
fn health_is_kept_by_a_haproxy_with_user_and_chroot() {
    if !nix::unistd::geteuid().is_root() {
        assert!(env::var_os("CI").is_none(), "another user needs root");
        eprintln!("SKIPPED: another user needs root");
        return;
    }
    for mode in [Mode::MasterSocket, Mode::Classic] {
        let mut fixture = HealthFixture::with_state_file();
        let jail = fixture.run.join("jail");
        fs::create_dir(&jail).unwrap();
        fixture.global.push_str(&format!("\n  chroot {}\n  user nobody\n  group nogroup", jail.display()));
        let (fixture, _apps) = with_a_dead_server(fixture, mode);
        fixture.reload_well();
        assert_eq!(
            (fixture.chosen("dead").as_str(), fixture.server("dead").status.as_str()),
            ("0", "DOWN"),
            "{mode:?}"
        );
    }
}

#[test]
fn up_lists_exactly_the_servers_that_haproxys_checks_find_up() {
    let (mut fixture, mut apps) = with_a_dead_server(HealthFixture::with_state_file(), Mode::MasterSocket);
    let up = |fixture: &HealthFixture| fixture.told(&["--up"]);
    assert_eq!(up(&fixture), (0, "s1\ns2\n".to_owned()));
    // A drained server still serves. A server in maintenance is not checked.
    fixture.order("set server nodes/s1 state drain");
    fixture.order("set server nodes/s2 state maint");
    assert_eq!(up(&fixture), (0, "s1\n".to_owned()));
    drop(apps.remove(0));
    fixture.until("s1 to be found down", |fixture| up(fixture).1.is_empty());
    // A server without checks does not count, although HAProxy starts with all of them up.
    let text = fs::read_to_string(fixture.config()).unwrap().replace(" check\n", "\n");
    fixture.write_text(&text);
    fixture.reload_well();
    assert_eq!(fixture.server("s1").status, "no check");
    assert_eq!(up(&fixture), (0, String::new()));
    // A stopped process does not answer. If no process runs, no server is up, and that is not an error.
    let worker = nix::unistd::Pid::from_raw(fixture.haproxy().worker_pid().unwrap().try_into().unwrap());
    nix::sys::signal::kill(worker, nix::sys::signal::Signal::SIGSTOP).unwrap();
    assert_eq!(up(&fixture), (5, String::new()));
    nix::sys::signal::kill(worker, nix::sys::signal::Signal::SIGCONT).unwrap();
    fixture.haproxy.take();
    assert_eq!(up(&fixture), (0, String::new()));
}

#[test]
fn health_lists_what_the_checks_find_and_where_each_server_is() {
    let (mut fixture, _apps) = with_a_dead_server(HealthFixture::with_state_file(), Mode::MasterSocket);
    let health = |fixture: &HealthFixture| fixture.told(&["--health"]);
    fixture.order("set server nodes/s2 state maint");
    let [dead, one, two] = ["dead", "s1", "s2"].map(|name| fixture.server(name).address);
    let expected = format!("dead down {dead}\ns1 up {one}\ns2 unknown {two}\n");
    assert_eq!(health(&fixture), (0, expected));
    // After a reload, nothing is known before the first check has ended.
    let text = fs::read_to_string(fixture.config()).unwrap();
    let text = text.replace("load-server-state-from-file global", "");
    fixture.write_text(&text.replace(" check\n", " check inter 1h\n"));
    assert_eq!(fixture.reload(&[]).code, 0);
    assert!(health(&fixture).1.contains(" starting "), "{:?}", health(&fixture));
    fixture.haproxy.take();
    assert_eq!(health(&fixture), (5, String::new()));
}

#[test]
fn the_masters_socket_is_used_if_no_other_answers() {
    let (fixture, _apps) = with_a_dead_server(HealthFixture::with_state_file(), Mode::MasterSocket);
    let outcome = fixture.reload(&["--stats-socket", "/nonexistent/admin.sock"]);
    assert!(outcome.code == 0 && !outcome.stderr.contains("cannot"), "{}", outcome.stderr);
    assert_eq!(fixture.server("dead").status, "DOWN");
}

#[test]
fn a_new_server_gets_no_request_before_it_listens() {
    let mut fixture = HealthFixture::with_state_file();
    let _apps = [fixture.app(11), fixture.app(12)];
    let [one, two, new] = [11, 12, 13].map(|host| fixture.address(host));
    fixture.write(&[("s1", one), ("s2", two)]);
    fixture.start(Mode::MasterSocket);
    fixture.write(&[("s1", one), ("s2", two), ("new", new)]);
    let (start, load) = (Instant::now(), fixture.load());
    fixture.reload_well();
    poll::pass(CHECKED).unwrap();
    assert_eq!((fixture.chosen("new").as_str(), fixture.server("new").status.as_str()), ("0", "DOWN"));
    let _app = fixture.app(13);
    fixture.until("an answer by the new server", |_| load.first_answer_by(new.ip(), start).is_some());
    assert_none_failed(&load.since(start));
}

#[test]
fn an_only_server_gets_requests_before_it_is_checked() {
    let mut fixture = HealthFixture::with_state_file();
    let _apps = [fixture.app(11), fixture.app(12)];
    let [one, two, dead] = [11, 12, 13].map(|host| fixture.address(host));
    fixture.write(&[("dead", dead), ("s1", one)]);
    fixture.start(Mode::MasterSocket);
    fixture.until("the dead server is DOWN", |fixture| fixture.server("dead").status == "DOWN");
    fixture.write(&[("dead", dead), ("s2", two)]);
    assert_none_failed(&reload_under_load(&fixture));
    assert_eq!(fixture.chosen("dead"), "0");
}

#[test]
fn a_changed_address_or_port_is_taken_from_the_file_and_starts_down() {
    let mut fixture = HealthFixture::with_state_file();
    let [one, two, three] = [11, 12, 13].map(|host| fixture.address(host));
    let _apps = [fixture.app(11), fixture.app(12)];
    fixture.write(&[("s1", one), ("s2", two), ("s3", two)]);
    fixture.start(Mode::MasterSocket);
    let moved = SocketAddr::new(two.ip(), two.port() + 1);
    fixture.write(&[("s1", one), ("s2", moved), ("s3", three)]);
    assert_none_failed(&reload_under_load(&fixture));
    for (name, address) in [("s2", moved), ("s3", three)] {
        let server = fixture.server(name);
        assert_eq!((server.address, server.status.as_str()), (address.to_string(), "DOWN"));
    }
    let _moved = [CountingServer::start(moved).unwrap(), fixture.app(13)];
    fixture.until("both are up", |fixture| ["s2", "s3"].iter().all(|name| fixture.server(name).is_up()));
}

#[test]
fn values_set_by_hand_do_not_come_back_after_a_reload() {
    let mut fixture = HealthFixture::with_state_file();
    let _apps = [fixture.app(11), fixture.app(12), fixture.app(13)];
    let servers = [("s1", fixture.address(11)), ("s2", fixture.address(12)), ("s3", fixture.address(13))];
    fixture.write(&servers);
    fixture.start(Mode::MasterSocket);
    for command in [
        "set server nodes/s2 state maint",
        "set server nodes/s3 state drain",
        "set server nodes/s3 weight 7",
        "disable health nodes/s3",
    ] {
        assert_eq!(fixture.haproxy().command(command).unwrap().trim(), "", "{command}");
    }
    fixture.write(&servers);
    fixture.reload_well();
    assert_eq!((fixture.server("s3").status.as_str(), fixture.server("s3").weight), ("UP", 1));
    assert_eq!(fixture.server("s2").status.split(' ').next(), Some("DOWN"), "it was not checked meanwhile");
    fixture.until("it is up", |fixture| fixture.server("s2").status == "UP");
    fixture.write(&servers);
    fixture.reload_well();
    assert_eq!(fixture.server("s2").status, "UP");
}

#[test]
fn a_cold_start_does_not_use_old_health() {
    let (mut fixture, mut apps) = with_a_dead_server(HealthFixture::with_state_file(), Mode::MasterSocket);
    fixture.reload_well();
    fixture.haproxy.take().unwrap().stop().unwrap();
    apps.push(fixture.app(13));
    let (log, old) =
        (fixture.run.join("haproxy.log"), fs::read_to_string(fixture.run.join("haproxy.log")).unwrap());
    fixture.start(Mode::MasterSocket);
    let said = fs::read_to_string(log).unwrap().split_off(old.len());
    // From 3.3 on HAProxy warns of root, as which this test may run.
    let warns = said.lines().any(|line| line.contains("WARNING") && !line.contains("started as"));
    assert!(fixture.server("dead").is_up() && !said.contains("DOWN") && !warns, "{said}");
}
