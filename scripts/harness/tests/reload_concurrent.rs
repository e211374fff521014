//! Many reloads: a burst of changes, concurrent runs, killed runs, lost signals, and load meanwhile.
//!
//! `$HAPROXY` names another HAProxy than the installed one, as in tests/reload_methods.rs.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use harness::cluster::single_haproxy::{
    HaproxyFixture, Outcome, assert_done, every_mode, finish, is_since, program, revision,
};
use harness::daemons::haproxy::Mode;
use harness::traffic::load::{Load, Rate};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

#[test]
fn a_burst_of_changes_ends_on_the_last_file() {
    for (mode, fixture, _) in every_mode() {
        for round in 0..5 {
            let reloads: Vec<Child> = (0..6)
                .map(|change| {
                    fixture.write(&revision(100 * (round + 1) + change), "");
                    let child = fixture.start_reload(&[]);
                    thread::sleep(Duration::from_millis(35));
                    child
                })
                .collect();
            for child in reloads {
                let outcome = finish(child);
                assert_eq!(outcome.code, 0, "{mode:?}: {}", outcome.stderr);
            }
            assert_eq!(fixture.description(), revision(100 * (round + 1) + 5), "{mode:?}");
        }
    }
}

#[test]
fn a_signal_that_haproxy_loses_is_sent_again() {
    let fixture = HaproxyFixture::running(Mode::MasterWorker);
    // A file that takes a while to load. Up to 3.0, a signal during that time is lost.
    let servers =
        |count: usize| -> String { (0..count).map(|n| format!("  server s{n} 127.0.0.1:9\n")).collect() };
    let mut text = servers(3000);
    let many =
        |number, servers: &str| fixture.write(&revision(number), &format!("\nbackend many\n{servers}"));
    many(2, &text);
    assert_done(&fixture.reload(&[]), "runs '");
    let master = Pid::from_raw(i32::try_from(fixture.haproxy().pid().unwrap()).unwrap());
    // This check takes no time, so the run's own signal comes while HAProxy still loads the previous file.
    let script = format!("[ \"$1\" != -c ] || exit 0\nexec {} \"$@\"", program().display());
    let quick = fixture.script("quick-check", &script);
    // Up to 3.0, HAProxy loses a signal that comes while it loads a file, so there must be at least one resend.
    let (mut resends, enough) = (0, usize::from(!is_since((3, 1))));
    // On a busy machine the signal may come too late, so there are many rounds, and a file that takes ever longer.
    for round in 3..60 {
        if round % 15 == 0 {
            text = servers(200 * round as usize);
        }
        kill(master, Signal::SIGUSR2).unwrap();
        thread::sleep(Duration::from_millis(u64::from(round % 10)));
        many(round, &text);
        let outcome = finish(fixture.command_with(&quick, &[]).spawn().unwrap());
        // The earlier signal may have come late enough to load the new file.
        assert_done(&outcome, "runs ");
        resends += outcome.stderr.matches("sent again").count();
        assert_eq!(fixture.description(), revision(round));
        if round >= 8 && resends >= enough {
            return;
        }
    }
    panic!("no signal was lost, or none was sent again");
}

#[test]
fn twenty_runs_at_once_reload_once() {
    let fixture = HaproxyFixture::running(Mode::MasterSocket);
    fixture.write(&revision(2), "");
    let runs: Vec<Child> = (0..20).map(|_| fixture.start_reload(&[])).collect();
    let outcomes: Vec<Outcome> = runs.into_iter().map(finish).collect();
    assert!(outcomes.iter().all(|outcome| outcome.code == 0));
    let reloads = outcomes.iter().filter(|outcome| outcome.stderr.contains("reload (master)")).count();
    assert_eq!(reloads, 1);
    assert_eq!(fixture.description(), revision(2));
}

#[test]
fn the_next_run_completes_a_run_killed_at_any_moment() {
    let fixture = HaproxyFixture::running(Mode::MasterSocket);
    for moment in 0..30 {
        fixture.write(&revision(10 + moment), "");
        let mut child = fixture.start_reload(&[]);
        thread::sleep(Duration::from_millis(u64::from(moment) * 4));
        child.kill().unwrap();
        child.wait().unwrap();
        let outcome = fixture.reload(&[]);
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        assert_eq!(fixture.description(), revision(10 + moment));
    }
}

#[test]
fn reloads_under_load_fail_no_request() {
    let fixture = HaproxyFixture::running(Mode::MasterSocket);
    let start = Instant::now();
    let load = Load::start(fixture.front(), "/", Rate::default());
    for number in 2..12 {
        fixture.write(&revision(number), "");
        assert_done(&fixture.reload(&[]), "runs '");
    }
    let counts = load.since(start);
    assert!(counts.requests > 100, "{}", counts.requests);
    assert_eq!(counts.failures(), 0, "{}", counts.failures_shown());
}
