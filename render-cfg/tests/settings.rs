//! Settings of the shipped template and of one's own: a value of the wrong kind is refused by name.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use support::{Bed, Ran, SHIPPED};

/// All settings of the shipped template but `cookie_key`.
const CHECKED: &str = "role balancer_role port bind stats_bind admin_socket socket_group readonly_socket user group chroot \
                       check_path check_host balance cookie rate_limit state_file stats_file maxconn \
                       hard_stop_after log self";
const BACKEND: &[(&str, &str)] = &[("role", "backend")];

#[test]
fn a_setting_of_the_wrong_kind_is_named_and_the_output_is_kept() {
    let bed = Bed::new(&fs::read_to_string(SHIPPED).unwrap());
    bed.node("s1", "10.0.0.1", BACKEND);
    bed.write("out", "old");
    let set = |setting: &str| -> Ran { bed.render(&["--set", setting]) };
    let err = set("bind=:443 ssl crt /etc/ssl/site.pem").ends(2).err;
    assert_eq!(
        err,
        "render-cfg: cannot use setting 'bind': ':443 ssl crt /etc/ssl/site.pem' is not an address such as ':80', \
         '10.0.0.1:80' or '[::1]:80'; it is one word for HAProxy: write further words into the template\n"
    );
    for name in CHECKED.split(' ') {
        let err = set(&format!("{name}=/x 1")).ends(2).err;
        assert!(
            err.starts_with(&format!("render-cfg: cannot use setting '{name}': '/x 1' is not ")),
            "{err}"
        );
        assert_eq!((err.lines().count(), bed.read("out").as_str()), (1, "old"));
    }
    for (name, value) in [
        ("hard_stop_after", "90"),
        ("hard_stop_after", "15us"),
        ("admin_socket", "/run/${A}"),
        ("hard_stop_after", "30m x"),
        ("maxconn", "100 x"),
        ("check_path", "/healthz HTTP/1.1"),
    ] {
        assert!(set(&format!("{name}={value}")).ends(2).err.contains(value), "{name}");
    }
    assert_eq!(bed.read("out"), "old");
    set("cookie_key=a b").quietly();
}

#[test]
fn a_default_of_the_shipped_template_and_an_empty_value_are_of_the_right_kind() {
    let bed = Bed::new(&fs::read_to_string(SHIPPED).unwrap());
    for name in [
        "socket_group",
        "readonly_socket",
        "user",
        "group",
        "chroot",
        "rate_limit",
        "state_file",
        "stats_file",
        "maxconn",
        "log",
        "self",
    ] {
        bed.run(&["--set", &format!("{name}=")]).quietly();
    }
}

#[test]
fn the_setting_is_named_in_any_template() {
    for (template, value, name) in [
        ("{{ vars.a | port }}", "a=http", "a"),
        ("{{ vars.a | default(value='x') | time }}", "a=1 s", "a"),
        ("{% set p = vars.a | number(max=5) %}{{ p }}", "a=6", "a"),
        ("{% if true %}{{ vars.b | default(value='1') | int }}-{{ vars.a | int }}{% endif %}", "a=x", "a"),
        ("{{ '10.0.0.1' | endpoint(port=vars.a) }}", "a=none", "a"),
        ("{{ vars.a | endpoint(port=80) }}", "a=localhost", "a"),
    ] {
        let bed = Bed::new(template);
        bed.node("s1", "10.0.0.1", BACKEND);
        let err = bed.run(&["--set", value]).ends(2).err;
        assert!(err.starts_with(&format!("render-cfg: cannot use setting '{name}': '")), "{template} {err}");
    }
}

#[test]
fn a_tag_with_the_value_of_a_setting_is_not_the_setting() {
    let bed = Bed::new(
        "{% set p = vars.a | port(default=1) %}{% for n in nodes %}{{ n.tags.p | port }}{% endfor %}",
    );
    bed.node("s1", "10.0.0.1", &[("p", "80")]);
    bed.node("odd", "10.0.0.2", &[("p", "http")]);
    let err = bed.run(&["--set", "a=http"]).ends(3).err;
    assert!(err.starts_with("render-cfg: cannot serve 'odd': 'http' is not a port"), "{err}");
}

#[test]
fn several_words_are_given_in_the_template_or_with_safe() {
    let bed = Bed::new("option httpchk {{ vars.check }}\noption httpchk {{ vars.check | safe }}\n");
    let text = bed.run(&["--set", "check=HEAD / HTTP/1.1"]).quietly();
    assert_eq!(text, "option httpchk HEAD\\x20/\\x20HTTP/1.1\noption httpchk HEAD / HTTP/1.1\n");
}

#[test]
fn settings_come_from_variables_and_the_last_of_one_name_counts() {
    let bed = Bed::new("{{ vars.a }} {{ vars.b }} {{ vars.c }}\n");
    let run = |set: &str| {
        let mut command = bed.command(&["--set-from", "S", "--set", "a=0", "--set", "b=0"]);
        Ran::from(command.env("S", set).output().unwrap())
    };
    assert_eq!(run("b=1 c='$HOME *' b=2").quietly(), "0 2 \\x24HOME\\x20\\x2a\n");
    assert!(run("").ends(3).err.contains("vars.c"), "an empty variable sets nothing");
}

