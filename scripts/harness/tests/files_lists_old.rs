//! Maps and lists of a HAProxy before 2.4, which has no versions of them: each entry is changed by a command.
//!
//! A relay in front of a HAProxy of today hides the versions and answers `prepare` as an old one.
//! `$HAPROXY` names another HAProxy than the installed one, as in tests/reload_methods.rs.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;

use harness::cluster::single_haproxy::{HaproxyFixture, Outcome, assert_done, assert_refused};
use harness::daemons::haproxy::ask;

/// The commands that it got, but for those that only show something.
type Commands = Arc<Mutex<Vec<String>>>;

/// Starts the relay. It ends with the test.
fn relay(fixture: &HaproxyFixture) -> (PathBuf, Commands) {
    let (path, real) = (fixture.run.join("old.sock"), fixture.run.join("admin.sock"));
    let listener = UnixListener::bind(&path).unwrap();
    let commands = Commands::default();
    let seen = Arc::clone(&commands);
    thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            forward(stream, &real, &seen);
        }
    });
    (path, commands)
}

fn forward(mut stream: UnixStream, real: &Path, seen: &Commands) {
    let mut line = String::new();
    stream.read_to_string(&mut line).unwrap();
    // The relay's own client ends the line again.
    let line = line.strip_suffix('\n').unwrap_or(&line);
    if !line.starts_with("show ") {
        seen.lock().unwrap().push(line.to_owned());
    }
    let answer = match line.contains(" @") || line.starts_with("prepare ") {
        true => "Unknown command. Please enter one of the following commands only :\n\n".to_owned(),
        false => ask(real, line).unwrap_or_default(),
    };
    let rows = answer.split_inclusive('\n').map(|row| match row.split_once(" curr_ver=") {
        Some((row, _)) => format!("{row}\n"),
        None => row.to_owned(),
    });
    // The client may have closed the connection already.
    let _ = stream.write_all(rows.collect::<String>().as_bytes());
}

fn through(fixture: &HaproxyFixture, relay: &Path) -> Outcome {
    fixture.reload(&["--stats-socket", relay.to_str().unwrap()])
}

#[test]
fn an_old_haproxy_gets_a_command_for_each_entry() {
    let rules = [
        "http-request deny if { path -f DIR/a }",
        "http-request return status 200 content-type text/plain lf-string %[path,map_int(DIR/m,none)]",
    ];
    let fixture = HaproxyFixture::with_files(&rules, &[("m", "1 a\n2 b\n3 c\n4 d\n"), ("a", "/x\n/y y\n")]);
    let (relay, commands) = relay(&fixture);
    let worker = fixture.worker();
    let took = |text: &str| {
        fixture.write_file("m", text);
        let outcome = through(&fixture, &relay);
        (outcome, std::mem::take(&mut *commands.lock().unwrap()).len())
    };
    for (file, count) in [
        ("1 a\n2 b\n3 x y\n4 d\n", 1),
        ("1 z\n3 x\n4 e\n", 4),
        ("1 z\n3 x\n4 e\n5 f\n6\n", 2),
        ("1 u\n3 x\n4 e\n5 f\n6\n7 g\n", 2),
    ] {
        let (outcome, sent) = took(file);
        assert_done(&outcome, "runtime: ");
        assert!(!outcome.stderr.contains("reload (") && fixture.worker() == worker, "{}", outcome.stderr);
        assert_eq!(sent, count, "{file}");
        let rows: Vec<String> =
            file.lines().map(|row| if row == "6" { "6 ".into() } else { row.into() }).collect();
        assert_eq!(fixture.entries("map", "m"), rows);
    }
    // A bad entry: what was changed before it is taken back.
    let before = fixture.entries("map", "m");
    let (outcome, _) = took("1 new\n3 new\n4 e\n5 f\n6\n7 g\nbad h\n");
    assert_refused(&outcome, "'bad' is not a number");
    assert_eq!((fixture.entries("map", "m"), fixture.worker()), (before, worker));
    // Entries in the middle would make the others go and come again.
    let (outcome, _) = took("1 u\n2 b\n3 x\n4 e\n5 f\n6\n7 g\n");
    assert_done(&outcome, "reload (");
    assert_eq!(fixture.entries("map", "m").len(), 7);
    fixture.write_file("a", "/z\n/y y\n/w\n");
    let worker = fixture.worker();
    assert_done(&through(&fixture, &relay), "runtime: ");
    assert_eq!(fixture.worker(), worker);
    assert_eq!(fixture.entries("acl", "a").len(), 3);
}
