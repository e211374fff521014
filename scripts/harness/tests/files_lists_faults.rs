//! Maps and lists under load, with killed runs, with many runs at once, and with changes by hand.
//!
//! `$HAPROXY` names another HAProxy than the installed one, as in tests/reload_methods.rs.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use harness::cluster::single_haproxy::{HaproxyFixture, Outcome, assert_done, finish};
use harness::daemons::haproxy::Mode;
use harness::traffic::http::Client;

const ANSWER: &str = "http-request return status 200 content-type text/plain lf-string";

/// A map in which the values of all keys are that of its generation. There is no common beginning or end, and one more
/// entry in each generation.
fn map(generation: usize) -> String {
    let filler = (0..3000 + generation).map(|n| format!("/filler/{n:05} {generation}\n"));
    let filler: String = filler.collect();
    format!("/first {generation}\n{filler}/last {generation}\n")
}

/// The entries of that map as HAProxy shows them.
fn rows(generation: usize) -> Vec<String> {
    map(generation).lines().map(str::to_owned).collect()
}

fn with_map() -> HaproxyFixture {
    let rule = format!("{ANSWER} %[path,map_str(DIR/m,none)]");
    HaproxyFixture::with_files(&[&rule], &[("m", &map(0))])
}

/// How many entries HAProxy has in versions that are not in use.
fn abandoned(fixture: &HaproxyFixture) -> usize {
    let listing = fixture.haproxy().command("show map").unwrap();
    let (_, versions) = listing.split_once("curr_ver=").unwrap();
    let (current, rest) = versions.split_once(" next_ver=").unwrap();
    let last: u32 = rest.split(' ').next().unwrap().parse().unwrap();
    let others = (0..=last).filter(|version| version.to_string() != current);
    let show = |version| format!("show map @{version} {}", fixture.file("m").display());
    others.map(|version| fixture.haproxy().command(&show(version)).unwrap().matches("0x").count()).sum()
}

#[test]
fn a_run_killed_at_any_moment_leaves_the_old_map_or_the_new_one() {
    const MOMENTS: u32 = 30;
    let fixture = with_map();
    fixture.write_file("m", map(1));
    let start = Instant::now();
    fixture.change();
    let whole = start.elapsed();
    let mut kept = 0;
    for moment in 0..MOMENTS {
        let generation = moment as usize + 2;
        fixture.write_file("m", map(generation));
        let mut child = fixture.start_reload(&[]);
        thread::sleep(whole * moment / MOMENTS);
        child.kill().unwrap();
        child.wait().unwrap();
        let entries = fixture.entries("map", "m");
        let is_old = entries == rows(generation - 1);
        kept += usize::from(is_old);
        assert!(is_old || entries == rows(generation), "moment {moment}: {} entries", entries.len());
        let outcome = fixture.reload(&[]);
        assert!(
            outcome.code == 0 && !outcome.stderr.contains("reload ("),
            "moment {moment}: {}",
            outcome.stderr
        );
        assert!(fixture.entries("map", "m") == rows(generation), "moment {moment}: {}", outcome.stderr);
        assert_eq!(abandoned(&fixture), 0, "moment {moment}");
    }
    assert!(kept > 0 && fixture.body("/last") == (MOMENTS + 1).to_string());
}

/// HAProxy has one thread here: with several, one rule's lookups may be before and after the moment of a change.
#[test]
fn no_request_is_answered_by_a_part_of_a_map() {
    let mut fixture = HaproxyFixture::empty();
    fixture.write_file("m", map(0));
    let lookup = |converter: &str, key: &str| {
        format!("%[str({key}),{converter}({},none)]", fixture.file("m").display())
    };
    let lookups = ["map_str", "map_beg", "map_reg", "map_sub", "map_dom"]
        .map(|converter| lookup(converter, "/first") + "," + &lookup(converter, "/last"));
    let rule = format!("frontend web\n  bind {}\n  {ANSWER} {}\n", fixture.front(), lookups.join(","));
    fixture.write_text(&format!("{}{rule}", fixture.head("  nbthread 1\n", &rule)));
    fixture.start_proven(Mode::MasterSocket);
    let is_over = AtomicBool::new(false);
    let (requests, seen) = thread::scope(|scope| {
        let visitors: Vec<_> = (0..4).map(|_| scope.spawn(|| visit(&fixture, &is_over))).collect();
        for generation in 1..10 {
            fixture.write_file("m", map(generation));
            fixture.change();
        }
        is_over.store(true, Ordering::Relaxed);
        let counts = visitors.into_iter().map(|visitor| visitor.join().unwrap());
        counts.fold((0, 0), |(requests, seen), (more, generations)| (requests + more, seen + generations))
    });
    assert!(requests > 100 && seen > 8, "{requests} requests, {seen} generations");
}

