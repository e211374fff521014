//! Changes of servers in a running HAProxy that fail halfway: killed or concurrent runs, reloads and restarts by other
//! programs, invalid answers. In the end HAProxy always has the servers of the file.
//!
//! `$HAPROXY` names another HAProxy than the installed one, as in tests/reload_methods.rs.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::replace::replace;
use harness::cluster::single_haproxy::{BALANCED, HaproxyFixture, Outcome, assert_done, finish, many};
use harness::daemons::haproxy::{Mode, ask};
use harness::run::poll;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const SOON: Duration = Duration::from_secs(20);

fn pid(id: u32) -> Pid {
    Pid::from_raw(i32::try_from(id).unwrap())
}

/// The worker has exactly the servers of the file, at their addresses, and a run reports that.
#[track_caller]
fn assert_settled(bed: &HaproxyFixture) {
    let file = fs::read_to_string(bed.config()).unwrap();
    let servers = file.lines().filter(|line| line.starts_with("  server "));
    let wanted: BTreeSet<String> = servers
        .map(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            let weight = words.iter().position(|word| *word == "weight").map_or("1", |at| words[at + 1]);
            format!("{} {} {weight}", words[3], words[4])
        })
        .collect();
    let states = bed.states().into_values().filter(|state| state["srv_admin_state"] != "1");
    let live: BTreeSet<String> = states
        .map(|state| {
            let [name, address, port, weight] =
                ["srv_name", "srv_addr", "srv_port", "srv_uweight"].map(|column| &state[column]);
            format!("{name} {address}:{port} {weight}")
        })
        .collect();
    assert!(live == wanted, "{:?}", live.symmetric_difference(&wanted).take(5).collect::<Vec<_>>());
    assert_done(&bed.reload(&[]), "nothing to do");
}

/// Three hundred servers of which every second file has some, and some elsewhere, or with another weight.
fn varied(round: u32) -> String {
    let lines = many(300);
    let lines = lines.lines().enumerate().filter(|(n, _)| *n < 3 || (n + round as usize) % 3 != 0);
    let line = |(n, line): (usize, &str)| match (n + round as usize) % 5 {
        0 => format!("{line} weight {}\n", round % 7 + 2),
        1 => format!("{}\n", line.replace(":9 ", &format!(":{} ", round % 7 + 10))),
        _ => format!("{line}\n"),
    };
    lines.map(line).collect()
}

const MOMENTS: u32 = 60;
/// As given by `--timeout`.
const PATIENCE: Duration = Duration::from_secs(4);

#[test]
fn the_next_run_completes_a_change_killed_at_any_moment() {
    let bed = HaproxyFixture::with_nodes(&many(3));
    bed.write_nodes(&varied(0));
    let start = Instant::now();
    bed.change();
    let whole = start.elapsed();
    let mut amends = 0;
    for moment in 0..MOMENTS {
        bed.write_nodes(&varied(moment + 1));
        let mut child = bed.start_reload(&[]);
        thread::sleep(whole * moment / MOMENTS);
        child.kill().unwrap();
        child.wait().unwrap();
        let outcome = bed.reload(&[]);
        assert_done(&outcome, "");
        amends += usize::from(outcome.stderr.contains("an earlier run did not finish its server changes"));
        assert_settled(&bed);
    }
    assert!(amends > 0, "none was killed in the middle");
}

#[test]
fn twenty_runs_at_once_on_a_file_that_changes_all_the_time_end_on_the_last_one() {
    let bed = HaproxyFixture::with_nodes(&many(3));
    for wave in 0..4 {
        let mut runs: Vec<Child> = Vec::new();
        for round in 0..20 {
            let number = wave * 20 + round;
            // Every seventh is for a reload.
            let tag = format!("  log-tag x{}\n", number / 7);
            let sections = format!(
                "frontend web\n  bind {}\n  default_backend nodes\nbackend nodes\n{BALANCED}{}",
                bed.front(),
                varied(number)
            );
            bed.write_text(&(bed.head(&tag, &sections) + &sections));
            runs.push(bed.start_reload(&[]));
            thread::sleep(Duration::from_millis(u64::from(number * 7 % 40)));
        }
        let outcomes: Vec<Outcome> = runs.into_iter().map(finish).collect();
        let failed = outcomes.iter().find(|outcome| outcome.code != 0);
        assert!(failed.is_none(), "{}", failed.unwrap().stderr);
        assert_settled(&bed);
    }
}

