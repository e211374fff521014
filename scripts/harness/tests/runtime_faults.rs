//! Changes of servers in a running HAProxy that fail halfway: runs that are killed or concurrent, reloads and
//! restarts by other programs, and lost notes. In the end HAProxy always has the servers of the file.
//!
//! `$HAPROXY` names another HAProxy than the installed one, as in tests/reload_methods.rs.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::fs;
use std::path::PathBuf;
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use common::replace::replace;
use harness::cluster::single_haproxy::varied_servers::{assert_settled, varied};
use harness::cluster::single_haproxy::{BALANCED, HaproxyFixture, Outcome, assert_done, finish, many};
use harness::daemons::haproxy::Mode;
use harness::run::poll;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const SOON: Duration = Duration::from_secs(20);

fn pid(id: u32) -> Pid {
    Pid::from_raw(i32::try_from(id).unwrap())
}

const MOMENTS: u32 = 60;

#[test]
fn the_next_run_completes_a_change_killed_at_any_moment() {
    let fixture = HaproxyFixture::with_nodes(&many(3));
    let run = |number| {
        fixture.write_nodes(&varied(number));
        let start = Instant::now();
        fixture.change();
        start.elapsed()
    };
    let whole = (1000..1003).map(run).min().unwrap();
    let mut amends = 0;
    // On a busy machine some rounds are slower than these runs, and more rounds are needed.
    for moment in 0..4 * MOMENTS {
        if moment >= MOMENTS && amends > 0 {
            break;
        }
        fixture.write_nodes(&varied(moment + 1));
        let mut child = fixture.start_reload(&[]);
        thread::sleep(whole * (moment % (2 * MOMENTS)) / MOMENTS);
        child.kill().unwrap();
        child.wait().unwrap();
        let outcome = fixture.reload(&[]);
        assert_done(&outcome, "");
        amends += usize::from(outcome.stderr.contains("an earlier run did not finish its server changes"));
        assert_settled(&fixture);
    }
    assert!(amends > 0, "none was killed in the middle");
}

#[test]
fn twenty_runs_at_once_on_a_file_that_changes_all_the_time_end_on_the_last_one() {
    let fixture = HaproxyFixture::with_nodes(&many(3));
    for wave in 0..4 {
        let mut runs: Vec<Child> = Vec::new();
        for round in 0..20 {
            let number = wave * 20 + round;
            // Every seventh change needs a reload.
            let tag = format!("  log-tag x{}\n", number / 7);
            let sections = format!(
                "frontend web\n  bind {}\n  default_backend nodes\nbackend nodes\n{BALANCED}{}",
                fixture.front(),
                varied(number)
            );
            fixture.write_text(&(fixture.head(&tag, &sections) + &sections));
            runs.push(fixture.start_reload(&[]));
            thread::sleep(Duration::from_millis(u64::from(number * 7 % 40)));
        }
        let outcomes: Vec<Outcome> = runs.into_iter().map(finish).collect();
        let failed = outcomes.iter().find(|outcome| outcome.code != 0);
        assert!(failed.is_none(), "{}", failed.unwrap().stderr);
        assert_settled(&fixture);
    }
}

#[test]
fn after_a_reload_by_another_program_there_is_nothing_to_do() {
    let fixture = HaproxyFixture::with_nodes(&many(3));
    for round in 0..5 {
        fixture.write_nodes(&varied(round));
        fixture.change();
        let worker = fixture.worker();
        fixture.haproxy().master_command("reload").unwrap();
        let other = || fixture.haproxy().worker_pid().ok().filter(|now| *now != worker);
        poll::until(SOON, "the other's worker", other).unwrap();
        assert_settled(&fixture);
        // A master that is still loading accepts no command.
        poll::until(SOON, "the master", || fixture.haproxy().master_command("show proc").ok()).unwrap();
    }
}

