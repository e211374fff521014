//! The command line: input, output and exit codes.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use std::process::Command;

use support::{Bed, SERVERS};

const BACKEND: &[(&str, &str)] = &[("role", "backend")];

#[test]
fn nodes_are_sorted_and_stdout_is_the_default() {
    let bed = Bed::new(SERVERS);
    bed.node("s2", "fd00::2", BACKEND);
    bed.node("s1", "10.0.0.1", BACKEND);
    assert_eq!(bed.run(&[]).quietly(), "server s1 10.0.0.1\nserver s2 fd00::2\n");
}

#[test]
fn a_template_sees_roles_tags_variables_and_the_environment() {
    let bed = Bed::new(
        "{% for role, members in roles %}{{ role }}={{ members | length }} {% endfor %}\n\
         {{ roles.web[0].tags.version }} {{ vars.a }} {{ vars.b }} {{ env.NODES_TEST }}\n\
         {{ [node.name for node in roles.none or []] | length }} {{ vars.c | default(value='d') }}\n",
    );
    bed.node("w", "10.0.0.1", &[("role", "web"), ("version", "1.2")]);
    bed.node("b", "10.0.0.2", BACKEND);
    bed.node("n", "10.0.0.3", &[]);
    let output =
        bed.command(&["--set", "a=x=y", "--set", "b=1", "--set", "b=2"]).env("NODES_TEST", "e").output();
    let ran = support::Ran::from(output.unwrap());
    assert_eq!(ran.quietly(), "\"\"=1 backend=1 web=1 \n1.2 x=y 2 e\n0 d\n");
}

#[test]
fn a_missing_role_is_an_error_without_a_default() {
    let ran = Bed::new("{% for node in roles.web %}{% endfor %}").run(&[]).ends(3);
    assert!(ran.err.contains("cannot render 't.tera:1:16':"), "{}", ran.err);
}

#[test]
fn an_undefined_variable_is_an_error_with_position_and_line() {
    let ran = Bed::new("global\n  user {{ vars.usr }}\n").run(&["--set", "self=lb1"]).ends(3);
    assert_eq!(
        ran.err,
        "render-cfg: cannot render 't.tera:2:16': field `usr` is not defined. Available fields: self; set it \
         with --set, or write | default(value=\"x\")\n\
         render-cfg:     2 |   user {{ vars.usr }}\n"
    );
    assert_eq!(ran.out, "");
}

#[test]
fn a_broken_template_is_an_error_with_position_and_line() {
    for (template, place) in [
        ("a\n{% for node in nodes %}\n", "3:1"),
        ("a\n{{ nodes | frobnicate }}\n", "2:12"),
        ("{{ 'x' | endpoint(port=80) }}", "1:10"),
        ("{% if %}", "1:7"),
    ] {
        let bed = Bed::new(template);
        bed.write("out", "old");
        let ran = bed.render(&[]).ends(3);
        assert!(ran.err.starts_with(&format!("render-cfg: cannot render 't.tera:{place}': ")), "{}", ran.err);
        assert_eq!(ran.err.lines().count(), 2, "{}", ran.err);
        assert_eq!(bed.read("out"), "old");
    }
}

#[test]
fn a_template_that_is_missing_or_not_text_is_reported() {
    let bed = Bed::new("");
    std::fs::remove_file(bed.path("t.tera")).unwrap();
    let err = bed.run(&[]).ends(4).err;
    assert_eq!(err, "render-cfg: cannot read 't.tera': the template does not exist; correct its path\n");
    common::replace::replace(&bed.path("t.tera"), b"\xff", 0o644).unwrap();
    assert!(bed.run(&[]).ends(3).err.starts_with("render-cfg: cannot read 't.tera': "));
}

#[test]
fn a_pipe_as_the_template_does_not_block_the_run() {
    let bed = Bed::new("");
    std::fs::remove_file(bed.path("t.tera")).unwrap();
    assert!(Command::new("mkfifo").arg(bed.path("t.tera")).status().unwrap().success());
    let err = bed.run(&[]).ends(4).err;
    assert_eq!(err, "render-cfg: cannot read 't.tera': it is a named pipe, not a regular file\n");
}

#[test]
fn a_template_that_is_too_large_is_refused() {
    let bed = Bed::new("");
    // The file is sparse; only a reader that stops early can finish.
    std::fs::OpenOptions::new().write(true).open(bed.path("t.tera")).unwrap().set_len(1 << 40).unwrap();
    let err = bed.run(&[]).ends(3).err;
    assert_eq!(err, "render-cfg: cannot read 't.tera': it is larger than 4 MiB, the limit for a template\n");
}

