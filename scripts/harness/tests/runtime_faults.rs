//! Changes of servers in a running HAProxy that go wrong in the middle: runs that are killed or crowded out,
//! reloads and restarts by others, answers that make no sense. The end is always what the file says.
//!
//! `$HAPROXY` names another HAProxy than the installed one, as in tests/reload.rs.
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
use harness::bed::{BALANCED, Bed, Outcome, assert_done, finish, many};
use harness::haproxy::{Mode, ask};
use harness::poll;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const SOON: Duration = Duration::from_secs(20);

fn pid(id: u32) -> Pid {
    Pid::from_raw(i32::try_from(id).unwrap())
}

/// The worker has the servers of the file and no others, each where the file says, and a run says so.
#[track_caller]
fn assert_settled(bed: &Bed) {
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
/// As `--timeout` says.
const PATIENCE: Duration = Duration::from_secs(4);

#[test]
fn a_run_killed_at_any_moment_of_a_change_is_made_good_by_the_next() {
    let bed = Bed::with_nodes(&many(3));
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
        amends +=
            usize::from(outcome.stderr.contains("an earlier run did not finish its changes of servers"));
        assert_settled(&bed);
    }
    assert!(amends > 0, "none was killed in the middle");
}

#[test]
fn twenty_runs_at_once_on_a_file_that_changes_all_the_time_end_on_the_last_one() {
    let bed = Bed::with_nodes(&many(3));
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
fn a_reload_by_somebody_else_between_or_during_runs_does_no_harm() {
    let bed = Bed::with_nodes(&many(3));
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
        assert_done(&bed.reload(&[]), "");
        assert_settled(&bed);
        // At rest, its worker is known by what it says. A master that loads still takes no command.
        let worker = bed.worker();
        poll::until(SOON, "the master", || bed.haproxy().master_command("reload").ok()).unwrap();
        poll::until(SOON, "a worker", || bed.haproxy().worker_pid().ok().filter(|now| *now != worker))
            .unwrap();
        assert_done(&bed.reload(&[]), "nothing to do");
    }
}

#[test]
fn a_haproxy_that_is_started_anew_between_or_during_runs_ends_on_the_file() {
    let mut bed = Bed::with_nodes(&many(3));
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
fn notes_that_are_lost_or_wrong_cost_a_reload_at_most() {
    let bed = Bed::with_nodes(&many(3));
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
fn a_worker_that_stands_still_is_replaced_by_one_that_runs_the_file() {
    let bed = Bed::with_nodes(&many(3));
    let worker = bed.worker();
    bed.write_nodes(&varied(1));
    kill(pid(worker), Signal::SIGSTOP).unwrap();
    let outcome = bed.reload(&[]);
    kill(pid(worker), Signal::SIGCONT).unwrap();
    assert_done(&outcome, "reload (master): no worker says what it runs");
    assert_settled(&bed);
}

/// A stats socket that passes every line on to the real one, but for what `lie` makes of it: the answer to a
/// line, or the real one's.
struct Liar {
    path: PathBuf,
    is_over: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

type Lie = fn(line: &str, truth: &dyn Fn() -> String) -> String;

impl Liar {
    fn start(bed: &Bed, lie: Lie) -> Liar {
        let (path, real) = (bed.run.join("liar.sock"), bed.run.join("admin.sock"));
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
                let answer = lie(line.trim_end(), &|| ask(&real, line.trim_end()).unwrap_or_default());
                // Whoever has heard enough has gone.
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

#[test]
fn answers_that_make_no_sense_and_orders_that_are_not_obeyed_become_a_reload_that_says_so() {
    let lies: [(&str, Lie); 10] = [
        ("liar.sock' fails: timed out", |line, truth| {
            if line.contains("add server") {
                thread::sleep(PATIENCE + Duration::from_secs(1));
                return String::new();
            }
            truth()
        }),
        ("HAProxy says 'Huh?'", |line, truth| match line.contains("add server") {
            true => truth() + "Huh?\n",
            false => truth(),
        }),
        ("HAProxy says 'Permission denied'", |line, truth| match line.contains("add server") {
            true => "Permission denied\n".to_owned(),
            false => truth(),
        }),
        ("is not as the file has it", |line, truth| match line.contains("add server") {
            true => "\n".to_owned(),
            false => truth(),
        }),
        ("is no answer to show servers state", |line, truth| match line.contains("show servers state") {
            true => truth().replace(" 9 ", " nine "),
            false => truth(),
        }),
        ("is no answer to show servers state", |line, truth| match line.contains("show servers state") {
            true => truth().replace("srv_uweight", "weight"),
            false => truth(),
        }),
        ("has come in place of", |line, truth| match line.contains("show servers state") {
            true => truth().replace("\nPid: ", "\nPid: 9"),
            false => truth(),
        }),
        ("is no answer to show info", |line, truth| match line.contains("show servers state") {
            true => String::new(),
            false => truth(),
        }),
        ("is not whole", |line, truth| match line.contains("show servers state") {
            true => {
                let answer = truth();
                answer[..answer.len() * 2 / 3].to_owned()
            }
            false => truth(),
        }),
        ("is not whole", |line, truth| match line.contains("show servers state") {
            true => {
                let answer = truth();
                let end = answer[..answer.len() * 2 / 3].rfind('\n').unwrap();
                answer[..=end].to_owned()
            }
            false => truth(),
        }),
    ];
    let bed = Bed::with_nodes(&many(3));
    for (round, (says, lie)) in lies.into_iter().enumerate() {
        let liar = Liar::start(&bed, lie);
        bed.write_nodes(&varied(u32::try_from(round).unwrap()));
        let outcome = bed.reload(&["--timeout", "4s", "--stats-socket", liar.path.to_str().unwrap()]);
        assert_done(&outcome, says);
        assert_done(&outcome, "reload (master): ");
        drop(liar);
        assert_settled(&bed);
    }
}

#[test]
fn an_order_that_is_refused_halfway_becomes_a_reload() {
    let bed = Bed::with_nodes(&many(3));
    let lie: Lie = |line, truth| match line.contains("add server nodes/s200 ") {
        true => {
            "New server registered.\n\nAlready exists a server with the same name in backend.\n".to_owned()
        }
        false => truth(),
    };
    let liar = Liar::start(&bed, lie);
    bed.write_nodes(&many(300));
    let outcome = bed.reload(&["--stats-socket", liar.path.to_str().unwrap()]);
    assert_done(&outcome, "HAProxy says 'Already exists a server with the same name in backend.'");
    drop(liar);
    assert_settled(&bed);
}
