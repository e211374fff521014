//! `--watch`: which changes are noticed and when they are rendered. Real processes and a real kernel.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use support::watcher::EVENTS_ONLY;
use support::{Bed, SERVERS, in_own_mounts, until};

/// Longer than the quiet time, and enough for an unwanted render to happen.
const WINDOW: Duration = Duration::from_millis(600);

fn bed() -> Bed {
    let bed = Bed::new(SERVERS);
    bed.node("s1", "10.0.0.1", &[]);
    bed
}

#[test]
fn it_renders_at_once_and_again_when_a_node_comes_changes_or_goes() {
    let bed = bed();
    let watcher = bed.watch(&EVENTS_ONLY);
    bed.wait_for_nodes(&["s1"]);
    let begin = Instant::now();
    bed.node("s2", "10.0.0.2", &[]);
    bed.wait_for_nodes(&["s1", "s2"]);
    assert!(begin.elapsed() < Duration::from_secs(10));
    bed.node("s2", "10.0.0.3", &[]);
    until("the new address", || bed.read("out").contains("10.0.0.3").then_some(()));
    fs::remove_file(bed.path("nodes/s1.json")).unwrap();
    bed.wait_for_nodes(&["s2"]);
    watcher.end();
}

#[test]
fn a_burst_of_a_thousand_changes_causes_few_renders_and_the_last_change_is_included() {
    let bed = Bed::new(SERVERS);
    let names: Vec<String> = (0..1000).map(|i| format!("n{i:04}")).collect();
    names.iter().for_each(|name| bed.prepare(name));
    let watcher = bed.watch(&EVENTS_ONLY);
    watcher.wait_for("wrote 'out'");
    let begin = Instant::now();
    names.iter().for_each(|name| bed.publish(name));
    let seconds = begin.elapsed().as_secs() as usize;
    bed.wait_for_nodes(&names.iter().map(String::as_str).collect::<Vec<_>>());
    // One each second while it lasts, one after it, and one for an event in between.
    assert!(watcher.count("wrote 'out'") <= 4 + seconds, "{}", watcher.said());
}

#[test]
fn under_constant_change_it_renders_at_the_ceiling() {
    let bed = bed();
    let watcher = bed.watch(&["--quiet-for", "1h", "--at-most", "300ms", "--look-every", "1h"]);
    bed.wait_for_nodes(&["s1"]);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let addresses = (1..250).cycle().take_while(|_| !is_over.load(Ordering::SeqCst));
            addresses.for_each(|i| bed.node("s2", &format!("10.0.0.{i}"), &[]));
        });
        until("three renders", || (watcher.count("wrote 'out'") >= 4).then_some(()));
        is_over.store(true, Ordering::SeqCst);
    });
    let last = fs::read_to_string(bed.path("nodes/s2.json")).unwrap();
    let address = last.split('"').nth(3).unwrap();
    until("the last change", || bed.read("out").contains(&format!("{address}\n")).then_some(()));
}

#[test]
fn a_change_while_it_renders_is_not_lost() {
    let bed = bed();
    let check = "sh -c 'touch begun; while [ ! -e go ]; do sleep 0.02; done; : {}'";
    let _watcher = bed.watch(&[&EVENTS_ONLY[..], &["--check", check]].concat());
    until("the check", || bed.path("begun").exists().then_some(()));
    bed.node("s2", "10.0.0.2", &[]);
    bed.write("go", "");
    bed.wait_for_nodes(&["s1", "s2"]);
}

