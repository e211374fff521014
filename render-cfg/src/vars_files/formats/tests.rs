use super::*;
use serde_json::json;

fn parsed(format: Format, text: &str) -> Value {
    format.parse(text).map(Value::Object).unwrap_or_else(|wrong| panic!("{text}: {wrong:?}"))
}

fn refused(format: Format, text: &str) -> String {
    let wrong = format.parse(text).map(|table| panic!("{text} gave {table:?}")).unwrap_err();
    let (line, column) = wrong.place.unwrap();
    format!("{line}:{column}: {}", wrong.reason)
}

#[test]
fn the_same_settings_are_read_from_each_format() {
    let wanted =
        json!({"bind": ":80", "port": 3000, "on": true, "x": 1.5, "l": ["a", 1], "t": {"k": {"d": "é"}}});
    let json = r#"{"bind":":80","port":3000,"on":true,"x":1.5,"l":["a",1],"t":{"k":{"d":"é"}}}"#;
    let toml = "bind = ':80'\nport = 3000\non = true\nx = 1.5\nl = ['a', 1]\nt.k.d = 'é'\n";
    let yaml = "bind: ':80'\nport: 3000\n'on': true\nx: 1.5\nl: [a, 1]\nt:\n  k:\n    d: é\n";
    for (format, text) in [(Format::Json, json), (Format::Toml, toml), (Format::Yaml, yaml)] {
        assert_eq!(parsed(format, text), wanted, "{text}");
    }
}

#[test]
fn a_fault_has_its_line_and_column() {
    for (format, text, wanted) in [
        (Format::Json, "{\"a\": 1,\n \"a\": 2}", "2:4: the key 'a' is there twice"),
        (Format::Json, "{\"a\": 1,\n \"b\" 2}", "2:6: expected `:`"),
        (Format::Json, "{\"t\":\n {\"a\": null}}", "2:11: it has no value"),
        (Format::Json, "{} {}", "1:4: trailing characters"),
        (Format::Json, "{\"a\": NaN}", "1:7: expected value"),
        (Format::Json, "[1]", "the outermost value must be a table"),
        (Format::Toml, "a = 1\na = 2\n", "2:1: duplicate key"),
        (Format::Toml, "a = 1\n  b = \n", "2:7: "),
        (Format::Toml, "a = 1\nb = nan\n", "2:5: a number must be finite"),
        (Format::Toml, "a = 1\nb = -inf\n", "2:5: a number must be finite"),
        (Format::Toml, "a = 2026-01-02\n", "a date or time must be quoted"),
        (Format::Yaml, "a: 1\nb: 2\na: 3\n", "3:1: the key 'a' is there twice"),
        (Format::Yaml, "t:\n  a: 1\n  a: 1\n", "3:3: the key 'a' is there twice"),
        (Format::Yaml, "a: 1\nb: .nan\n", "2:4: a number must be finite"),
        (Format::Yaml, "a: 1\nb: .inf\n", "2:4: a number must be finite"),
        (Format::Yaml, "a: 1\nb:\n", "2:"),
        (Format::Yaml, "a: 1\n80: x\n", "2:1: the key 80 must be text: quote it"),
        (Format::Yaml, "a: 1\ntrue: x\n", "2:1: the key true must be text: quote it"),
        (Format::Yaml, "a: 1\n[k]: x\n", "2:"),
        (Format::Yaml, "a: 1\n---\nb: 2\n", "only one YAML document"),
        (Format::Yaml, "a: &x {k: 1}\nb:\n  <<: *x\n", "3:3: merge keys (<<) are not allowed"),
        (Format::Yaml, "- a\n", "the outermost value must be a table"),
        (Format::Yaml, "a: [1\nb: 2\n", "2:2: "),
        (Format::Json, "{\"a\": 18446744073709551616}", "a whole number must fit into 64 bits"),
        (Format::Json, "{\"a\": -9223372036854775809}", "a whole number must fit into 64 bits"),
        (Format::Yaml, "a: 18446744073709551616\n", "1:4: "),
        (Format::Toml, "a = 18446744073709551616\n", "1:5: "),
        (Format::Json, " \n", "1:1: it is empty: write {} for no settings"),
    ] {
        let reason = refused(format, text);
        assert!(reason.contains(wanted), "{text:?}: {reason}");
    }
}

#[test]
fn a_file_without_settings_is_no_fault() {
    for (format, text) in [
        (Format::Json, "{}"),
        (Format::Toml, "# bind = ':80'\n"),
        (Format::Yaml, ""),
        (Format::Yaml, "# bind: ':80'\n"),
        (Format::Yaml, "---\n"),
    ] {
        assert_eq!(parsed(format, text), json!({}), "{text:?}");
    }
}

#[test]
fn yaml_has_the_booleans_of_1_2_and_no_sexagesimal_numbers() {
    let text = "a: no\nb: on\nc: 1:30\nd: yes\ne: off\nf: y\ng: true\nh: False\ni: 1_000\nj: 0755\nk: 1.10\n";
    let wanted = json!({"a": "no", "b": "on", "c": "1:30", "d": "yes", "e": "off", "f": "y", "g": true, "h": false,
                        "i": "1_000", "j": "0755", "k": 1.1});
    assert_eq!(parsed(Format::Yaml, text), wanted);
}

#[test]
fn aliases_are_followed_but_a_bomb_of_them_is_refused() {
    assert_eq!(parsed(Format::Yaml, "a: &x [1]\nb: *x\n"), json!({"a": [1], "b": [1]}));
    let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned();
    for n in 1..12 {
        let below = vec![format!("*a{}", n - 1); 9].join(",");
        bomb += &format!("a{n}: &a{n} [{below}]\n");
    }
    let reason = refused(Format::Yaml, &bomb);
    assert!(reason.ends_with("it has too many values, or its aliases repeat too many"), "{reason}");
}

#[test]
fn deep_nesting_is_refused_and_does_not_overflow_the_stack() {
    for (format, open) in [(Format::Json, "{\"a\":"), (Format::Yaml, "{a: "), (Format::Toml, "a = [")] {
        let deep = if matches!(format, Format::Toml) {
            "a = ".to_owned() + &"[".repeat(100_000)
        } else {
            open.repeat(100_000)
        };
        refused(format, &deep);
    }
}