#[test]
fn a_reload_by_another_program_during_runs_does_no_harm() {
    let fixture = HaproxyFixture::with_nodes(&many(3));
    let master = pid(fixture.haproxy().pid().unwrap());
    for round in 0..20 {
        fixture.write_nodes(&varied(round));
        let child = fixture.start_reload(&[]);
        thread::sleep(Duration::from_millis(u64::from(round * 3)));
        match round % 2 {
            0 => kill(master, Signal::SIGUSR2).unwrap(),
            _ => drop(fixture.haproxy().master_command("reload")),
        }
        assert_done(&finish(child), "");
        // The other program's worker may start with an earlier file after both have ended. The next run notices that.
        let rest = || {
            let outcome = fixture.reload(&[]);
            assert_done(&outcome, "");
            let is_alone = fixture.haproxy().master_command("show proc").is_ok();
            (is_alone && outcome.stderr.contains("nothing to do")).then_some(())
        };
        poll::until(SOON, "nothing to do", rest).unwrap();
    }
    poll::pass(Duration::from_millis(500)).unwrap();
    assert_done(&fixture.reload(&[]), "");
    assert_settled(&fixture);
}

#[test]
fn a_reload_that_a_killed_run_has_begun_does_not_overtake_the_next_run() {
    let fixture = HaproxyFixture::with_nodes(&many(3));
    for round in 0..20 {
        let mut child = fixture.start_reload(&["--force"]);
        thread::sleep(Duration::from_millis(u64::from(round * 8)));
        child.kill().unwrap();
        child.wait().unwrap();
        fixture.write_nodes(&varied(round));
        assert_done(&fixture.reload(&[]), "");
        // Long enough for a reload.
        poll::pass(Duration::from_millis(300)).unwrap();
        assert_settled(&fixture);
    }
}

#[test]
fn a_haproxy_restarted_between_or_during_runs_ends_on_the_file() {
    let mut fixture = HaproxyFixture::with_nodes(&many(3));
    for round in 0..8 {
        fixture.write_nodes(&varied(round));
        let child = fixture.start_reload(&[]);
        thread::sleep(Duration::from_millis(u64::from(round * 4)));
        drop(fixture.haproxy.take());
        let is_waited_for = round % 2 == 0;
        let outcome = if is_waited_for {
            Some(finish(child))
        } else {
            drop(finish(child));
            None
        };
        fixture.start(Mode::MasterSocket);
        assert!(outcome.is_none_or(|outcome| [0, 5].contains(&outcome.code)));
        assert_done(&fixture.reload(&[]), "");
        assert_settled(&fixture);
        fixture.write_nodes(&varied(round + 1));
        fixture.change();
        assert_settled(&fixture);
    }
}

#[test]
fn lost_or_wrong_notes_cost_at_most_a_reload() {
    let fixture = HaproxyFixture::with_nodes(&many(3));
    let state = fixture.run.join("state");
    let notes = |end: &str| -> Vec<PathBuf> {
        let entries = fs::read_dir(&state).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.to_str().unwrap().ends_with(end)).collect()
    };
    let spoil: [&dyn Fn(); 5] = [
        &|| fs::remove_dir_all(&state).unwrap(),
        &|| replace(&notes(".loaded")[0], b"global\n", 0o600).unwrap(),
        &|| fs::remove_file(&notes(".loaded")[0]).unwrap(),
        &|| replace(&notes(".json")[0], b"{", 0o600).unwrap(),
        &|| fs::remove_file(&notes(".json")[0]).unwrap(),
    ];
    for (round, spoil) in spoil.into_iter().enumerate() {
        let round = u32::try_from(round).unwrap() * 3;
        fixture.write_nodes(&varied(round));
        fixture.change();
        spoil();
        assert_done(&fixture.reload(&[]), "");
        assert_settled(&fixture);
        fixture.write_nodes(&varied(round + 1));
        assert_done(&fixture.reload(&[]), "");
        spoil();
        fixture.write_nodes(&varied(round + 2));
        assert_done(&fixture.reload(&[]), "reload (");
        assert_settled(&fixture);
    }
}

#[test]
fn a_hanging_worker_is_replaced_by_one_that_runs_the_file() {
    let fixture = HaproxyFixture::with_nodes(&many(3));
    let worker = fixture.worker();
    fixture.write_nodes(&varied(1));
    kill(pid(worker), Signal::SIGSTOP).unwrap();
    let outcome = fixture.reload(&[]);
    kill(pid(worker), Signal::SIGCONT).unwrap();
    assert_done(&outcome, "reload (master): no worker reports what it runs");
    assert_settled(&fixture);
}