#[test]
fn nested_loops_end_at_a_limit_and_the_old_file_is_kept() {
    let loops = "{% for a in range(end=1000) %}{% for b in range(end=1000) %}{% for c in range(end=1000) %}";
    let ends = "{% endfor %}".repeat(3);
    // A body of some length, so that the limit is reached soon.
    for line in ["x".repeat(1000), "{{ vars.long }}".to_owned()] {
        let bed = Bed::new(&format!("{{% set long = vars.long %}}{loops}{line}{ends}"));
        bed.write("out", "old");
        let ran = bed.render(&["--set", &format!("long={}", "y ".repeat(1000))]).ends(3);
        let reason = "its text is larger than 64 MiB; is a loop nested in another one by mistake?";
        assert_eq!(ran.err, format!("render-cfg: cannot render 't.tera': {reason}\n"));
        assert_eq!(bed.read("out"), "old");
    }
}

#[test]
fn of_a_huge_line_only_the_part_with_the_error_is_shown() {
    let bed = Bed::new(&format!("{}{{{{ vars.usr }}}}{}", "a".repeat(50_000), "b".repeat(50_000)));
    let err = bed.run(&[]).ends(3).err;
    assert!(err.contains("a{{ vars.usr }}b") && err.len() < 1000, "{err}");
}

#[test]
fn an_unreadable_record_is_reported_and_the_others_are_rendered() {
    let bed = Bed::new(SERVERS);
    bed.node("s1", "10.0.0.1", BACKEND);
    bed.write("nodes/s2.json", "{\"address\":");
    bed.write("nodes/.s3.json.tmp", "half");
    let ran = bed.render(&[]).ends(3);
    assert!(
        ran.err.starts_with("render-cfg: cannot read '") && ran.err.contains("nodes/s2.json': "),
        "{}",
        ran.err
    );
    assert_eq!(ran.err.lines().count(), 1);
    assert_eq!(bed.read("out"), "server s1 10.0.0.1\n");
}

#[test]
fn an_empty_nodes_directory_is_rendered_and_a_missing_one_is_an_error() {
    let bed = Bed::new(SERVERS);
    bed.render(&[]).quietly();
    bed.write("out", "old");
    let ran = bed.render(&["--nodes", "nodse"]).ends(4);
    assert_eq!(
        ran.err,
        "render-cfg: cannot read 'nodse': the directory does not exist; create it with mkdir -p nodse\n"
    );
    assert_eq!(bed.read("out"), "old");
}

#[test]
fn too_few_usable_nodes_keep_the_file_and_the_error_says_what_to_do() {
    let bed = Bed::new("{% for n in nodes %}{% set s = n | server(port=1) %}{{ s.name }}\n{% endfor %}");
    bed.node("s1", "10.0.0.1", BACKEND);
    bed.node("s2", "10.0.0.2", &[("role", "backend"), ("port", "none")]);
    bed.node("b1", "10.0.0.3", &[("role", "balancer")]);
    let guards = ["--min-nodes", "2", "--min-nodes", "backend=2"];
    bed.render(&guards).ends(3);
    let first = bed.read("out");
    assert_eq!(first, "b1\ns1\ns2\n", "a first file is written however few there are");
    bed.node("s3", "10.0.0.4", &[("role", "other")]);
    bed.render(&guards).ends(3);
    assert_eq!(bed.read("out"), first, "the bad tag decides the code, and the file stays all the same");
    bed.node("s2", "10.0.0.2", &[("role", "leaving")]);
    let ran = bed.render(&guards).ends(6);
    assert!(ran.err.ends_with(
        "render-cfg: cannot replace 'out': 1 usable nodes of role 'backend', fewer than 2, so it is kept; \
         lower --min-nodes if this is intended\n"
    ));
    assert_eq!(bed.read("out"), first);
    bed.render(&["--min-nodes", "3"]).quietly();
    assert_ne!(bed.read("out"), first);
}

#[test]
fn a_diff_is_printed_and_nothing_is_written() {
    let bed = Bed::new(SERVERS);
    bed.node("s1", "10.0.0.1", BACKEND);
    bed.render(&[]).quietly();
    assert_eq!(bed.render(&["--diff"]).quietly(), "");
    bed.node("s2", "10.0.0.2", BACKEND);
    std::fs::remove_file(bed.path(".out.lock")).unwrap();
    let diff = "--- out\n+++ out (rendered)\n@@ -1 +1,2 @@\n server s1 10.0.0.1\n+server s2 10.0.0.2\n";
    assert_eq!(bed.render(&["--diff"]).quietly(), diff);
    assert_eq!(bed.read("out"), "server s1 10.0.0.1\n");
    assert!(!bed.path(".out.lock").exists());
}

