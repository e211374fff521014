use super::*;

use tera::Context;

fn render(template: &str) -> Result<String, String> {
    let mut tera = Tera::new();
    register(&mut tera);
    tera.add_raw_template("t", template).map_err(|err| err.to_string())?;
    tera.render("t", &Context::new()).map_err(|err| err.to_string())
}

/// Whether a test holds, and its filter of the same name, which must agree.
fn holds(text: &str, kind: &str) -> bool {
    let quoted = text.replace('\\', "\\\\").replace('"', "\\\"");
    let test = render(&format!("{{% if \"{quoted}\" is {kind} %}}1{{% endif %}}")).unwrap() == "1";
    let filter = render(&format!("{{{{ \"{quoted}\" | {kind} | safe }}}}"));
    assert_eq!(test, filter.is_ok(), "{text} {kind} {filter:?}");
    test
}

#[track_caller]
fn judged(kind: &str, good: &[&str], bad: &[&str]) {
    for text in good {
        assert!(holds(text, kind), "'{text}' is {kind}");
    }
    for text in bad.iter().chain(&["", " ", "a b", "1 2", "\n", "é ", "${HOME} x", "a\\x20b"]) {
        assert!(!holds(text, kind), "'{text}' is not {kind}");
    }
}

#[test]
fn a_name_is_what_haproxy_takes_as_one() {
    judged("name", &["a", "web-1.a_b:c", &"x".repeat(128)], &["ä", "a/b", "$a", "a,b", &"x".repeat(129)]);
}

#[test]
fn a_time_has_digits_and_one_unit() {
    let good = ["1ms", "500ms", "10s", "30m", "1h", "24d"];
    judged(
        "time",
        &good,
        &[
            "90",
            "0",
            "0s",
            "0ms",
            "15us",
            "s",
            "10 s",
            "10x",
            "1h30m",
            "-1s",
            "1.5s",
            "25d",
            "99999999999999999999s",
        ],
    );
}

#[test]
fn a_port_is_1_to_65535() {
    judged("port", &["1", "80", "65535", "0080"], &["0", "65536", "-1", "+80", "80x", "http", "1.5"]);
    assert_eq!(render("{{ 80 | port + 1 }} {{ 'x' | port(default=3000) }}").unwrap(), "81 3000");
}

#[test]
fn a_path_is_absolute_and_a_uri_is_visible_ascii() {
    judged("path", &["/", "/run/a.sock", "/é"], &["a", "./a", "/a b", "/a\t", "/${A}x", "/$A"]);
    judged("uri", &["/", "/healthz?a=b&c", "/%20"], &["a", "*", "/a b", "/é", "/healthz HTTP/1.1"]);
}

#[test]
fn a_bind_address_has_a_port_or_is_a_socket() {
    let good = ":80 *:80 10.0.0.1:80 [::1]:80 :::80 ::1:80 :8000-8010 localhost:80 :80,:81 ipv4@:80 ipv6@[::]:443 \
                0:80 0:80-81 tcp@:80 /run/a.sock unix@/run/a.sock uxst@/run/a.sock abns@lb fd@3 sockpair@5";
    let bad = "80 * 10.0.0.1 10.0.0:80 10.0.0.1:0 :0 :80-79 :80, [::1:80 [10.0.0.1]:80 ${ADDRESS}:80 \"${BIND}\" fd@x \
               udp@:80 uxdg@/run/a uxst@run unix@run abns@ :80#";
    let words = |text: &'static str| text.split(' ').collect::<Vec<_>>();
    judged("bind", &words(good), &[words(bad), vec![":443 ssl crt x", ":80 v6only", "a b:80"]].concat());
    assert_eq!(render("{{ '[::]:80' | bind }}").unwrap(), "[::]:80");
}

#[test]
fn a_log_target_is_a_stream_a_socket_or_an_address() {
    let good = [
        "/dev/log",
        "stdout",
        "stderr",
        "10.0.0.1",
        "10.0.0.1:514",
        "[::1]:514",
        "logs:514",
        "fd@2",
        "ring@r",
        "ipv4@127.0.0.1:514",
        "ipv6@[::1]:514",
        "tcp@127.0.0.1:514",
        "udp6@::1:514",
        "tcp4@logs",
        "unix@/dev/log",
        "uxdg@/dev/log",
    ];
    judged(
        "log",
        &good,
        &[
            "dev log",
            "/dev/log local0",
            "10.0.0.1:514 local0",
            "ring@",
            "$LOG",
            "*",
            "tcp@/dev/log",
            "udp@udp@logs",
        ],
    );
}

#[test]
fn a_host_is_a_name_or_an_address() {
    judged(
        "host",
        &["localhost", "a.example:80", "10.0.0.1", "[::1]:80", "fd00::1"],
        &["-a", "a/b", "10.0.0", "a:b"],
    );
}

