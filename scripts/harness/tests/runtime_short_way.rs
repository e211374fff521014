//! A change of a few servers, for which reload-haproxy looks only at these; and when it looks at all.
//!
//! `$HAPROXY` names another HAProxy than the installed one, as in tests/reload_methods.rs.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;

use common::replace::replace;
use harness::cluster::single_haproxy::{HaproxyFixture, Outcome, assert_done, many};
use harness::daemons::haproxy::ask;
use serde_json::Value;

/// What a run logs that looked at so many servers only.
fn compared(count: usize) -> String {
    format!("compared {count} of HAProxy's servers")
}

/// A run that must change servers after a look at `count` of them.
#[track_caller]
fn short(fixture: &HaproxyFixture, file: &str, count: usize) -> Outcome {
    fixture.write_nodes(file);
    let outcome = fixture.change();
    assert!(outcome.stderr.contains(&compared(count)), "{}", outcome.stderr);
    outcome
}

/// A run that must change servers after a look at all.
#[track_caller]
fn whole(fixture: &HaproxyFixture, file: &str) -> Outcome {
    fixture.write_nodes(file);
    let outcome = fixture.change();
    assert!(!outcome.stderr.contains("of HAProxy's servers"), "{}", outcome.stderr);
    outcome
}

/// The path of a file in the state directory.
fn state_file(fixture: &HaproxyFixture, extension: &str) -> PathBuf {
    let mut files = fs::read_dir(fixture.run.join("state")).unwrap().map(|entry| entry.unwrap().path());
    files.find(|path| path.extension().is_some_and(|its| its == extension)).unwrap()
}

/// Changes the note about what HAProxy runs.
fn change_note(fixture: &HaproxyFixture, change: impl FnOnce(&mut Value)) {
    let path = state_file(fixture, "json");
    let mut note = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    change(&mut note);
    replace(&path, note.to_string().as_bytes(), 0o640).unwrap();
}

fn weight(fixture: &HaproxyFixture, name: &str) -> String {
    fixture.states()[&format!("nodes/{name}")]["srv_uweight"].clone()
}

/// A stats socket that passes each line on to HAProxy's, and records it.
fn recorded(fixture: &HaproxyFixture) -> (PathBuf, Arc<Mutex<Vec<String>>>) {
    let (path, real) = (fixture.run.join("recorder.sock"), fixture.run.join("admin.sock"));
    let listener = UnixListener::bind(&path).unwrap();
    let lines = Arc::new(Mutex::new(Vec::new()));
    let record = Arc::clone(&lines);
    thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let mut line = String::new();
            stream.read_to_string(&mut line).unwrap();
            let answer = ask(&real, line.trim_end()).unwrap_or_default();
            record.lock().unwrap().push(line);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    (path, lines)
}

#[test]
fn one_change_among_many_is_made_without_asking_for_all_servers() {
    let fixture = HaproxyFixture::with_nodes(&many(300));
    let (path, lines) = recorded(&fixture);
    fixture.write_nodes(&many(301));
    let outcome = fixture.reload(&["--stats-socket", path.to_str().unwrap()]);
    assert_done(&outcome, "server nodes/s300 added");
    let asked = lines.lock().unwrap().concat();
    assert!(asked.contains("get weight nodes/s300") && asked.contains("show stat"), "{asked}");
    assert!(!asked.contains("show servers"), "{asked}");
    fixture.assert_runs_the_file();
}

#[test]
fn servers_join_change_move_leave_and_return_the_short_way() {
    let fixture = HaproxyFixture::with_nodes(&many(9));
    let new = "  server new 127.9.9.9:9 check weight 7 maxconn 5\n";
    let file = many(9) + new;
    short(&fixture, &file, 1);
    let file = file.replace("weight 7", "weight 8").replace("maxconn 5", "maxconn 6");
    short(&fixture, &file, 1);
    let file = file.replace("9.9.9:9 ", "9.9.8:8 ");
    short(&fixture, &file, 1);
    let file = file.replace("127.9.0.2:", "127.9.7.2:");
    short(&fixture, &file, 1);
    short(&fixture, &many(9), 2);
    let file = many(10) + new;
    short(&fixture, &file, 2);
    short(&fixture, &file.replace("maxconn 5\n", "maxconn 5 disabled\n"), 1);
    // A new one goes on where the numbers of the others end, or where one was deleted.
    let outcome = short(&fixture, &(many(14) + new), 5);
    assert!(outcome.stderr.contains("server nodes/s13 added"), "{}", outcome.stderr);
    fixture.assert_runs_the_file();
}

