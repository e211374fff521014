//! A member that makes the template or the check fail is left out alone and reported.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use std::fs;

use support::pool::{BACKEND, NO_BAD, NUMBER, TAG, pool};
use support::{Bed, haproxy};

fn template(name: &str) -> Bed {
    let path = format!("{}/tests/templates/{name}.tera", env!("CARGO_MANIFEST_DIR"));
    Bed::new(&fs::read_to_string(path).unwrap())
}

#[test]
fn a_member_with_an_odd_tag_is_left_out_alone() {
    if !haproxy::is_there() {
        return;
    }
    for (name, reason) in [
        ("zone", "with it, 'haproxy -c -f {}' ended with exit code 1\n"),
        ("number", "'http' is not a whole number (in 't.tera:"),
    ] {
        let bed = template(name);
        let add = |name: &str, zone: &str, check_port: &str| {
            let tags = [("port", "3000"), ("zone", zone), ("check_port", check_port)];
            bed.node(name, &format!("10.0.0.{}", name.len() * 10 + name.as_bytes()[1] as usize % 10), &tags);
        };
        let check = format!("{} -c -f {{}}", haproxy::program());
        let check = ["--check", check.as_str()];
        add("s1", "a", "80");
        bed.render(&check).quietly();
        add("odd", "a b", "http");
        add("s2", "a", "80");
        let reason = reason.replace("haproxy", &haproxy::program());
        for round in 0..3 {
            let ran = bed.render(&check).ends(3);
            assert!(ran.err.starts_with(&format!("render-cfg: cannot serve 'odd': {reason}")), "{}", ran.err);
            assert_eq!(ran.err.matches("cannot").count(), 1, "{}", ran.err);
            let text = bed.read("out");
            assert!(
                text.contains("server s1 ") && text.contains("server s2 ") && !text.contains("odd"),
                "{text}"
            );
            if round == 1 {
                add("s3", "a", "80");
            }
        }
        assert!(bed.read("out").contains("server s3 "));
        add("odd", "b", "80");
        bed.render(&check).quietly();
        assert!(bed.read("out").contains("server odd "));
    }
}

#[test]
fn what_haproxy_said_about_a_member_is_shown_with_its_line() {
    if !haproxy::is_there() {
        return;
    }
    let bed = template("zone");
    bed.node("s1", "10.0.0.1", &[("zone", "a")]);
    bed.node("odd", "10.0.0.2", &[("zone", "a b")]);
    let ran = bed.render(&["--check", &format!("{} -c -f {{}}", haproxy::program())]).ends(3);
    assert!(ran.err.contains("character ' ' is not permitted in "), "{}", ran.err);
    assert!(ran.err.contains("of 'out', from 't.tera': acl in_zone_a\\x20b path_beg /zone\n"), "{}", ran.err);
}

#[test]
fn every_third_member_is_left_out_although_the_template_needs_a_good_one() {
    if !haproxy::is_there() {
        return;
    }
    let check = format!("{} -c -f {{}}", haproxy::program());
    for is_one_value in [true, false] {
        let bed = template("zone");
        let add = |number: usize, zone: &str| {
            bed.node(&format!("s{number}"), &format!("10.0.0.{number}"), &[("zone", zone)]);
        };
        (1..34).for_each(|number| add(number, "a"));
        bed.render(&["--check", &check]).quietly();
        for number in (3..34).step_by(3) {
            let zone = format!("a {}", if is_one_value { 0 } else { number });
            add(number, &zone);
        }
        bed.node("new", "10.0.0.99", &[("zone", "a")]);
        let ran = bed.render(&["--check", &check]).ends(3);
        let text = bed.read("out");
        assert_eq!((ran.err.matches("cannot serve 's").count(), text.matches(" check").count()), (11, 23));
        assert!(text.contains("server new ") && !text.contains("server s3 "), "{text}");
    }
}

#[test]
fn several_members_are_left_out_each_with_its_reason() {
    let bed = pool(NUMBER, 20, &[("a", "x"), ("s7", "y"), ("z", "")]);
    let ran = bed.render(&[]).ends(3);
    let place = "(in 't.tera:1:76')";
    for (name, value) in [("a", "x"), ("s7", "y"), ("z", "")] {
        let line = format!("render-cfg: cannot serve '{name}': '{value}' is not a whole number {place}\n");
        assert!(ran.err.contains(&line), "{}", ran.err);
    }
    assert_eq!((ran.err.matches("cannot").count(), bed.read("out").lines().count()), (3, 19));
}

