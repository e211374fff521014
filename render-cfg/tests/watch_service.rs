//! `--watch` as a service: `--then`, signals, readiness and messages.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use std::fs;
use std::io::Read;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use support::watcher::EVENTS_ONLY;
use support::{Bed, SERVERS, until};

fn bed() -> Bed {
    let bed = Bed::new(SERVERS);
    bed.node("s1", "10.0.0.1", &[]);
    bed
}

/// The lines of a file to which a command of the test appends.
fn lines(bed: &Bed, name: &str) -> Vec<String> {
    fs::read_to_string(bed.path(name)).unwrap_or_default().lines().map(ToOwned::to_owned).collect()
}

#[test]
fn then_runs_at_the_start_and_after_each_change_without_the_outputs_lock() {
    let bed = bed();
    bed.render(&[]).quietly();
    let then = "sh -c 'flock -n .out.lock true && cat out >>ran'";
    let watcher = bed.watch(&[&EVENTS_ONLY[..], &["--then", then]].concat());
    until("the first run", || (lines(&bed, "ran").len() == 1).then_some(()));
    bed.node("s2", "10.0.0.2", &[]);
    until("the second run", || (lines(&bed, "ran").len() == 3).then_some(()));
    watcher.signal(Signal::SIGHUP);
    until("a render without a change", || (watcher.count("kept 'out'") == 2).then_some(()));
    watcher.end();
    assert_eq!(lines(&bed, "ran").len(), 3);
}

#[test]
fn then_also_runs_for_a_text_that_another_run_has_written() {
    let bed = bed();
    let arguments =
        ["--quiet-for", "1h", "--at-most", "1h", "--look-every", "2s", "--then", "sh -c 'cat out >>ran'"];
    let watcher = bed.watch(&arguments);
    until("the first run", || (lines(&bed, "ran").len() == 1).then_some(()));
    bed.node("s2", "10.0.0.2", &[]);
    bed.render(&[]).quietly();
    until("the second run", || (lines(&bed, "ran").len() == 3).then_some(()));
    watcher.end();
}

#[test]
fn then_is_retried_with_growing_waits_until_it_succeeds() {
    let bed = bed();
    let then = "sh -c 'cut -d \" \" -f 1 /proc/uptime >>ran; echo not yet; [ $(wc -l <ran) -ge 4 ]'";
    let watcher = bed.watch(&[&EVENTS_ONLY[..], &["--then", then]].concat());
    watcher.wait_for("ran 'sh");
    let times: Vec<f64> = lines(&bed, "ran").iter().map(|line| line.parse().unwrap()).collect();
    let waits: Vec<f64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(waits.len(), 3);
    for (wait, due) in waits.iter().zip([1.0, 2.0, 4.0]) {
        // The time from start to start is measured, and a busy machine may start one late.
        assert!((0.6 * due..due + 3.0).contains(wait), "{waits:?}");
    }
    assert!(waits[2] > waits[0], "they grow: {waits:?}");
    let said = watcher.said();
    let failed = format!("cannot finish '{then}': it ended with exit code 1; it is retried");
    assert_eq!(watcher.count(&failed), 1, "the same fault is reported once: {said}");
    assert!(
        said.contains("render-cfg: not yet\n") && said.contains(&format!("'{then}' works again")),
        "{said}"
    );
}

#[test]
fn a_new_change_retries_at_once_and_a_then_that_hangs_is_killed() {
    let bed = bed();
    let then = "sh -c 'echo >>ran; [ ! -e hang ] || exec sleep 600; exit 3'";
    let watcher = bed.watch(&[&EVENTS_ONLY[..], &["--then", then, "--then-timeout", "200ms"]].concat());
    until("four runs", || (lines(&bed, "ran").len() >= 4).then_some(()));
    // The next retry would be due in eight seconds.
    let begin = Instant::now();
    bed.write("hang", "");
    bed.node("s2", "10.0.0.2", &[]);
    watcher.wait_for("took too long: it was killed after 200ms; see --then-timeout");
    assert!(begin.elapsed() < Duration::from_secs(6));
}

#[test]
fn a_fault_is_reported_once_until_it_changes_and_does_not_end_the_program() {
    let bed = bed();
    let watcher = bed.watch(&[
        "--look-every",
        "10ms",
        "--check",
        "sh -c 'echo >>checks; echo \"($$) no\"; exit 4; : {}'",
    ]);
    until("ten renders", || (lines(&bed, "checks").len() >= 10).then_some(()));
    assert_eq!(watcher.count("ended with exit code 4"), 1, "{}", watcher.said());
    bed.write("t.tera", "{{ nothing }}");
    watcher.wait_for("cannot render 't.tera:1:4'");
    bed.write("nodes/bad.json", "");
    watcher.wait_for("nodes/bad.json'");
    assert_eq!(watcher.count("cannot render"), 1, "{}", watcher.said());
    watcher.end();
}