#[test]
fn a_template_is_rendered_however_it_changes() {
    let bed = bed();
    let _watcher = bed.watch(&EVENTS_ONLY);
    let shows = |text: &str| until(text, || (bed.read("out") == text).then_some(()));
    bed.wait_for_nodes(&["s1"]);
    bed.write("t.tera", "renamed over\n");
    shows("renamed over\n");
    let mut file = fs::OpenOptions::new().write(true).truncate(true).open(bed.path("t.tera")).unwrap();
    std::io::Write::write_all(&mut file, b"in place\n").unwrap();
    drop(file);
    shows("in place\n");
    for version in ["one", "two"] {
        fs::create_dir(bed.path(version)).unwrap();
        bed.write(&format!("{version}/t.tera"), version);
    }
    symlink("one", bed.path("current")).unwrap();
    symlink("current/t.tera", bed.path("link")).unwrap();
    fs::rename(bed.path("link"), bed.path("t.tera")).unwrap();
    shows("one");
    // As Kubernetes changes a mounted ConfigMap.
    symlink("two", bed.path("next")).unwrap();
    fs::rename(bed.path("next"), bed.path("current")).unwrap();
    shows("two");
    bed.write("two/t.tera", "in the directory behind the link");
    shows("in the directory behind the link");
}

#[test]
fn a_directory_that_is_removed_renamed_or_relinked_is_found_again() {
    let bed = bed();
    let watcher = bed.watch(&EVENTS_ONLY);
    bed.wait_for_nodes(&["s1"]);
    fs::remove_dir_all(bed.path("nodes")).unwrap();
    watcher.wait_for("cannot read");
    fs::create_dir(bed.path("nodes")).unwrap();
    bed.node("s2", "10.0.0.2", &[]);
    bed.wait_for_nodes(&["s2"]);
    fs::rename(bed.path("nodes"), bed.path("old")).unwrap();
    fs::create_dir(bed.path("nodes")).unwrap();
    bed.node("s3", "10.0.0.3", &[]);
    bed.wait_for_nodes(&["s3"]);
    symlink("old", bed.path("link")).unwrap();
    fs::remove_dir_all(bed.path("nodes")).unwrap();
    fs::rename(bed.path("link"), bed.path("nodes")).unwrap();
    bed.wait_for_nodes(&["s2"]);
    bed.node("s4", "10.0.0.4", &[]);
    bed.wait_for_nodes(&["s2", "s4"]);
    watcher.end();
}

#[test]
fn a_directory_and_a_template_that_are_missing_at_the_start_are_waited_for() {
    let bed = Bed::new(SERVERS);
    fs::remove_file(bed.path("t.tera")).unwrap();
    fs::remove_dir(bed.path("nodes")).unwrap();
    let watcher = bed.watch(&EVENTS_ONLY);
    watcher.wait_for("the directory does not exist");
    fs::create_dir(bed.path("nodes")).unwrap();
    watcher.wait_for("cannot read 't.tera': the template does not exist");
    bed.write("t.tera", "text");
    until("the text", || (fs::read_to_string(bed.path("out")).ok()? == "text").then_some(()));
    watcher.wait_for("rendering works again");
}

/// A shell function: waits until a command succeeds, at most 20 s.
const UNTIL: &str = "until_() { n=0; until eval \"$1\"; do n=$((n + 1)); sleep 0.05
    [ $n -lt 400 ] || { echo \"waited in vain for $1\" >&2; kill $P; exit 9; }; done; }";

#[test]
fn a_directory_that_is_mounted_unmounted_and_mounted_again_is_followed() {
    let bed = bed();
    let script = format!(
        "{UNTIL}
        $R --template t.tera --nodes mnt --output out --watch --look-every 1h & P=$!
        until_ '[ -e out ]'
        for i in 1 2; do
            mount -t tmpfs none mnt; cp nodes/s1.json mnt; until_ 'grep -q s1 out'
            cp mnt/s1.json mnt/.x; sed s/s1/s2/ mnt/.x >mnt/s2.json; until_ 'grep -q s2 out'
            umount mnt; until_ '! grep -q s out'
        done
        mount --bind nodes mnt; until_ 'grep -q s1 out'
        kill $P; wait $P; echo ended"
    );
    let Some(ran) = in_own_mounts(&bed, &script) else { return };
    let ran = ran.ends(0);
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("ended\n", ""));
}