#[test]
fn after_a_reload_by_another_program_there_is_nothing_to_do() {
    let bed = HaproxyFixture::with_nodes(&many(3));
    for round in 0..5 {
        bed.write_nodes(&varied(round));
        bed.change();
        let worker = bed.worker();
        bed.haproxy().master_command("reload").unwrap();
        let other = || bed.haproxy().worker_pid().ok().filter(|now| *now != worker);
        poll::until(SOON, "the other's worker", other).unwrap();
        assert_settled(&bed);
        // A master that still loads takes no command.
        poll::until(SOON, "the master", || bed.haproxy().master_command("show proc").ok()).unwrap();
    }
}

#[test]
fn a_reload_by_another_program_during_runs_does_no_harm() {
    let bed = HaproxyFixture::with_nodes(&many(3));
    let master = pid(bed.haproxy().pid().unwrap());
    for round in 0..20 {
        bed.write_nodes(&varied(round));
        let child = bed.start_reload(&[]);
        thread::sleep(Duration::from_millis(u64::from(round * 3)));
        match round % 2 {
            0 => kill(master, Signal::SIGUSR2).unwrap(),
            _ => drop(bed.haproxy().master_command("reload")),
        }
        assert_done(&finish(child), "");
        // Its worker may start with an earlier file after both have ended; the next run notices that.
        let rest = || {
            let outcome = bed.reload(&[]);
            assert_done(&outcome, "");
            let is_alone = bed.haproxy().master_command("show proc").is_ok();
            (is_alone && outcome.stderr.contains("nothing to do")).then_some(())
        };
        poll::until(SOON, "nothing to do", rest).unwrap();
    }
    poll::pass(Duration::from_millis(500)).unwrap();
    assert_done(&bed.reload(&[]), "");
    assert_settled(&bed);
}

#[test]
fn a_reload_that_a_killed_run_has_begun_does_not_overtake_the_next_run() {
    let bed = HaproxyFixture::with_nodes(&many(3));
    for round in 0..20 {
        let mut child = bed.start_reload(&["--force"]);
        thread::sleep(Duration::from_millis(u64::from(round * 8)));
        child.kill().unwrap();
        child.wait().unwrap();
        bed.write_nodes(&varied(round));
        assert_done(&bed.reload(&[]), "");
        // Long enough for a reload.
        poll::pass(Duration::from_millis(300)).unwrap();
        assert_settled(&bed);
    }
}

#[test]
fn a_haproxy_restarted_between_or_during_runs_ends_on_the_file() {
    let mut bed = HaproxyFixture::with_nodes(&many(3));
    for round in 0..8 {
        bed.write_nodes(&varied(round));
        let child = bed.start_reload(&[]);
        thread::sleep(Duration::from_millis(u64::from(round * 4)));
        drop(bed.haproxy.take());
        let is_waited_for = round % 2 == 0;
        let outcome = if is_waited_for {
            Some(finish(child))
        } else {
            drop(finish(child));
            None
        };
        bed.start(Mode::MasterSocket);
        assert!(outcome.is_none_or(|outcome| [0, 5].contains(&outcome.code)));
        assert_done(&bed.reload(&[]), "");
        assert_settled(&bed);
        bed.write_nodes(&varied(round + 1));
        bed.change();
        assert_settled(&bed);
    }
}

#[test]
fn lost_or_wrong_notes_cost_at_most_a_reload() {
    let bed = HaproxyFixture::with_nodes(&many(3));
    let state = bed.run.join("state");
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
        bed.write_nodes(&varied(round));
        bed.change();
        spoil();
        assert_done(&bed.reload(&[]), "");
        assert_settled(&bed);
        bed.write_nodes(&varied(round + 1));
        assert_done(&bed.reload(&[]), "");
        spoil();
        bed.write_nodes(&varied(round + 2));
        assert_done(&bed.reload(&[]), "reload (");
        assert_settled(&bed);
    }
}

#[test]
fn a_hanging_worker_is_replaced_by_one_that_runs_the_file() {
    let bed = HaproxyFixture::with_nodes(&many(3));
    let worker = bed.worker();
    bed.write_nodes(&varied(1));
    kill(pid(worker), Signal::SIGSTOP).unwrap();
    let outcome = bed.reload(&[]);
    kill(pid(worker), Signal::SIGCONT).unwrap();
    assert_done(&outcome, "reload (master): no worker reports what it runs");
    assert_settled(&bed);
}

