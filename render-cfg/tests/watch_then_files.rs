//! `--then-every` and `--then-files`: the command also runs without a render. A shell script stands in for reload-haproxy.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use support::watcher::{EVENTS_ONLY, Watcher};
use support::{Bed, SERVERS, in_own_mounts, until};

/// Notes each run. The command prints nothing, as reload-haproxy does when there is nothing to do.
const THEN: &str = "sh -c 'echo >>ran; [ ! -e bad ]'";
/// Longer than the quiet time, and enough for an unwanted run to happen.
const WINDOW: Duration = Duration::from_millis(600);

fn bed() -> Bed {
    let bed = Bed::new(SERVERS);
    bed.node("s1", "10.0.0.1", &[]);
    bed
}

fn runs(bed: &Bed) -> usize {
    fs::read_to_string(bed.path("ran")).unwrap_or_default().lines().count()
}

/// Watches the files of this list, without an interval. The first run has ended.
fn watch<'b>(bed: &'b Bed, list: &str) -> Watcher<'b> {
    bed.write("list", list);
    let watcher = bed.watch(&[&EVENTS_ONLY[..], &["--then", THEN, "--then-files", "list"]].concat());
    until("the first run", || (watcher.count("ran 'sh") == 1).then_some(()));
    watcher
}

/// Asserts that `action` causes a run, and not run after run. A slow machine may see one action as two changes. Prints the
/// time from its end to the run.
#[track_caller]
fn assert_run(bed: &Bed, what: &str, action: impl FnOnce()) {
    let before = runs(bed);
    action();
    let begin = Instant::now();
    until(what, || (runs(bed) > before).then_some(()));
    println!("{what}: ran after {} ms", begin.elapsed().as_millis());
    thread::sleep(WINDOW);
    assert!(runs(bed) <= before + 2, "{what}: {} runs", runs(bed) - before);
}

/// Makes `link` lead to `target`, by a rename.
fn swap(bed: &Bed, link: &str, target: &str) {
    let temporary = bed.path(&format!("{link}_tmp"));
    symlink(target, &temporary).unwrap();
    fs::rename(temporary, bed.path(link)).unwrap();
}

#[test]
fn then_runs_at_the_interval_without_a_render_and_logs_nothing() {
    let bed = bed();
    let then = ["--look-every", "1h", "--then", THEN, "--then-every", "50ms", "--log", "log"];
    let command = bed.command(&[&["--output", "out", "--watch"], &then[..]].concat());
    let watcher = bed.watch_with(command);
    until("ten runs", || (runs(&bed) >= 10).then_some(()));
    watcher.end();
    let log = bed.read("log");
    assert_eq!(log.lines().filter(|line| line.contains("ran 'sh")).count(), 1, "{log}");
    assert_eq!(log.lines().filter(|line| line.contains("wrote 'out'")).count(), 1, "{log}");
    assert_eq!(bed.read("said"), "", "an operator sees nothing without -v");
}

#[test]
fn an_interval_run_that_fails_is_retried_with_growing_waits_and_reported_once() {
    let bed = bed();
    let watcher = bed.watch(&[&EVENTS_ONLY[..], &["--then", THEN, "--then-every", "50ms"]].concat());
    until("some runs", || (runs(&bed) >= 3).then_some(()));
    bed.write("bad", "");
    watcher.wait_for("cannot finish");
    let before = runs(&bed);
    // At the interval there would be 50 runs; after 1 s and 2 s there are one or two.
    thread::sleep(Duration::from_millis(2500));
    assert!((1..=2).contains(&(runs(&bed) - before)), "{} runs", runs(&bed) - before);
    assert_eq!(watcher.count("cannot finish"), 1, "{}", watcher.said());
    fs::remove_file(bed.path("bad")).unwrap();
    watcher.wait_for("works again");
    let before = runs(&bed);
    until("the interval again", || (runs(&bed) >= before + 3).then_some(()));
    watcher.end();
}

