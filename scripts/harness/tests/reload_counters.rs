//! HAProxy's counters survive a reload by reload-haproxy, from HAProxy 3.0 on.
//!
//! `$HAPROXY` names another HAProxy than the installed one, as in tests/reload_methods.rs.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use harness::cluster::single_haproxy::counters_fixture::{
    CountersFixture, can_change_user, can_load_counters,
};
use harness::cluster::single_haproxy::{HaproxyFixture, MODES, assert_refused, is_meant, is_since, program};
use harness::daemons::counting_server::CountingServer;
use harness::daemons::haproxy::Mode;
use harness::run::{poll, programs};
use harness::traffic::http::Client;
use harness::traffic::load::{Load, Rate};

const SOON: Duration = Duration::from_secs(10);

#[test]
fn counts_go_on_after_each_reload_in_every_mode() {
    if !can_load_counters() {
        return;
    }
    for mode in MODES {
        let mut fixture = CountersFixture::running(mode);
        for turn in 1..=3 {
            fixture.request(20);
            let before = fixture.counts();
            assert_eq!((before["web/FRONTEND"], before["nodes/BACKEND"]), (20 * turn, 20 * turn), "{mode:?}");
            fixture.write(&["s1", "s2"]);
            let outcome = fixture.reload_well();
            assert!(outcome.stderr.contains("carries the counters of 4 objects"), "{}", outcome.stderr);
            assert_eq!(fixture.counts(), before, "{mode:?}");
        }
    }
}

#[test]
fn under_load_a_count_misses_no_more_than_the_requests_of_the_reload() {
    if !can_load_counters() {
        return;
    }
    let mut fixture = CountersFixture::running(Mode::MasterSocket);
    fixture.request(100);
    let rate = Rate::default();
    let load = Load::start(fixture.front(), "/", rate);
    let mut during = 0;
    for _ in 0..5 {
        poll::pass(Duration::from_millis(300)).unwrap();
        let (before, start) = (fixture.counts(), Instant::now());
        fixture.write(&["s1", "s2"]);
        fixture.reload_well();
        // Each visitor may have one more request on its old connection.
        poll::pass(2 * rate.every).unwrap();
        during += load.since(start).requests + rate.visitors as u64;
        let after = fixture.counts();
        assert!(before.iter().all(|(of, count)| after[of] >= *count), "{before:?} {after:?}");
    }
    drop(load);
    let arrived = fixture.arrived();
    let (web, nodes) = (fixture.count("web/FRONTEND"), fixture.count("nodes/BACKEND"));
    let servers = fixture.count("nodes/s1") + fixture.count("nodes/s2");
    println!(
        "of {arrived} requests {} are not counted after 5 reloads, {during} in all during them",
        arrived - nodes
    );
    assert!(
        web < arrived && arrived - nodes <= during && nodes - servers <= during,
        "{web} {nodes} {servers}"
    );
}

#[test]
fn a_server_that_was_added_at_run_time_keeps_its_count_and_a_removed_one_is_forgotten() {
    if !can_load_counters() {
        return;
    }
    let mut fixture = CountersFixture::running(Mode::MasterSocket);
    fixture.request(10);
    fixture.write_servers(&["s1", "s2", "s3"]);
    fixture.change();
    fixture.request(30);
    let before = fixture.counts();
    assert!(before["nodes/s3"] > 0, "{before:?}");
    fixture.write(&["s1", "s2", "s3"]);
    fixture.reload_well();
    assert_eq!(fixture.counts(), before);
    fixture.write_servers(&["s2", "s3"]);
    fixture.change();
    fixture.write(&["s2", "s3"]);
    fixture.reload_well();
    let after = fixture.counts();
    assert_eq!((after["nodes/s3"], after["nodes/BACKEND"]), (before["nodes/s3"], before["nodes/BACKEND"]));
    assert!(!after.contains_key("nodes/s1"), "{after:?}");
}

#[test]
fn counts_are_kept_by_a_haproxy_with_user_and_chroot() {
    if !can_load_counters() || !can_change_user() {
        return;
    }
    for mode in [Mode::MasterSocket, Mode::Classic] {
        let mut fixture = CountersFixture::new();
        let jail = fixture.run.join("jail");
        fs::create_dir(&jail).unwrap();
        fixture.global += &format!("\n  chroot {}\n  user nobody\n  group nogroup", jail.display());
        fixture.run_with(mode);
        fixture.request(20);
        fixture.write(&["s1", "s2"]);
        fixture.reload_well();
        assert_eq!(fixture.count("web/FRONTEND"), 20, "{mode:?}");
    }
}