/// A stats socket that forwards every line to the real one and returns its answer, except for one false answer.
struct Liar {
    path: PathBuf,
    is_over: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

#[derive(Clone, Copy)]
struct Lie {
    /// It applies to lines with this text.
    about: &'static str,
    /// Whether these lines still reach the real socket.
    obeys: bool,
    /// How the answer is changed.
    makes: fn(String) -> String,
}

impl Liar {
    fn start(bed: &HaproxyFixture, lie: Lie) -> Liar {
        let (path, real) = (bed.run.join("liar.sock"), bed.run.join("admin.sock"));
        // An earlier one may have left its socket.
        let _ = fs::remove_file(&path);
        let listener = UnixListener::bind(&path).unwrap();
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let thread = thread::spawn(move || {
            while let Ok((mut stream, _)) = listener.accept() {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                let mut line = String::new();
                stream.read_to_string(&mut line).unwrap();
                let is_it = line.contains(lie.about);
                let truth = || ask(&real, line.trim_end()).unwrap_or_default();
                let answer = if !is_it || lie.obeys { truth() } else { String::new() };
                let answer = if is_it { (lie.makes)(answer) } else { answer };
                // The client may have closed the connection already.
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        Liar { path, is_over, thread: Some(thread) }
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        let _ = std::os::unix::net::UnixStream::connect(&self.path);
        self.thread.take().into_iter().for_each(|thread| thread.join().unwrap());
    }
}

fn about_orders(obeys: bool, makes: fn(String) -> String) -> Lie {
    Lie { about: "add server", obeys, makes }
}

fn about_servers(makes: fn(String) -> String) -> Lie {
    Lie { about: "show servers state", obeys: true, makes }
}

/// The first two thirds of an answer, and in it the end of the last line.
fn most(answer: &str) -> (&str, usize) {
    let most = &answer[..answer.len() * 2 / 3];
    (most, most.rfind('\n').unwrap() + 1)
}

/// False answers, and what a run reports about them.
fn lies() -> [(&'static str, Lie); 10] {
    let never = |_| {
        thread::sleep(PATIENCE + Duration::from_secs(1));
        String::new()
    };
    [
        ("HAProxy rejected a command with 'Huh?'", about_orders(true, |answer| answer + "Huh?\n")),
        (
            "HAProxy rejected a command with 'Permission denied'",
            about_orders(false, |_| "Permission denied\n".to_owned()),
        ),
        ("still differs from the file after the changes", about_orders(false, |_| "\n".to_owned())),
        ("liar.sock' failed: timed out", about_orders(false, never)),
        ("HAProxy answered 'show servers state", about_servers(|answer| answer.replace(" 9 ", " nine "))),
        (
            "HAProxy answered 'show servers state",
            about_servers(|answer| answer.replace("srv_uweight", "weight")),
        ),
        ("has replaced worker", about_servers(|answer| answer.replace("\nPid: ", "\nPid: 9"))),
        ("HAProxy answered 'show info", about_servers(|_| String::new())),
        ("is incomplete", about_servers(|answer| most(&answer).0.to_owned())),
        ("is incomplete", about_servers(|answer| answer[..most(&answer).1].to_owned())),
    ]
}

#[test]
fn invalid_answers_and_ignored_commands_lead_to_a_reload_that_reports_them() {
    let bed = HaproxyFixture::with_nodes(&many(3));
    for (round, (says, lie)) in (0..).zip(lies()) {
        let liar = Liar::start(&bed, lie);
        bed.write_nodes(&varied(round));
        let outcome = bed.reload(&["--timeout", "4s", "--stats-socket", liar.path.to_str().unwrap()]);
        assert_done(&outcome, says);
        assert_done(&outcome, "reload (master): ");
        drop(liar);
        assert_settled(&bed);
    }
}

#[test]
fn a_command_refused_halfway_leads_to_a_reload() {
    let bed = HaproxyFixture::with_nodes(&many(3));
    let refusal = |_| "Already exists a server with the same name in backend.\n".to_owned();
    let lie = Lie { about: "add server nodes/s200 ", obeys: false, makes: refusal };
    let liar = Liar::start(&bed, lie);
    bed.write_nodes(&many(300));
    let outcome = bed.reload(&["--stats-socket", liar.path.to_str().unwrap()]);
    assert_done(
        &outcome,
        "HAProxy rejected a command with 'Already exists a server with the same name in backend.'",
    );
    drop(liar);
    assert_settled(&bed);
}