#[test]
fn a_dry_run_checks_prints_what_it_would_do_and_writes_nothing() {
    let bed = Bed::new(SERVERS);
    bed.node("s1", "10.0.0.1", BACKEND);
    assert_eq!(bed.render(&["--dry-run"]).quietly(), "would write 'out': +1 -0 lines\n");
    assert!(!bed.path("out").exists() && !bed.path(".out.lock").exists());
    let ran = bed.render(&["--dry-run", "--check", "grep -q s2 {}"]).ends(5);
    assert_eq!(
        (&*ran.out, &*ran.err),
        ("", "render-cfg: cannot use 'out': 'grep -q s2 {}' ended with exit code 1\n")
    );
    bed.render(&[]).quietly();
    assert_eq!(bed.render(&["--dry-run"]).quietly(), "would keep 'out' as it is\n");
}

#[test]
fn a_usage_error_is_exit_code_2() {
    let bed = Bed::new("");
    for wrong in [
        &["--check", "haproxy -c"][..],
        &["--set", "novalue"],
        &["--set", "1x=1"],
        &["--min-nodes", "few"],
        &["--diff"],
        &["--dry-run"],
        &["--diff", "--dry-run", "--output", "out"],
        &["--check-timeout", "soon"],
        &["--check-timeout", "0s"],
        &["--min-nodes", "backend=1 balancer=1"],
        &["--min-nodes", "x=y=1"],
    ] {
        assert!(!bed.run(wrong).ends(2).err.is_empty());
    }
}

#[test]
fn the_revision_depends_only_on_the_rendered_text() {
    let bed = Bed::new("description {{ revision }}\n{% for n in nodes %}server {{ n.name }}\n{% endfor %}");
    bed.node("s1", "10.0.0.1", BACKEND);
    let first = bed.run(&[]).quietly();
    let revision = first.lines().next().unwrap().strip_prefix("description rollcall-").unwrap();
    assert!(revision.len() == 16 && revision.bytes().all(|b| b.is_ascii_hexdigit()), "{revision}");
    bed.node("s1", "10.0.0.9", &[("role", "backend"), ("other", "tag")]);
    let output = bed.command(&["--set", "self=lb1"]).env("SERF_EVENT", "member-update").output().unwrap();
    assert_eq!(support::Ran::from(output).quietly(), first);
    bed.node("s2", "10.0.0.2", BACKEND);
    let second = bed.run(&[]).quietly();
    assert_ne!(second.lines().next(), first.lines().next());
    std::fs::remove_file(bed.path("nodes/s2.json")).unwrap();
    assert_eq!(bed.run(&[]).quietly(), first);
}

#[test]
fn the_revision_is_the_same_however_the_template_uses_it() {
    let plain = Bed::new("{{ revision }}").run(&[]).quietly();
    assert_eq!(Bed::new("{{revision}}").run(&[]).quietly(), plain);
    assert_eq!(Bed::new("{{ revision | upper }}").run(&[]).quietly().to_lowercase().len(), plain.len());
    let twice = Bed::new("{% set r = revision %}{{ r }} {{ revision }}").run(&[]).quietly();
    let (one, other) = twice.split_once(' ').unwrap();
    assert_eq!(one, other);
    let bed = Bed::new("{{ nodes[0].tags.t }} {{ revision }}");
    bed.node("s1", "10.0.0.1", &[("t", "rollcall-0000000000000000")]);
    assert!(bed.run(&[]).quietly().starts_with("rollcall-0000000000000000 rollcall-"));
}

#[test]
fn actions_are_reported_with_v_and_in_the_log() {
    let bed = Bed::new(SERVERS);
    assert_eq!(bed.render(&["--log", "log"]).quietly(), "");
    assert!(bed.read("log").ends_with("wrote 'out'\n"));
    // Otherwise the log of a timer would contain little else.
    let before = bed.read("log");
    assert_eq!(bed.render(&["--log", "log"]).quietly(), "");
    assert_eq!(bed.read("log"), before);
    assert_eq!(bed.render(&["-v"]).ends(0).err, "render-cfg: kept 'out': nothing changed\n");
}

#[test]
fn help_lists_every_option_and_the_exit_codes() {
    let help = Bed::new("").run(&["--help"]).quietly();
    for word in [
        "--template",
        "--nodes",
        "--output",
        "--check",
        "--check-timeout",
        "--min-nodes",
        "--set",
        "--diff",
        "--dry-run",
        "--lock-timeout",
        "--verbose",
        "--log",
        "NODES_DIR",
        "Exit status",
        "haproxy -c -f {}",
    ] {
        assert!(help.contains(word), "{word}");
    }
}
