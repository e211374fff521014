//! Whether a member is at fault, or the template or the check, and how many checks it takes to find out.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use std::time::{Duration, Instant};

use support::haproxy;
use support::pool::{BACKEND, NO_BAD, NUMBER, TAG, pool};

#[test]
fn a_fault_of_the_template_leaves_nobody_out() {
    for template in [
        // It fails without nodes, too.
        "{{ vars.missing }}{% for n in nodes %}{{ n.name }}{% endfor %}",
        // It fails with each node, and with each of one role, which is most of all.
        "{% for n in nodes %}{{ n.tags.zon }}{% endfor %}",
        "{% for n in roles.backend or [] %}{{ n.tags.zon }}{% endfor %}",
        // It stops because of their number.
        "{% if nodes | length > 20 %}{{ throw(message='many') }}{% endif %}",
    ] {
        let bed = pool(template, 30, &[]);
        bed.node("lb1", "10.0.0.9", &[("role", "balancer")]);
        bed.write("out", "old: s1");
        let ran = bed.render(&[]).ends(3);
        assert!(ran.err.starts_with("render-cfg: cannot render 't.tera:1:"), "{}", ran.err);
        assert_eq!((ran.err.lines().count(), bed.read("out").as_str()), (2, "old: s1"), "{template}");
    }
}

#[test]
fn members_of_a_new_role_do_not_stop_the_others_however_many_they_are() {
    let bed = pool(NUMBER, 2, &[]);
    bed.render(&[]).quietly();
    for number in 0..9 {
        bed.node(&format!("new{number}"), "10.0.0.2", &[("role", "new"), ("n", "x")]);
    }
    bed.node("s3", "10.0.0.3", BACKEND);
    bed.render(&[]).ends(3);
    assert_eq!(bed.read("out").lines().count(), 3);
}

#[test]
fn a_check_that_refuses_any_text_runs_twice_and_leaves_nobody_out() {
    let bed = pool(TAG, 30, &[]);
    bed.write("out", "old");
    let ran = bed.render(&["--check", "sh -c 'echo >>checks; echo refused; exit 1; : {}'"]).ends(5);
    assert!(ran.err.contains("cannot use 'out'"), "{}", ran.err);
    assert_eq!((bed.read("checks").len(), bed.read("out").as_str()), (2, "old"));
}

#[test]
fn a_mistake_in_the_line_of_every_server_is_not_a_members_fault() {
    let bed = pool(&TAG.replace("server", "bad"), 100, &[]);
    bed.write("out", "old: s1");
    bed.render(&["--check", NO_BAD]).ends(5);
    assert_eq!(bed.read("out"), "old: s1");
    assert!(bed.read("checks").len() < 25);
}

#[test]
fn one_name_for_all_servers_is_the_templates_fault() {
    if !haproxy::is_there() {
        return;
    }
    let template = "defaults\n timeout connect 1s\n timeout client 1s\n timeout server 1s\nlisten web\n \
                    bind 127.0.0.1:8080\n{% for s in nodes %} server NAME 10.0.0.1:80\n{% endfor %}";
    let check = format!("{} -c -f {{}}", haproxy::program());
    for is_first in [true, false] {
        let bed = pool(&template.replace("NAME", "{{ s.name }}"), 10, &[]);
        if !is_first {
            bed.render(&["--check", &check]).ends(0);
        }
        bed.write("t.tera", &template.replace("NAME", "web"));
        let ran = bed.render(&["--check", &check]).ends(5);
        assert!(ran.err.contains("another server named 'web'"), "{}", ran.err);
        assert_eq!(bed.path("out").exists(), !is_first);
    }
}

#[test]
fn few_checks_find_a_member_and_the_next_run_needs_one() {
    let bed = pool(TAG, 500, &[("s77", "bad")]);
    bed.render(&["--check", NO_BAD]).ends(3);
    assert_eq!(bed.read("out").lines().count(), 499);
    assert!(bed.read("checks").len() < 25, "{}", bed.read("checks").len());
    bed.write("checks", "");
    let ran = bed.render(&["--check", NO_BAD]).ends(3);
    assert!(ran.err.contains("cannot serve 's77'"), "{}", ran.err);
    assert_eq!(bed.read("checks").len(), 1);
}

#[test]
fn a_check_that_gives_no_verdict_is_not_repeated() {
    let bed = pool(TAG, 3, &[]);
    for check in ["sh -c 'echo >>checks; kill -9 $$; : {}'", "sh -c 'echo >>checks; echo >>\"$0\"' {}"] {
        bed.write("checks", "");
        bed.render(&["--check", check]).ends(5);
        assert_eq!(bed.read("checks").len(), 1, "{check}");
    }
}

#[test]
fn the_search_ends_with_the_time_limit_of_the_check() {
    let bed = pool(TAG, 200, &[("s7", "bad")]);
    bed.write("out", "old");
    let begin = Instant::now();
    let slow = "sh -c 'sleep 0.3; ! grep -n bad \"$0\"' {}";
    bed.render(&["--check", slow, "--check-timeout", "1s"]).ends(5);
    assert!(begin.elapsed() < Duration::from_secs(10));
    assert_eq!(bed.read("out"), "old");
}