#[test]
fn too_few_nodes_are_reported_and_rendered_once_they_suffice() {
    let bed = bed();
    bed.write("out", "old");
    let watcher = bed.watch(&["--look-every", "10ms", "--min-nodes", "2"]);
    watcher.wait_for("cannot replace 'out': 1 usable nodes, fewer than 2");
    bed.node("s2", "10.0.0.2", &[]);
    bed.wait_for_nodes(&["s1", "s2"]);
    watcher.wait_for("rendering works again");
    assert_eq!(watcher.count("cannot replace"), 1, "{}", watcher.said());
}

#[test]
fn an_output_that_is_locked_for_long_is_written_once_it_is_free() {
    let bed = bed();
    bed.write(".out.lock", "");
    let lock = fs::OpenOptions::new().write(true).open(bed.path(".out.lock")).unwrap();
    let held = common::lock::exclusive(lock, Duration::ZERO).unwrap();
    let watcher = bed.watch(&["--look-every", "10ms", "--lock-timeout", "50ms"]);
    watcher.wait_for("cannot lock 'out'");
    let threads = || fs::read_dir(format!("/proc/{}/task", watcher.id())).unwrap().count();
    let begin = Instant::now();
    until("some more renders", || (begin.elapsed() > Duration::from_secs(1)).then_some(()));
    // Its own, that of notify, and one that waits for the lock.
    assert!(threads() <= 3, "{} threads", threads());
    drop(held);
    bed.wait_for_nodes(&["s1"]);
    assert_eq!(watcher.count("cannot lock 'out'"), 1, "{}", watcher.said());
}

#[test]
fn sigterm_ends_it_after_the_current_render_and_then() {
    let bed = bed();
    let check = "sh -c 'touch begun; while [ ! -e go ]; do sleep 0.02; done; : {}'";
    let arguments = ["--check", check, "--then", "sh -c 'cat out >>ran'"];
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut watcher = bed.watch(&arguments);
        until("the check", || bed.path("begun").exists().then_some(()));
        watcher.signal(signal);
        thread::sleep(Duration::from_millis(100));
        assert!(!watcher.has_ended() && !bed.path("out").exists());
        bed.write("go", "");
        assert_eq!(watcher.wait().code(), Some(0), "{}", watcher.said());
        assert_eq!((bed.read("out"), bed.read("ran")), (bed.read("ran"), "server s1 10.0.0.1\n".to_owned()));
        ["begun", "go", "out", "ran"].iter().for_each(|name| fs::remove_file(bed.path(name)).unwrap());
    }
}

#[test]
fn sighup_renders_and_retries_at_once() {
    let bed = bed();
    let then = "sh -c 'echo >>ran; exit 1'";
    let watcher = bed.watch(&[&EVENTS_ONLY[..], &["--then", then]].concat());
    until("four runs", || (lines(&bed, "ran").len() >= 4).then_some(()));
    bed.write("out", "foreign text\n");
    watcher.signal(Signal::SIGHUP);
    let begin = Instant::now();
    bed.wait_for_nodes(&["s1"]);
    until("another run", || (lines(&bed, "ran").len() >= 5).then_some(()));
    assert!(begin.elapsed() < Duration::from_secs(6));
}