#[test]
fn a_cold_start_begins_at_zero_without_a_warning() {
    if !can_load_counters() {
        return;
    }
    let mut fixture = CountersFixture::running(Mode::MasterSocket);
    fixture.request(20);
    fixture.write(&["s1", "s2"]);
    fixture.reload_well();
    fixture.haproxy.take().unwrap().stop().unwrap();
    let log = fixture.run.join("haproxy.log");
    let old = fs::read_to_string(&log).unwrap().len();
    fixture.start(Mode::MasterSocket);
    let said = fs::read_to_string(log).unwrap().split_off(old);
    assert!(fixture.count("web/FRONTEND") == 0 && !said.contains("stats-file"), "{said}");
}

#[test]
fn an_older_haproxy_refuses_the_file_and_goes_on() {
    if !is_meant(!is_since((3, 0)), "HAProxy before 3.0, which cannot load counters") {
        return;
    }
    let fixture = HaproxyFixture::running(Mode::MasterSocket);
    let worker = fixture.worker();
    fixture.write("stats-file /run/counters", "");
    assert_refused(&fixture.reload(&[]), "unknown keyword 'stats-file'");
    assert_eq!(fixture.worker(), worker);
}

/// Renders the shipped template with one server and these settings; returns whether HAProxy accepts it, and stderr.
fn render(fixture: &HaproxyFixture, server: &CountingServer, more: &[&str]) -> (bool, String) {
    let nodes = fixture.run.join("nodes");
    fs::create_dir_all(&nodes).unwrap();
    let address = server.address();
    let record = format!(
        r#"{{"address":"{}","name":"s1","role":"backend","tags":{{"role":"backend","port":"{}"}}}}"#,
        address.ip(),
        address.port()
    );
    common::replace::replace(&nodes.join("s1.json"), record.as_bytes(), 0o640).unwrap();
    let mut command = Command::new(programs::bin_dir().unwrap().join("render-cfg"));
    command.arg("--nodes").arg(nodes).arg("--output").arg(fixture.config());
    command.arg("--template").arg(programs::shipped("render-cfg/templates/haproxy.cfg.tera"));
    command.arg("--check").arg(format!("{} -c -f {{}}", program().display()));
    let [bind, stats_bind] = [8080, 1936].map(|port| format!("{}:{port}", fixture.front().ip()));
    let socket = fixture.run.join("admin.sock");
    let settings: BTreeMap<&str, String> = [
        ("bind", bind),
        ("stats_bind", stats_bind),
        ("admin_socket", socket.display().to_string()),
        ("stats_file", fixture.run.join("counters").display().to_string()),
        ("user", String::new()),
        ("group", String::new()),
    ]
    .into();
    let settings = settings.iter().map(|(key, value)| format!("{key}={value}"));
    for setting in settings.chain(more.iter().map(|&setting| setting.to_owned())) {
        command.arg("--set").arg(setting);
    }
    let output = command.output().unwrap();
    (output.status.success(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn the_shipped_template_keeps_the_counts_if_that_is_set_and_an_older_haproxy_says_what_it_needs() {
    let mut fixture = HaproxyFixture::empty();
    let app = fixture.app(11);
    let (is_accepted, said) = render(&fixture, &app, &[]);
    if !is_since((3, 0)) {
        assert!(!is_accepted && said.contains("the setting stats_file needs HAProxy 3.0 or later"), "{said}");
        return;
    }
    assert!(is_accepted, "{said}");
    fixture.start(Mode::MasterSocket);
    fixture.wait_for_up(&["s1"]);
    (0..20).for_each(|_| assert_eq!(Client::fresh(fixture.front()).get("/").unwrap().status, 200));
    let counts = || {
        let rows = fixture.haproxy().show_stat().unwrap().into_iter();
        let wanted = rows.filter(|row| ["web", "nodes"].contains(&row["pxname"].as_str()));
        wanted.map(|row| row["stot"].clone()).collect::<Vec<_>>()
    };
    let is_counted = || (counts() == ["20", "20", "20"]).then_some(());
    poll::until(SOON, "20 counted requests", is_counted).unwrap();
    let (is_accepted, said) = render(&fixture, &app, &["maxconn=100"]);
    assert!(is_accepted, "{said}");
    let outcome = fixture.reload(&[]);
    assert!(outcome.code == 0 && outcome.stderr.contains("reload ("), "{}", outcome.stderr);
    assert_eq!(counts(), ["20", "20", "20"], "{}", outcome.stderr);
}