/// The limits are those of a new user namespace, so they affect no other process.
#[test]
fn a_limit_of_the_kernel_is_reported_and_changes_are_found_every_second() {
    for limit in ["watches", "instances"] {
        let bed = bed();
        let file = format!("/proc/sys/user/max_inotify_{limit}");
        let script = format!("echo 0 >{file} && exec \"$0\" \"$@\"");
        let probe = ["--user", "--map-root-user", "sh", "-c", &format!("echo 0 >{file}")];
        if !Command::new("unshare").args(probe).status().is_ok_and(|status| status.success()) {
            support::skip("creating a user namespace is not allowed here");
            return;
        }
        let mut command = bed.command(&["--output", "out", "--watch", "-v", "--look-every", "1h"]);
        let program = command.get_program().to_owned();
        let arguments: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
        command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "sh", "-c", &script]).arg(program).args(arguments);
        command.current_dir(bed.scratch.path()).env("NODES_DIR", bed.path("nodes"));
        let watcher = bed.watch_with(command);
        bed.wait_for_nodes(&["s1"]);
        for name in ["s2", "s3", "s4"] {
            bed.node(name, "10.0.0.2", &[]);
            until(name, || bed.read("out").contains(name).then_some(()));
        }
        let line = format!("the limit fs.inotify.max_user_{limit} is reached");
        assert_eq!(watcher.count(&line), 1, "{}", watcher.said());
        watcher.end();
    }
}

#[test]
fn a_change_whose_event_the_kernel_dropped_is_rendered() {
    let bed = bed();
    let watcher = bed.watch(&EVENTS_ONLY);
    bed.wait_for_nodes(&["s1"]);
    watcher.signal(Signal::SIGSTOP);
    let most: usize =
        fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap().trim().parse().unwrap();
    let (one, other) = (bed.path("nodes/.a"), bed.path("nodes/.b"));
    fs::File::create_new(&one).unwrap();
    for _ in 0..=most / 4 {
        fs::rename(&one, &other).unwrap();
        fs::rename(&other, &one).unwrap();
    }
    bed.node("s2", "10.0.0.2", &[]);
    watcher.signal(Signal::SIGCONT);
    bed.wait_for_nodes(&["s1", "s2"]);
}

#[test]
fn a_change_without_an_event_is_found_by_polling() {
    let bed = bed();
    let _watcher = bed.watch(&["--look-every", "200ms"]);
    bed.wait_for_nodes(&["s1"]);
    // Changes of the output are not watched.
    bed.write("out", "foreign text\n");
    bed.wait_for_nodes(&["s1"]);
}

#[test]
fn its_own_files_and_files_other_than_records_cause_no_render() {
    let bed = bed();
    let arguments = ["--output", "nodes/out", "--watch", "-v", "--look-every", "1h"];
    let watcher = bed.watch_with(bed.command(&arguments));
    let count = || watcher.count("wrote 'nodes/out'") + watcher.count("kept 'nodes/out'");
    for (round, name) in ["s2", "s3"].into_iter().enumerate() {
        until("a render", || (count() > round).then_some(()));
        thread::sleep(WINDOW);
        assert_eq!(count(), round + 1, "{}", watcher.said());
        bed.node(name, "10.0.0.2", &[]);
    }
    until("a render", || (count() == 3).then_some(()));
    bed.write("nodes/.hidden.json", "");
    bed.write("nodes/README", "");
    bed.write("beside", "");
    thread::sleep(WINDOW);
    assert_eq!(count(), 3, "{}", watcher.said());
}

#[test]
fn memory_does_not_grow_with_the_renders() {
    let bed = Bed::new(SERVERS);
    (0..1000).for_each(|i| bed.prepare(&format!("n{i}")));
    (0..1000).for_each(|i| bed.publish(&format!("n{i}")));
    let watcher = bed.watch(&["--look-every", "1ms"]);
    let memory = || -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", watcher.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    let after = |renders| until("renders", || (watcher.renders() >= renders).then_some(memory()));
    let (few, many) = (after(10), after(60));
    assert!(many < few + few / 4, "{few} kB after 10 renders, {many} kB after 60");
}