#[test]
fn readiness_is_a_line_on_a_descriptor_that_is_then_closed() {
    let bed = bed();
    nix::unistd::mkfifo(&bed.path("ready"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let mut command = Command::new("sh");
    let script = "exec \"$0\" --template t.tera --output out --watch --ready-fd 7 \\
        --check 'sh -c \"ls /proc/self/fd >fds; : {}\"' --then 'sleep 600' 7>ready";
    command.args(["-c", script, env!("CARGO_BIN_EXE_render-cfg")]);
    command.current_dir(bed.scratch.path()).env("NODES_DIR", bed.path("nodes"));
    let watcher = bed.watch_with(command);
    let mut said = String::new();
    // Ends only when no process has it open for writing, --then included.
    fs::File::open(bed.path("ready")).unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said, "\n", "{}", watcher.said());
    assert_eq!(bed.read("out"), "server s1 10.0.0.1\n");
    assert!(!lines(&bed, "fds").contains(&"7".to_owned()));
}

#[test]
fn systemd_is_notified_of_readiness_watchdog_and_end() {
    let bed = bed();
    let abstract_name = format!("rollcall-{}", bed.scratch.path().display());
    let sockets = [
        (bed.path("sock").display().to_string(), SocketAddr::from_pathname(bed.path("sock")).unwrap()),
        (format!("@{abstract_name}"), SocketAddr::from_abstract_name(&abstract_name).unwrap()),
    ];
    for (name, address) in sockets {
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let receive = || {
            let mut buffer = [0; 100];
            let length = socket.recv(&mut buffer).unwrap();
            String::from_utf8_lossy(&buffer[..length]).into_owned()
        };
        let mut command = bed.command(&["--output", "out", "--watch", "--look-every", "1h"]);
        command.env("NOTIFY_SOCKET", &name).env("WATCHDOG_USEC", "200000");
        let watcher = bed.watch_with(command);
        let mut received: Vec<String> = (0..8).map(|_| receive()).collect();
        assert!(
            watcher.said().contains("WatchdogSec is 200ms, and a step may take 60s"),
            "{}",
            watcher.said()
        );
        watcher.signal(Signal::SIGTERM);
        while received.last().unwrap() != "STOPPING=1" {
            received.push(receive());
        }
        let count = |line: &str| received.iter().filter(|received| *received == line).count();
        assert_eq!((count("READY=1"), count("STOPPING=1")), (1, 1), "{received:?}");
        assert!(count("WATCHDOG=1") >= 7, "{received:?}");
        watcher.end();
    }
}

#[test]
fn variables_of_the_service_manager_are_not_passed_to_commands() {
    let bed = bed();
    let socket = UnixDatagram::bind(bed.path("sock")).unwrap();
    let mut command =
        bed.command(&["--output", "out", "--watch", "-v", "--then", "sh -c 'echo socket=$NOTIFY_SOCKET.'"]);
    command.env("NOTIFY_SOCKET", bed.path("sock"));
    let watcher = bed.watch_with(command);
    watcher.wait_for("socket=.");
    drop(socket);
}

#[test]
fn killed_at_any_moment_the_output_is_complete_and_the_next_run_continues() {
    let bed = Bed::new(&format!("{SERVERS}# {{{{ nodes[0].address }}}}\n"));
    (0..300).for_each(|i| bed.prepare(&format!("n{i}")));
    (0..300).for_each(|i| bed.publish(&format!("n{i}")));
    for moment in 0..40 {
        let address = format!("10.0.1.{moment}");
        bed.node("a", &address, &[]);
        let watcher = bed.watch(&["--check", "true {}"]);
        thread::sleep(Duration::from_micros(500 * moment));
        watcher.signal(Signal::SIGKILL);
        drop(watcher);
        let text = fs::read_to_string(bed.path("out")).unwrap_or("# \n".to_owned());
        assert!(
            text.lines().last().unwrap().starts_with("# ") && text.ends_with('\n'),
            "an incomplete file: {text}"
        );
    }
    let before = lines(&bed, "said").len();
    let watcher = bed.watch(&[]);
    until("a render", || (lines(&bed, "said").len() > before).then_some(()));
    assert!(bed.read("out").ends_with("# 10.0.1.39\n"));
    watcher.end();
}

#[test]
fn a_log_that_was_moved_away_is_created_again() {
    let bed = bed();
    let _watcher = bed.watch(&["--log", "log"]);
    bed.wait_for_nodes(&["s1"]);
    until("the log", || (lines(&bed, "log").len() == 1).then_some(()));
    fs::rename(bed.path("log"), bed.path("log.1")).unwrap();
    bed.node("s2", "10.0.0.2", &[]);
    until("a new log", || (lines(&bed, "log").len() == 1).then_some(()));
}

#[test]
fn contradicting_options_are_a_usage_error() {
    let bed = bed();
    let ran = bed.run(&["--watch"]).ends(2);
    assert_eq!(ran.err, "render-cfg: cannot watch for 'stdout': give an --output\n");
    for bad in [
        &["--watch", "--diff"][..],
        &["--watch", "--dry-run"],
        &["--then", "true"],
        &["--quiet-for", "1s"],
        &["--watch", "--then", ""],
        &["--watch", "--look-every", "0s"],
        &["--watch", "--ready-fd", "2"],
        &["--watch", "--ready-fd", "900"],
    ] {
        assert!(!bed.render(bad).ends(2).err.is_empty(), "{bad:?}");
    }
    let ran = bed.run(&["--watch", "--output", "t.tera"]).ends(2);
    assert_eq!(ran.err, "render-cfg: cannot replace 't.tera': it is the template\n");
    let mut command = bed.command(&["--output", "out", "--watch"]);
    let ran = support::Ran::from(command.env("NOTIFY_SOCKET", "relative").output().unwrap()).ends(2);
    assert!(ran.err.starts_with("render-cfg: cannot use NOTIFY_SOCKET 'relative': "), "{}", ran.err);
}