#[test]
fn a_wrong_variable_is_named_and_logged_and_the_output_is_kept() {
    let bed = Bed::new("new");
    bed.write("out", "old");
    for (option, value, reason) in [
        (
            "--set-from",
            "a=1 b",
            "cannot use MY_VAR 'b': it is not KEY=VALUE; quote a value with blanks: KEY='A B'",
        ),
        ("--min-nodes-from", "two", "cannot use MY_VAR 'two': write it as 2 or backend=2"),
        ("--min-nodes-from", " ", "cannot use MY_VAR ' ': write it as 2 or backend=2"),
        (
            "--check-from",
            "haproxy -c",
            "cannot use MY_VAR 'haproxy -c': it does not contain '{}', the path of the file to check",
        ),
    ] {
        for watch in [&[][..], &["--watch"]] {
            let mut command = bed.command(&["--output", "out", "--log", "log", option, "MY_VAR"]);
            let ran = Ran::from(command.args(watch).env("MY_VAR", value).output().unwrap()).ends(2);
            assert_eq!(ran.err, format!("render-cfg: {reason}\n"));
            let log = bed.read("log");
            assert!(log.ends_with(&format!("]: {reason}\n")) && log.lines().count() == 1, "{log}");
            fs::remove_file(bed.path("log")).unwrap();
            assert_eq!(bed.read("out"), "old");
        }
    }
}

#[test]
fn a_guard_and_a_check_come_from_variables() {
    let bed = Bed::new("new");
    bed.write("out", "old");
    let run = |option: &str, value: &str| {
        let mut command = bed.command(&["--output", "out", option, "V"]);
        Ran::from(command.env("V", value).output().unwrap())
    };
    assert!(run("--min-nodes-from", "0 backend=1").ends(6).err.contains("of role 'backend', fewer than 1"));
    assert!(run("--check-from", "sh -c 'exit 4' {}").ends(5).err.contains("ended with exit code 4"));
    assert_eq!(bed.read("out"), "old");
    run("--check-from", "grep -q new {}").quietly();
    bed.run(&["--check", "true {}", "--check-from", "V"]).ends(2);
}

#[test]
fn what_is_wrong_with_the_value_of_a_variable_names_the_variable() {
    let bed = Bed::new("{{ vars.b | default(value=':80') | bind }}");
    bed.write("out", "old");
    let run = |option: &str, value: &str, code: i32| {
        let mut command = bed.command(&["--output", "out", option, "MY_VAR", "--set", "b=:1"]);
        Ran::from(command.env("MY_VAR", value).output().unwrap()).ends(code).err
    };
    let err = run("--set-from", "b=80", 2);
    assert!(err.contains("cannot use MY_VAR: setting 'b' is '80', not an address such as "), "{err}");
    let err = run("--min-nodes-from", "9", 6);
    assert!(err.ends_with("fewer than 9, so it is kept; lower MY_VAR if this is intended\n"), "{err}");
    let err = run("--check-from", "/nonexistent {}", 5);
    assert!(err.contains("cannot be run: No such file or directory (os error 2); correct MY_VAR\n"), "{err}");
    let err = bed.run(&["--set", "b=80"]).ends(2).err;
    assert!(err.contains("cannot use setting 'b': '80' is not "), "the setting alone: {err}");
}

#[test]
fn a_setting_that_the_template_does_not_use_is_reported() {
    let bed = Bed::new("{{ vars.balance | default(value='x') }}{{ vars[\"bind\"] | default(value='y') }}");
    let ran = bed.run(&["--set", "blance=roundrobin", "--set", "self=lb1", "--set", "bind=z"]).ends(0);
    let line = "the template does not use setting 'blance'; it uses balance, bind\n";
    assert_eq!((ran.err, ran.out.as_str()), (format!("render-cfg: {line}"), "xz"));
    let mut command = bed.command(&["--output", "out", "--set-from", "MY_VAR"]);
    let err = Ran::from(command.env("MY_VAR", "Bind=:81").output().unwrap()).ends(0).err;
    assert!(err.contains("does not use setting 'Bind' of MY_VAR; it uses balance, bind\n"), "{err}");
    bed.write("t.tera", "{% for k, v in vars %}{{ k }}{% endfor %}");
    assert_eq!(bed.run(&["--set", "any=1"]).quietly(), "any");
}

#[test]
fn with_a_log_state_an_unused_setting_is_logged_once() {
    let bed = Bed::new("text");
    for _ in 0..3 {
        bed.render(&["--set", "x=1", "--log", "log", "--log-state", "state"]).ends(0);
    }
    assert_eq!(bed.read("log").matches("does not use setting 'x'").count(), 1, "{}", bed.read("log"));
}

#[test]
fn if_no_node_is_in_the_text_verbose_names_the_roles() {
    let bed = Bed::new("{% for n in roles[vars.role] or [] %}{{ n.name }}{% endfor %}");
    bed.node("s1", "10.0.0.1", BACKEND);
    bed.node("lb1", "10.0.0.2", &[("role", "balancer")]);
    let err = bed.run(&["-v", "--set", "role=bakend"]).ends(0).err;
    assert!(
        err.contains("the text contains no node; the nodes have the roles 'backend', 'balancer'\n"),
        "{err}"
    );
    let err = bed.run(&["-v", "--set", "role=backend"]).ends(0).err;
    assert!(!err.contains("contains no node"), "{err}");
}

#[test]
fn a_variable_that_is_not_utf_8_is_an_error() {
    let bed = Bed::new("");
    let mut command = bed.command(&["--set-from", "S"]);
    let ran = Ran::from(command.env("S", OsStr::from_bytes(b"a=\xff")).output().unwrap()).ends(2);
    assert_eq!(ran.err, "render-cfg: cannot use S 'a=\u{fffd}': it is not valid UTF-8\n");
}
