//! `--check-changes`: HAProxy checks only what changed, and soon afterwards the whole file.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use support::haproxy::WITH_OPTIONS as TEMPLATE;
use support::{Bed, Ran, haproxy};

const NODES: usize = 300;
/// The shortest pause before a whole check, in seconds (`QUIET` in memory.rs).
const QUIET: u64 = 10;

/// A bed with a file that was checked as a whole, and a check by HAProxy that counts the servers which it is given.
struct Pool {
    bed: Bed,
}

impl Pool {
    fn new() -> Pool {
        let bed = Bed::new(TEMPLATE);
        (0..NODES).for_each(|i| bed.node(&format!("n{i}"), "10.0.0.1", &[]));
        let program = haproxy::program();
        let script =
            format!("#!/bin/sh\ngrep -c '^    server' \"$1\" >>counts\nexec {} -c -f \"$1\"\n", program);
        bed.write("check", &script);
        fs::set_permissions(bed.path("check"), fs::Permissions::from_mode(0o755)).unwrap();
        let pool = Pool { bed };
        pool.render().quietly();
        assert_eq!(pool.counts(), [NODES]);
        pool
    }

    fn render(&self) -> Ran {
        self.bed.render(&["--check", "./check {}", "--check-changes", "checked"])
    }

    /// How many servers each check since the last call was given.
    fn counts(&self) -> Vec<usize> {
        let counts = fs::read_to_string(self.bed.path("counts")).unwrap_or_default();
        let _ = fs::remove_file(self.bed.path("counts"));
        counts.lines().map(|line| line.parse().unwrap()).collect()
    }

    /// Makes the last check older, and the last whole one.
    fn age(&self, seconds: u64) {
        self.age_of(&["at", "whole_at"], seconds);
    }

    fn age_of(&self, keys: &[&str], seconds: u64) {
        let mut note: serde_json::Value = serde_json::from_str(&self.bed.read("checked")).unwrap();
        for key in keys {
            note[*key] = (note[*key].as_u64().unwrap() - seconds).into();
        }
        self.bed.write("checked", &note.to_string());
    }
}

#[test]
fn only_the_changed_line_is_checked_and_after_a_pause_the_whole_file_once() {
    let pool = Pool::new();
    pool.bed.node("n7", "10.0.0.2", &[]);
    pool.render().quietly();
    assert!(pool.bed.read("out").contains("server n7 10.0.0.2:80\n"));
    assert_eq!(pool.counts(), [2]);
    // Nothing has changed, but the next change may be near.
    pool.render().quietly();
    assert!(pool.counts().is_empty());
    pool.age(QUIET);
    pool.render().quietly();
    pool.render().quietly();
    assert_eq!(pool.counts(), [NODES]);
    // A join and a leave.
    pool.bed.node("m", "10.0.0.3", &[]);
    fs::remove_file(pool.bed.path("nodes/n8.json")).unwrap();
    pool.render().quietly();
    assert_eq!(pool.counts(), [2]);
    assert_eq!(pool.bed.leftovers(), ["check", "checked"]);
}

#[test]
fn a_text_that_was_checked_whole_is_a_base_for_ever() {
    let pool = Pool::new();
    pool.age(86_400);
    pool.bed.node("n7", "10.0.0.2", &[]);
    pool.render().quietly();
    assert_eq!(pool.counts(), [2]);
}

#[test]
fn under_constant_change_the_whole_file_is_checked_every_minute() {
    let pool = Pool::new();
    pool.age(40);
    pool.bed.node("n7", "10.0.0.2", &[]);
    pool.render().quietly();
    assert_eq!(pool.counts(), [2]);
    pool.age_of(&["whole_at"], 20);
    pool.bed.node("n7", "10.0.0.3", &[]);
    pool.render().quietly();
    assert_eq!(pool.counts(), [NODES]);
}

#[test]
fn a_line_that_haproxy_refuses_is_left_out_as_after_a_whole_check() {
    let pool = Pool::new();
    pool.bed.node("n7", "10.0.0.2", &[("options", "nonsense")]);
    let err = pool.render().ends(3).err;
    assert!(err.contains("cannot serve 'n7': "), "{err}");
    assert!(err.contains("nonsense"), "{err}");
    let out = pool.bed.read("out");
    assert!(!out.contains("server n7 ") && out.contains("server n8 "), "{out}");
}

#[test]
fn two_servers_of_one_name_are_found_although_only_one_line_has_changed() {
    let pool = Pool::new();
    pool.bed.node("n7", "10.0.0.2", &[("name", "n9")]);
    let err = pool.render().ends(3).err;
    assert!(err.contains("cannot serve 'n7': ") || err.contains("cannot serve 'n9': "), "{err}");
    assert_eq!(pool.bed.read("out").matches("server n9 ").count(), 1);
}