#[test]
fn an_algorithm_of_one_word_is_known() {
    let good =
        ["roundrobin", "leastconn", "random", "random(2)", "hdr(host)", "rdp-cookie(x)", "uri", "first"];
    judged("balance", &good, &["roundrobbin", "random(2", "random()", "leastconn x", "hash src", "hdr"]);
}

#[test]
fn a_number_is_digits_within_its_range() {
    judged(
        "number",
        &["0", "007", "18446744073709551615"],
        &["-1", "+1", "1.5", "0x1", "18446744073709551616"],
    );
    for (range, is_in) in [("min=1", false), ("max=0", true), ("min=0, max=9", true)] {
        assert_eq!(holds("0", &format!("number({range})")), is_in, "{range}");
    }
    assert_eq!(render("{{ 5 | number + 1 }} {{ '7' | number(max=5, default=9) }}").unwrap(), "6 9");
}

#[test]
fn int_keeps_what_it_reads_in_tera_and_has_a_default() {
    let template = "{{ '-3' | int }} {{ ' 4 ' | int }} {{ '3.0' | int }} {{ 'ff' | int(base=16) }} \
                    {{ '0xff' | int(base=16) }} {{ 2.0 | int }} {{ 5 | int }}";
    assert_eq!(render(template).unwrap(), "-3 4 3 255 255 2 5");
    for bad in ["'http'", "''", "'1.5'", "1.5", "missing", "none", "[]", "'inf'"] {
        assert_eq!(render(&format!("{{{{ {bad} | int(default=7) }}}}")).unwrap(), "7", "{bad}");
        assert!(render(&format!("{{{{ {bad} | int }}}}")).is_err(), "{bad}");
    }
}

#[test]
fn a_wrong_value_is_named_with_what_is_wanted() {
    let reason = |template: &str| render(template).unwrap_err();
    let wanted = "':443 ssl' is not an address such as ':80', '10.0.0.1:80' or '[::1]:80'";
    assert!(reason("{{ ':443 ssl' | bind }}").contains(wanted), "{}", reason("{{ ':443 ssl' | bind }}"));
    assert!(reason("{{ none | port }}").contains("the value is missing, and must be a port, 1 to 65535"));
    assert!(reason("{{ '9' | number(min=1, max=5) }}").contains("'9' is not a whole number from 1 to 5"));
}

#[test]
fn an_empty_value_can_be_allowed_and_a_blank_is_not_empty() {
    for kind in ["name", "bind", "port", "number"] {
        assert_eq!(render(&format!("{{{{ '' | {kind}(empty=true) }}}}")).unwrap(), "", "{kind}");
        assert!(render(&format!("{{{{ ' ' | {kind}(empty=true) }}}}")).is_err(), "{kind}");
    }
}

#[test]
fn an_expression_matches_anywhere_unless_it_is_tied() {
    let matches = |text: &str, pattern: &str| {
        render(&format!("{{% if {text} is matching(pat=\"{pattern}\") %}}1{{% endif %}}"))
            .map(|text| text == "1")
    };
    assert_eq!(matches("'a1b'", "[0-9]"), Ok(true));
    assert_eq!(matches("'a1b'", "^[0-9]+$"), Ok(false));
    assert_eq!(matches("'12'", r"^\\d+$"), Ok(true));
    assert_eq!(matches("missing", "."), Ok(false));
    assert_eq!(matches("12", "1"), Ok(false), "a number is not text");
    assert!(matches("'a'", "(").unwrap_err().contains("'(' is not a regular expression: unclosed group"));
    assert!(matches("'a'", "((a{99}){99}){99}").unwrap_err().contains("size limit"));
    let hostile = format!("'{}b'", "a".repeat(10_000));
    assert_eq!(matches(&hostile, "^(a+)+$"), Ok(false), "the time does not explode");
}

#[test]
fn an_unknown_argument_is_refused_by_name() {
    for (template, reason) in [
        (
            "{{ '5' | number(mn=1, a=2) }}",
            "the filter 'number' has no argument 'a'; its arguments are min, max, default, empty",
        ),
        (
            "{% if '5' is number(mn=1) %}{% endif %}",
            "the test 'number' has no argument 'mn'; its arguments are min, max",
        ),
        (
            "{{ 'a' | name(defult='x') }}",
            "the filter 'name' has no argument 'defult'; its arguments are default, empty",
        ),
        (
            "{% if 'a' is name(default='x') %}{% endif %}",
            "the test 'name' has no argument 'default'; it has none",
        ),
        ("{% if 'a' is port(min=1) %}{% endif %}", "the test 'port' has no argument 'min'"),
        ("{{ 'a' | port(max=1) }}", "the filter 'port' has no argument 'max'"),
        ("{{ 'a' | int(to=1) }}", "the filter 'int' has no argument 'to'"),
        ("{% if 'a' is matching(pat='a', flags='i') %}{% endif %}", "has no argument 'flags'; it has 'pat'"),
    ] {
        let err = render(template).unwrap_err();
        assert!(err.contains(reason), "{err}");
    }
}