/// Sends requests. Each must be answered by one generation of the map, and by none that is older than the last one.
/// Returns how many there were, and how often the generation changed.
fn visit(fixture: &HaproxyFixture, is_over: &AtomicBool) -> (usize, usize) {
    let mut client = Client::keep_alive(fixture.front());
    let (mut requests, mut seen, mut last) = (0, 0, 0);
    while !is_over.load(Ordering::Relaxed) {
        let body = String::from_utf8(client.get("/").unwrap().body).unwrap();
        let generations: Vec<usize> = body.split(',').map(|value| value.parse().unwrap()).collect();
        assert!(generations.iter().all(|generation| *generation == generations[0]), "{body}");
        assert!(generations[0] >= last, "{body} after {last}");
        seen += usize::from(generations[0] != last);
        (requests, last) = (requests + 1, generations[0]);
    }
    (requests, seen)
}

#[test]
fn twenty_runs_at_once_change_a_map_once() {
    let fixture = with_map();
    fixture.write_file("m", map(1));
    let runs: Vec<Child> = (0..20).map(|_| fixture.start_reload(&[])).collect();
    let outcomes: Vec<Outcome> = runs.into_iter().map(finish).collect();
    assert!(outcomes.iter().all(|outcome| outcome.code == 0));
    let changes = outcomes.iter().filter(|outcome| outcome.stderr.contains("runtime: ")).count();
    assert_eq!(changes, 1);
    assert!(fixture.entries("map", "m") == rows(1));
}

#[test]
fn what_was_changed_by_hand_is_put_right() {
    let fixture = HaproxyFixture::with_files(
        &["http-request deny if { path -f DIR/a }", &format!("{ANSWER} %[path,map_reg(DIR/m,none)]")],
        &[("m", "^/a 1\n^/b 2\n"), ("a", "/denied\n/too\n")],
    );
    // The order of an ACL does not matter.
    let entries = || {
        let mut acl = fixture.entries("acl", "a");
        acl.sort();
        (fixture.entries("map", "m"), acl)
    };
    let loaded = entries();
    for command in [
        "set map DIR/m ^/a hand",
        "add map DIR/m ^/c hand",
        "del map DIR/m ^/a",
        "clear map DIR/m",
        "clear map DIR/m;add map DIR/m ^/b 2;add map DIR/m ^/a 1",
        "add acl DIR/a /hand",
        "del acl DIR/a /denied",
        "clear acl DIR/a",
    ] {
        fixture.order(&command.replace("DIR/", fixture.run.join("").to_str().unwrap()));
        assert_ne!(entries(), loaded, "{command}");
        fixture.change();
        assert_eq!(entries(), loaded, "{command}");
        assert_done(&fixture.reload(&[]), "nothing to do");
    }
}

#[test]
fn a_map_that_the_configuration_writes_is_left_alone() {
    let fixture = HaproxyFixture::with_files(
        &[
            "http-request set-map(DIR/m) %[path] seen if { path_beg /new }",
            "http-request del-acl(DIR/a) %[path] if { path /denied }",
            "http-request deny if { path -f DIR/a }",
            &format!("{ANSWER} %[path,map_str(DIR/m,none)]"),
        ],
        &[("m", "/a 1\n"), ("a", "/denied\n/too\n")],
    );
    assert_eq!(["/new", "/a"].map(|path| fixture.body(path)), ["seen", "1"]);
    assert_eq!(fixture.answer("/denied").status, 200);
    assert_done(&fixture.reload(&[]), "nothing to do");
    fixture.write_file("m", "/a 2\n");
    fixture.write_file("a", "/denied\n");
    let worker = fixture.worker();
    for _ in 0..2 {
        assert_done(&fixture.reload(&[]), "nothing to do");
        assert_eq!(["/new", "/a"].map(|path| fixture.body(path)), ["seen", "1"]);
        assert_eq!((fixture.answer("/too").status, fixture.worker()), (403, worker));
    }
}

#[test]
fn a_map_outside_of_haproxys_chroot_is_changed() {
    if !nix::unistd::geteuid().is_root() {
        assert!(std::env::var_os("CI").is_none(), "a chroot needs root");
        eprintln!("SKIPPED: a chroot needs root");
        return;
    }
    let mut fixture = HaproxyFixture::empty();
    fixture.write_file("m", "/a 1\n/b 1\n");
    std::fs::create_dir(fixture.file("jail")).unwrap();
    let map = fixture.file("m").display().to_string();
    let rule = format!("frontend web\n  bind {}\n  {ANSWER} %[path,map_str({map},none)]\n", fixture.front());
    let chroot = format!("  chroot {}\n", fixture.file("jail").display());
    fixture.write_text(&format!("{}{rule}", fixture.head(&chroot, &rule)));
    fixture.start_proven(Mode::MasterSocket);
    for (text, value) in [("/a 2\n/b 1\n", "2"), ("/b 3\n/a 3\n", "3")] {
        fixture.write_file("m", text);
        fixture.change();
        assert_eq!(fixture.body("/a"), value);
    }
}
