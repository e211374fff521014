//! Settings of the shipped template and of one's own: a value of the wrong kind is refused by name.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use std::fs;

use support::{Bed, Ran, SHIPPED};

/// All settings of the shipped template but `cookie_key`.
const CHECKED: &str = "role balancer_role port bind stats_bind admin_socket socket_group user group chroot check_path \
                       check_host balance cookie rate_limit state_file maxconn hard_stop_after log self";
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
    for (name, value) in
        [("hard_stop_after", "30m x"), ("maxconn", "100 x"), ("check_path", "/healthz HTTP/1.1")]
    {
        assert!(set(&format!("{name}={value}")).ends(2).err.contains(value), "{name}");
    }
    assert_eq!(bed.read("out"), "old");
    set("cookie_key=a b").quietly();
}

#[test]
fn a_default_of_the_shipped_template_and_an_empty_value_are_of_the_right_kind() {
    let bed = Bed::new(&fs::read_to_string(SHIPPED).unwrap());
    for name in
        ["socket_group", "user", "group", "chroot", "rate_limit", "state_file", "maxconn", "log", "self"]
    {
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