#[test]
fn what_an_excerpt_cannot_show_is_found_by_the_whole_check_and_left_out() {
    let pool = Pool::new();
    pool.bed.write("a.pem", include_str!("../../scripts/check.cfg"));
    let with_file = [("options", "ssl verify required ca-file a.pem")];
    pool.bed.node("n7", "10.0.0.2", &with_file);
    pool.render().quietly();
    assert_eq!(pool.counts(), [2]);
    // The file of a line that does not change any more.
    fs::remove_file(pool.bed.path("a.pem")).unwrap();
    pool.bed.node("n8", "10.0.0.2", &[]);
    pool.render().quietly();
    assert_eq!(pool.counts(), [2]);
    pool.age(QUIET);
    let err = pool.render().ends(3).err;
    assert!(err.contains("cannot serve 'n7': "), "{err}");
    let out = pool.bed.read("out");
    assert!(!out.contains("server n7 ") && out.contains("server n8 10.0.0.2"), "{out}");
    assert!(pool.counts().len() > 2, "a whole check, the search, and the check of what is left");
    pool.bed.node("n9", "10.0.0.2", &[]);
    pool.render().ends(3);
    assert!(!pool.counts().is_empty(), "n7 still fails the check");
}

#[test]
fn after_another_change_everything_is_checked() {
    let pool = Pool::new();
    let change = |address: &str| pool.bed.node("n7", address, &[]);
    pool.bed.write("t.tera", &TEMPLATE.replace("client 1s", "client 2s"));
    change("10.0.0.2");
    pool.render().quietly();
    assert_eq!(pool.counts(), [NODES]);
    // Somebody has edited the output.
    pool.bed.write(
        "out",
        &pool.bed.read("out").replace("server n8 10.0.0.1:80", "server n8 10.0.0.1:80 nonsense"),
    );
    change("10.0.0.3");
    pool.render().quietly();
    assert_eq!(pool.counts(), [NODES]);
    // Another HAProxy.
    pool.bed.write("check", &(pool.bed.read("check") + "\n"));
    fs::set_permissions(pool.bed.path("check"), fs::Permissions::from_mode(0o755)).unwrap();
    change("10.0.0.4");
    pool.render().quietly();
    assert_eq!(pool.counts(), [NODES]);
    // A trial writes nothing, and checks everything.
    change("10.0.0.5");
    pool.bed
        .run(&["--output", "out", "--dry-run", "--check", "./check {}", "--check-changes", "checked"])
        .ends(0);
    assert_eq!(pool.counts(), [NODES]);
}

#[test]
fn a_file_that_cannot_be_written_costs_only_whole_checks() {
    let pool = Pool::new();
    fs::remove_file(pool.bed.path("checked")).unwrap();
    fs::create_dir(pool.bed.path("checked")).unwrap();
    pool.bed.node("n7", "10.0.0.2", &[]);
    let err = pool.render().ends(0).err;
    assert!(err.starts_with("render-cfg: cannot write 'checked': "), "{err}");
    assert!(err.ends_with("; until then every check is whole\n") && err.lines().count() == 1, "{err}");
    assert!(pool.bed.read("out").contains("server n7 10.0.0.2:80\n"));
    pool.bed.node("n7", "10.0.0.3", &[]);
    pool.render().ends(0);
    assert_eq!(pool.counts(), [NODES, NODES]);
}

#[test]
fn a_refused_text_is_refused_in_each_run_until_it_is_mended() {
    let pool = Pool::new();
    // No node is at fault if all of them need a file that is gone.
    pool.bed.write("a.pem", include_str!("../../scripts/check.cfg"));
    let server = "\nbackend b\n    server x 10.0.0.1:80 ssl verify required ca-file a.pem\n";
    pool.bed.write("t.tera", &TEMPLATE.replace("\nbackend b\n", server));
    pool.render().quietly();
    pool.bed.node("n7", "10.0.0.2", &[]);
    pool.render().quietly();
    pool.age(QUIET);
    fs::remove_file(pool.bed.path("a.pem")).unwrap();
    for _ in 0..3 {
        let err = pool.render().ends(5).err;
        assert!(err.starts_with("render-cfg: cannot use 'out': "), "{err}");
    }
    pool.bed.write("a.pem", include_str!("../../scripts/check.cfg"));
    pool.counts();
    pool.render().quietly();
    pool.render().quietly();
    assert_eq!(pool.counts(), [NODES + 1]);
}

#[test]
fn a_text_of_which_nothing_is_known_is_checked_even_if_it_has_not_changed() {
    let pool = Pool::new();
    pool.bed.node("n7", "10.0.0.2", &[]);
    pool.render().quietly();
    fs::remove_file(pool.bed.path("checked")).unwrap();
    pool.counts();
    pool.render().quietly();
    pool.render().quietly();
    assert_eq!(pool.counts(), [NODES]);
}

#[test]
fn another_file_is_not_overwritten() {
    let pool = Pool::new();
    for name in ["out", "t.tera"] {
        let before = pool.bed.read(name);
        pool.bed.node("n7", if name == "out" { "10.0.0.2" } else { "10.0.0.3" }, &[]);
        let err = pool.bed.render(&["--check", "./check {}", "--check-changes", name]).ends(0).err;
        assert!(err.contains("it holds something else; name a file of its own"), "{err}");
        assert_eq!(pool.bed.read(name).len(), before.len());
    }
    let err = pool.bed.render(&["--check-changes", "checked"]).ends(2).err;
    assert_eq!(err, "render-cfg: cannot use --check-changes 'checked': give a --check, too\n");
}