#[test]
fn sighup_does_not_wait_for_the_interval() {
    let bed = bed();
    let watcher = bed.watch(&[&EVENTS_ONLY[..], &["--then", THEN, "--then-every", "1h"]].concat());
    until("the first run", || (watcher.count("ran 'sh") == 1).then_some(()));
    assert_run(&bed, "SIGHUP", || watcher.signal(Signal::SIGHUP));
}

#[test]
fn a_listed_file_that_changes_runs_then_without_a_render() {
    let bed = bed();
    bed.write("site.pem", "one");
    let watcher = watch(&bed, "site.pem\nsite.pem.key\n");
    assert_run(&bed, "a rename", || bed.write("site.pem", "two"));
    assert_run(&bed, "a write in place", || {
        let mut file = fs::OpenOptions::new().append(true).open(bed.path("site.pem")).unwrap();
        file.write_all(b"three").unwrap();
    });
    assert_run(&bed, "a file that was missing", || bed.write("site.pem.key", "key"));
    assert_run(&bed, "a removal", || fs::remove_file(bed.path("site.pem")).unwrap());
    assert_eq!(watcher.renders(), 1, "{}", watcher.said());
    let before = runs(&bed);
    bed.write("other.pem", "not listed");
    fs::read(bed.path("site.pem.key")).unwrap();
    thread::sleep(WINDOW);
    assert_eq!(runs(&bed), before);
    watcher.end();
}

#[test]
fn a_burst_of_changes_causes_one_run() {
    let bed = bed();
    bed.write("list", "a.pem\nb.pem\nc.pem\n");
    let patient = ["--look-every", "1h", "--quiet-for", "2s", "--at-most", "20s"];
    let watcher = bed.watch(&[&patient[..], &["--then", THEN, "--then-files", "list"]].concat());
    until("the first run", || (watcher.count("ran 'sh") == 1).then_some(()));
    ["a.pem", "b.pem", "c.pem"].iter().for_each(|name| bed.write(name, "x"));
    until("the second run", || (runs(&bed) == 2).then_some(()));
    thread::sleep(WINDOW);
    assert_eq!(runs(&bed), 2);
    watcher.end();
}

#[test]
fn a_certificate_that_certbot_renews_runs_then() {
    let bed = bed();
    ["live/site", "archive/site"].iter().for_each(|name| fs::create_dir_all(bed.path(name)).unwrap());
    let renew = |version: usize| {
        for name in ["fullchain", "privkey"] {
            let file = format!("archive/site/{name}{version}.pem");
            bed.write(&file, "pem");
            swap(&bed, &format!("live/site/{name}.pem"), &format!("../../{file}"));
        }
    };
    renew(1);
    let _watcher = watch(&bed, "live/site/fullchain.pem\nlive/site/privkey.pem\n");
    for version in 2..5 {
        assert_run(&bed, "a renewal", || renew(version));
    }
    assert_run(&bed, "a write behind the link", || bed.write("archive/site/fullchain4.pem", "other"));
}

#[test]
fn a_volume_of_kubernetes_that_is_swapped_runs_then_also_as_a_directory() {
    for list in ["certs\n", "certs/site.pem\n"] {
        let bed = bed();
        let put = |version: usize| {
            fs::create_dir_all(bed.path(&format!("certs/..{version}"))).unwrap();
            bed.write(&format!("certs/..{version}/site.pem"), "pem");
            swap(&bed, "certs/..data", &format!("..{version}"));
        };
        put(1);
        symlink("..data/site.pem", bed.path("certs/site.pem")).unwrap();
        let _watcher = watch(&bed, list);
        for version in 2..5 {
            assert_run(&bed, "a swap", || {
                put(version);
                fs::remove_dir_all(bed.path(&format!("certs/..{}", version - 1))).unwrap();
            });
        }
    }
}

