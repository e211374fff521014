//! Invalid answers of HAProxy's socket during changes of servers, and commands that it rejects or ignores. In the end
//! HAProxy always has the servers of the file.
//!
//! `$HAPROXY` names another HAProxy than the installed one, as in tests/reload_methods.rs.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use harness::cluster::single_haproxy::varied_servers::{assert_settled, varied};
use harness::cluster::single_haproxy::{HaproxyFixture, assert_done, many};
use harness::daemons::haproxy::ask;

/// The value of `--timeout`.
const PATIENCE: Duration = Duration::from_secs(4);

/// A stats socket that forwards every line to the real one and returns its answer, except for one false answer.
struct Liar {
    path: PathBuf,
    is_over: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

#[derive(Clone, Copy)]
struct Lie {
    /// Only lines with this text get the false answer.
    about: &'static str,
    /// Whether these lines still reach the real socket.
    obeys: bool,
    /// How the answer is changed.
    makes: fn(String) -> String,
}

impl Liar {
    fn start(fixture: &HaproxyFixture, lie: Lie) -> Liar {
        let (path, real) = (fixture.run.join("liar.sock"), fixture.run.join("admin.sock"));
        // An earlier test may have left its socket.
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

/// The first two thirds of an answer, and the end of the last complete line in them.
fn most(answer: &str) -> (&str, usize) {
    let most = &answer[..answer.len() * 2 / 3];
    (most, most.rfind('\n').unwrap() + 1)
}

/// False answers, and what a run must report about each.
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
    let fixture = HaproxyFixture::with_nodes(&many(3));
    for (round, (says, lie)) in (0..).zip(lies()) {
        let liar = Liar::start(&fixture, lie);
        fixture.write_nodes(&varied(round));
        let outcome = fixture.reload(&["--timeout", "4s", "--stats-socket", liar.path.to_str().unwrap()]);
        assert_done(&outcome, says);
        assert_done(&outcome, "reload (master): ");
        drop(liar);
        assert_settled(&fixture);
    }
}

#[test]
fn a_command_refused_halfway_leads_to_a_reload() {
    let fixture = HaproxyFixture::with_nodes(&many(3));
    let refusal = |_| "Already exists a server with the same name in backend.\n".to_owned();
    let lie = Lie { about: "add server nodes/s200 ", obeys: false, makes: refusal };
    let liar = Liar::start(&fixture, lie);
    fixture.write_nodes(&many(300));
    let outcome = fixture.reload(&["--stats-socket", liar.path.to_str().unwrap()]);
    assert_done(
        &outcome,
        "HAProxy rejected a command with 'Already exists a server with the same name in backend.'",
    );
    drop(liar);
    assert_settled(&fixture);
}