#[test]
fn a_loop_without_an_if_leaves_out_a_node_with_a_problem() {
    let bed =
        Bed::new("{% for s in nodes | server(port=1) %}server {{ s.name }} {{ s.endpoint }}\n{% endfor %}");
    bed.node("s1", "10.0.0.1", BACKEND);
    bed.node("odd", "10.0.0.2", &[("role", "backend"), ("weight", "heavy")]);
    let err = bed.render(&[]).ends(3).err;
    assert!(
        err.starts_with("render-cfg: cannot serve 'odd': its tag 'weight' is 'heavy', not 0 to 256\n"),
        "{err}"
    );
    assert_eq!(bed.read("out"), "server s1 10.0.0.1:1\n");
    bed.write(
        "t.tera",
        "{% for s in nodes | servers(port=1) %}server {{ s.name }} {{ s.endpoint }}\n{% endfor %}",
    );
    let err = bed.render(&["--diff"]).ends(3).err;
    assert_eq!(err, "render-cfg: cannot serve 'odd': its tag 'weight' is 'heavy', not 0 to 256\n");
}

#[test]
fn a_member_that_is_left_out_is_not_usable() {
    let bed = pool(NUMBER, 2, &[("s3", "x")]);
    bed.write("out", "old");
    let ran = bed.render(&["--min-nodes", "backend=3"]).ends(3);
    assert!(
        ran.err.contains("cannot replace 'out': 2 usable nodes of role 'backend', fewer than 3"),
        "{}",
        ran.err
    );
    let bed = pool(TAG, 2, &[("s3", "bad")]);
    bed.write("out", "old");
    let ran = bed.render(&["--check", NO_BAD, "--min-nodes", "backend=3"]).ends(3);
    assert!(
        ran.err.contains("cannot replace 'out': 2 usable nodes of role 'backend', fewer than 3"),
        "{}",
        ran.err
    );
    assert_eq!(bed.read("out"), "old");
}

#[test]
fn a_dry_run_a_diff_and_stdout_leave_out_the_same() {
    let bed = pool(TAG, 2, &[("odd", "bad")]);
    assert!(bed.render(&["--dry-run", "--check", NO_BAD]).ends(3).out.contains("+2 -0 lines"));
    assert_eq!(bed.run(&["--check", NO_BAD]).ends(3).out, "server s1 1\nserver s2 1\n");
    let bed = pool(NUMBER, 2, &[("odd", "x")]);
    assert!(bed.render(&["--diff"]).ends(3).out.contains("@@ -0,0 +1,2 @@"));
    assert!(!bed.path("out").exists());
}

#[test]
fn the_revision_is_that_of_the_text_without_the_member() {
    let bed = pool(&format!("{{{{ revision }}}}\n{NUMBER}"), 2, &[]);
    let good = bed.run(&[]).quietly();
    bed.node("odd", "10.0.0.9", &[("role", "backend"), ("n", "x")]);
    assert_eq!(bed.run(&[]).ends(3).out, good);
}

#[test]
fn watching_reports_a_member_once_and_serves_the_others() {
    let bed = pool(NUMBER, 1, &[("odd", "x")]);
    let _watcher = bed.watch(&["--look-every", "50ms"]);
    bed.wait_for_nodes(&["s1"]);
    bed.node("s2", "10.0.0.2", BACKEND);
    bed.wait_for_nodes(&["s1", "s2"]);
    fs::remove_file(bed.path("nodes/odd.json")).unwrap();
    support::until("the end of the fault", || {
        bed.read("said").contains("rendering works again").then_some(())
    });
    assert_eq!(bed.read("said").matches("cannot serve 'odd'").count(), 1, "{}", bed.read("said"));
}

#[test]
fn nodes_are_in_natural_order() {
    let bed = Bed::new(support::SERVERS);
    for name in ["s10", "s9", "s1", "a"] {
        bed.node(name, "10.0.0.1", BACKEND);
    }
    let names = |text: String| {
        text.split_whitespace().filter(|w| !w.contains("10.0")).map(str::to_owned).collect::<Vec<_>>()
    };
    let words = names(bed.run(&[]).quietly());
    assert_eq!(words, ["server", "a", "server", "s1", "server", "s9", "server", "s10"]);
}