#[test]
fn another_server_that_was_changed_by_hand_is_put_right_by_the_next_run() {
    let fixture = HaproxyFixture::with_nodes(&many(9));
    fixture.order("set server nodes/s5 weight 9");
    short(&fixture, &many(10), 1);
    assert_eq!(weight(&fixture, "s5"), "9");
    assert_done(&fixture.reload(&[]), "runtime: HAProxy differs: +0 -0 ~1 servers");
    assert_eq!(weight(&fixture, "s5"), "1");
    fixture.assert_runs_the_file();
}

#[test]
fn a_changed_server_that_was_changed_by_hand_is_put_right_by_this_run() {
    let fixture = HaproxyFixture::with_nodes(&many(9));
    fixture.order("set server nodes/s5 weight 9");
    fixture.haproxy().command("set server nodes/s5 addr 127.9.9.9 port 7").unwrap();
    let outcome = short(&fixture, &many(9).replace("127.9.0.6:9 check", "127.9.0.6:9 check weight 3"), 1);
    assert!(outcome.stderr.contains("server nodes/s5 moved to 127.9.0.6:9"), "{}", outcome.stderr);
    assert_eq!(weight(&fixture, "s5"), "3");
    // It is in maintenance, where it was put by hand.
    fixture.order("disable server nodes/s4");
    let outcome = short(&fixture, &many(9).replace("127.9.0.5:9 check", "127.9.0.5:9 check weight 3"), 2);
    assert!(outcome.stderr.contains("nodes/s4 stays in maintenance"), "{}", outcome.stderr);
    // They are not there, or another one is.
    fixture.haproxy().command("disable server nodes/s6;del server nodes/s6").unwrap();
    let is_gone = fixture.server("s6").is_none();
    let outcome =
        fixture_changed(&fixture, &many(9).replace("127.9.0.7:9 check", "127.9.0.7:9 check weight 3"));
    assert!(!is_gone || outcome.stderr.contains("server nodes/s6 added"), "{}", outcome.stderr);
    fixture.haproxy().command("add server nodes/s9 127.9.9.9:9").unwrap();
    fixture.write_nodes(&many(10));
    assert_done(&fixture.reload(&[]), "server s9 of backend nodes: a server of that name was added by hand");
    fixture.assert_runs_the_file();
}

#[track_caller]
fn fixture_changed(fixture: &HaproxyFixture, file: &str) -> Outcome {
    fixture.write_nodes(file);
    fixture.change()
}

#[test]
fn in_doubt_all_servers_are_looked_at() {
    let fixture = HaproxyFixture::with_nodes(&many(9));
    short(&fixture, &many(10), 1);
    // The last look is too long ago, is not known, or was in the future.
    for compared in [Value::from(0), Value::Null, Value::from(u64::MAX)] {
        change_note(&fixture, |note| note["compared"] = compared);
        whole(&fixture, &many(11));
        short(&fixture, &many(10), 1);
    }
    // It is not known which numbers the servers have.
    fs::remove_file(state_file(&fixture, "ids")).unwrap();
    whole(&fixture, &many(9));
    short(&fixture, &many(10), 1);
    // There are many changes, or other lines have changed.
    whole(&fixture, &many(30));
    fixture.write_nodes(&(many(29) + "  retries 1\n"));
    assert_done(&fixture.reload(&[]), "reload (");
    // The note is about another worker, or a run did not finish.
    change_note(&fixture, |note| note["pid"] = (note["pid"].as_i64().unwrap() + 1).into());
    fixture.write_nodes(&many(28));
    assert_done(&fixture.reload(&[]), "reload (");
    assert_done(&fixture.reload(&[]), "nothing to do");
    short(&fixture, &many(29), 1);
    change_note(&fixture, |note| note["is_begun"] = true.into());
    fixture.write_nodes(&many(28));
    assert_done(&fixture.reload(&[]), "an earlier run did not finish its server changes");
    // What HAProxy has loaded is not known.
    assert_done(&fixture.reload(&[]), "nothing to do");
    replace(&state_file(&fixture, "loaded"), b"global\n", 0o600).unwrap();
    fixture.write_nodes(&many(29));
    assert_done(&fixture.reload(&[]), "the file has ");
    fixture.assert_runs_the_file();
}

#[test]
fn the_changes_of_files_and_a_reload_by_force_take_the_whole_way() {
    let fixture = HaproxyFixture::with_nodes(&many(9));
    fixture.write_nodes(&many(10));
    assert_done(&fixture.reload(&["--force"]), "reload (");
    assert_done(&fixture.reload(&[]), "nothing to do");
    fixture.write_nodes(&many(11));
    let (code, told) = fixture.told(&["--dry-run"]);
    assert_eq!(
        (code, told.as_str()),
        (0, "runtime: +1 -0 ~0 servers in backend nodes\nserver nodes/s10 added at 127.9.0.11:9\n")
    );
    short(&fixture, &many(11), 1);
    fixture.assert_runs_the_file();
}