#[test]
fn every_visible_file_of_a_listed_directory_counts() {
    let bed = bed();
    fs::create_dir(bed.path("certs")).unwrap();
    let _watcher = watch(&bed, "certs\n");
    assert_run(&bed, "a new file", || bed.write("certs/a.pem", "a"));
    assert_run(&bed, "a removal", || fs::remove_file(bed.path("certs/a.pem")).unwrap());
    let before = runs(&bed);
    bed.write("certs/.hidden", "");
    thread::sleep(WINDOW);
    assert_eq!(runs(&bed), before);
    assert_run(&bed, "another directory", || {
        fs::rename(bed.path("certs"), bed.path("old")).unwrap();
        fs::create_dir(bed.path("certs")).unwrap();
    });
    assert_run(&bed, "a file in it", || bed.write("certs/b.pem", "b"));
}

#[test]
fn a_list_that_the_command_changes_is_followed_at_once() {
    let bed = bed();
    bed.write("a.pem", "");
    bed.write("b.pem", "");
    let then = "sh -c 'echo >>ran; if [ -e both ]; then echo a.pem; echo b.pem; else echo a.pem; fi >list'";
    let watcher = bed.watch(&[&EVENTS_ONLY[..], &["--then", then, "--then-files", "list"]].concat());
    // Once more, because the list is new, and not again, although each run writes it.
    until("two runs", || (runs(&bed) == 2).then_some(()));
    thread::sleep(WINDOW);
    assert_eq!(runs(&bed), 2);
    bed.write("both", "");
    bed.write("a.pem", "changed");
    until("two more runs", || (runs(&bed) == 4).then_some(()));
    thread::sleep(WINDOW);
    assert_run(&bed, "a file that is new in the list", || bed.write("b.pem", "changed"));
    watcher.end();
}

#[test]
fn a_change_while_the_command_runs_causes_another_run() {
    let bed = bed();
    bed.write("list", "site.pem\n");
    let then = "sh -c 'echo >>ran; [ -e go ] || { touch begun; until [ -e go ]; do sleep 0.02; done; }'";
    let _watcher = bed.watch(&[&EVENTS_ONLY[..], &["--then", then, "--then-files", "list"]].concat());
    until("the first run", || bed.path("begun").exists().then_some(()));
    bed.write("site.pem", "changed");
    bed.write("go", "");
    until("the second run", || (runs(&bed) == 2).then_some(()));
}

#[test]
fn a_list_that_cannot_be_read_is_reported_and_the_files_are_still_watched() {
    let bed = bed();
    let watcher = watch(&bed, "site.pem\n");
    fs::remove_file(bed.path("list")).unwrap();
    fs::create_dir(bed.path("list")).unwrap();
    for content in ["one", "two"] {
        assert_run(&bed, content, || bed.write("site.pem", content));
    }
    assert_eq!(watcher.count("cannot read 'list': Is a directory"), 1, "{}", watcher.said());
    fs::remove_dir(bed.path("list")).unwrap();
    bed.write("list", "site.pem\n");
    assert_run(&bed, "a readable list", || bed.write("site.pem", "three"));
    watcher.wait_for("works again");
}

#[test]
fn a_mount_over_a_listed_directory_runs_then() {
    let bed = bed();
    ["certs", "other"].iter().for_each(|name| fs::create_dir(bed.path(name)).unwrap());
    bed.write("other/site.pem", "pem");
    bed.write("list", "certs/site.pem\n");
    let script = format!(
        "$R --template t.tera --output out --watch --look-every 1h --then \"{}\" --then-files list & P=$!
        until_() {{ n=0; until [ \"$(wc -l <ran)\" = $1 ]; do n=$((n + 1)); sleep 0.05
            [ $n -lt 400 ] || {{ kill $P; exit 9; }}; done; }}
        until_ 1 2>/dev/null; mount --bind other certs; until_ 2; umount certs; until_ 3; kill $P; wait $P",
        THEN.replace('"', "\\\"")
    );
    if let Some(ran) = in_own_mounts(&bed, &script) {
        ran.quietly();
    }
}

#[test]
fn the_options_need_then() {
    let bed = bed();
    for option in [["--then-every", "15s"], ["--then-files", "list"]] {
        bed.render(&[&["--watch", "--output", "out"], &option[..]].concat()).ends(2);
    }
}
