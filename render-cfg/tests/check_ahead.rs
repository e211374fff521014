//! `--check-changes` with HAProxy as the check: it starts before the text is rendered, and gets the excerpt at its stdin.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use support::haproxy::WITH_OPTIONS as TEMPLATE;
use support::{Bed, Ran, haproxy};

const NODES: usize = 300;
/// Longer than the grain of a file system's times.
const GRAIN: Duration = Duration::from_millis(30);

/// A bed with a file that was checked as a whole. The check is HAProxy, by a program `haproxy` that notes which files it
/// is given, and its process id; `before` runs before HAProxy.
fn pool(before: &str) -> Bed {
    let bed = Bed::new(TEMPLATE);
    (0..NODES).for_each(|i| bed.node(&format!("n{i}"), "10.0.0.1", &[]));
    let script = format!(
        "#!/bin/sh\necho \"$3\" >>files\necho $$ >>pids\n{before}\nexec {} \"$@\"\n",
        haproxy::program()
    );
    bed.write("haproxy", &script);
    fs::set_permissions(bed.path("haproxy"), fs::Permissions::from_mode(0o755)).unwrap();
    render(&bed).quietly();
    assert_eq!(files(&bed), [".out.tmp"]);
    thread::sleep(GRAIN);
    bed
}

fn render(bed: &Bed) -> Ran {
    bed.render(&["--check", "./haproxy -c -f {}", "--check-changes", "checked"])
}

/// The names of the files that were checked since the last call.
fn files(bed: &Bed) -> Vec<String> {
    let files = fs::read_to_string(bed.path("files")).unwrap_or_default();
    let _ = fs::remove_file(bed.path("files"));
    let name = |file: &str| Path::new(file).file_name().unwrap().to_string_lossy().into_owned();
    files.lines().map(name).collect()
}

/// Waits until no check runs.
fn wait_for_the_end_of_checks(bed: &Bed) {
    let pids = fs::read_to_string(bed.path("pids")).unwrap_or_default();
    let begun = Instant::now();
    while pids.lines().any(|pid| Path::new("/proc").join(pid).exists()) {
        assert!(begun.elapsed() < Duration::from_secs(10), "a check is left behind");
        thread::yield_now();
    }
}

#[test]
fn a_change_is_checked_at_stdin_and_a_refused_one_by_its_file() {
    let bed = pool("");
    bed.node("n7", "10.0.0.2", &[]);
    render(&bed).quietly();
    assert_eq!(files(&bed), ["stdin"]);
    assert!(bed.read("out").contains("server n7 10.0.0.2:80\n"));
    thread::sleep(GRAIN);
    bed.node("n8", "10.0.0.2", &[("options", "wrong")]);
    let refused = render(&bed);
    assert_eq!(refused.code, Some(3), "{}", refused.err);
    assert!(refused.err.contains("n8") && !refused.err.contains("stdin"), "{}", refused.err);
    let seen = files(&bed);
    assert_eq!(seen[..2], ["stdin", ".out.tmp"], "the whole file says what is wrong");
    assert_eq!(bed.leftovers(), ["checked", "haproxy", "pids"]);
}

#[test]
fn a_text_without_an_excerpt_is_checked_whole_at_stdin() {
    let bed = pool("");
    // Another line than a server's has changed too.
    bed.write("t.tera", &TEMPLATE.replace("client 1s", "client 2s"));
    bed.node("n7", "10.0.0.2", &[]);
    render(&bed).quietly();
    assert_eq!(files(&bed), ["stdin"]);
    let note: serde_json::Value = serde_json::from_str(&bed.read("checked")).unwrap();
    assert_eq!(note["is_whole"], true);
    assert!(bed.read("out").contains("client 2s") && bed.read("out").contains("server n7 10.0.0.2:80\n"));
}

#[test]
fn without_a_changed_record_no_check_starts() {
    let bed = pool("");
    render(&bed).quietly();
    bed.write("t.tera", &TEMPLATE.replace("mode http", "mode tcp"));
    render(&bed).quietly();
    assert_eq!(files(&bed), [".out.tmp"]);
}

#[test]
fn a_change_that_led_to_no_other_text_starts_no_check_for_long() {
    let bed = pool("");
    let long_ago = SystemTime::now() - Duration::from_secs(60);
    fs::File::open(bed.path("out")).unwrap().set_modified(long_ago - GRAIN).unwrap();
    fs::File::open(bed.path("nodes")).unwrap().set_modified(long_ago).unwrap();
    let pids = bed.read("pids");
    render(&bed).quietly();
    assert_eq!(bed.read("pids"), pids);
}

#[test]
fn a_check_that_is_not_needed_is_ended() {
    let bed = pool("");
    // The directory has changed, and the text has not.
    fs::rename(bed.path("nodes/n7.json"), bed.path("nodes/.n7")).unwrap();
    fs::rename(bed.path("nodes/.n7"), bed.path("nodes/n7.json")).unwrap();
    let begun = Instant::now();
    render(&bed).quietly();
    wait_for_the_end_of_checks(&bed);
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_check_that_fails_at_stdin_only_is_not_believed() {
    for before in [
        // There is no /dev/stdin.
        "[ \"$3\" != /dev/stdin ] || { echo 'Could not open configuration file /dev/stdin'; exit 1; }",
        "[ \"$3\" != /dev/stdin ] || kill -9 $$",
    ] {
        let bed = pool(before);
        bed.node("n7", "10.0.0.2", &[]);
        render(&bed).quietly();
        assert_eq!(files(&bed), ["stdin", ".out.tmp"], "{before}");
        assert!(bed.read("out").contains("server n7 10.0.0.2:80\n"), "{before}");
    }
}

#[test]
fn a_check_that_never_reads_its_stdin_is_ended_at_the_limit() {
    let bed = pool("[ \"$3\" != /dev/stdin ] || exec sleep 600");
    bed.node("n7", "10.0.0.2", &[]);
    let check = ["--check", "./haproxy -c -f {}", "--check-changes", "checked", "--check-timeout", "1s"];
    let refused = bed.render(&check);
    assert_eq!(refused.code, Some(5), "{}", refused.err);
    assert!(refused.err.contains("it was killed after 1s; see --check-timeout"), "{}", refused.err);
    wait_for_the_end_of_checks(&bed);
    assert!(bed.read("out").contains("server n7 10.0.0.1:80\n"));
}
