//! `--vars FILE`: settings from JSON, TOML and YAML, beneath those of `--set`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use std::fs;

use common::replace::replace;
use nix::sys::stat::Mode;
use support::watcher::EVENTS_ONLY;
use support::{Bed, Ran, SHIPPED};

#[test]
fn a_later_file_lies_upon_an_earlier_one_and_set_upon_all() {
    let bed =
        Bed::new("{{ vars.a }} {{ vars.t.x }} {{ vars.t.y }} {{ vars.l | join(sep=\"+\") }} {{ vars.s }}\n");
    bed.write("1.toml", "a = 1\ns = 'one'\nl = [1, 2]\nt = { x = 1, y = 1 }\n");
    bed.write("2.yaml", "s: two\nl: [3]\nt:\n  y: 2\n");
    bed.write("3.json", "{\"a\": 3}");
    let files = ["--vars", "1.toml", "--vars", "2.yaml", "--vars", "3.json"];
    assert_eq!(bed.run(&files).quietly(), "3 1 2 3 two\n");
    assert_eq!(bed.run(&[&files[..], &["--set", "s=set"]].concat()).quietly(), "3 1 2 3 set\n");
    let mut command = bed.command(&["--vars", "1.toml", "--vars-from", "V"]);
    let ran = Ran::from(command.env("V", "2.yaml '3.json'").output().unwrap());
    assert_eq!(ran.quietly(), "3 1 2 3 two\n", "the files of a variable come after those of --vars");
}

#[test]
fn a_nested_text_is_escaped_like_any_value() {
    let bed = Bed::new("x {{ vars.t.l[0].k }} {% for k, v in vars.t %}{{ k }}{% endfor %}\n");
    bed.write("v.json", r#"{"t": {"l": [{"k": "a\nbind :1 # \u0007é"}]}}"#);
    let text = bed.run(&["--vars", "v.json"]).quietly();
    assert_eq!(text, "x a\\x0abind\\x20:1\\x20\\x23\\x20\\x07\\xc3\\xa9 l\n");
}

#[test]
fn a_wrong_file_is_refused_with_its_place_and_the_output_is_kept() {
    let bed = Bed::new("{{ vars.a }}");
    bed.write("out", "old");
    for (name, text, reason) in [
        ("v.json", "{\"a\": 1,\n\"a\": 2}", "cannot use 'v.json:2:3': the key 'a' is there twice"),
        ("v.toml", "a = 1\na = 2", "cannot use 'v.toml:2:1': duplicate key"),
        ("v.yaml", "a: 1\na: 2", "the key 'a' is there twice"),
        ("v.yml", "a: 1\nb: [", "cannot use 'v.yml:"),
        ("v.yaml", "80: x", "cannot use 'v.yaml:1:1': the key 80 must be text: quote it"),
        ("v.yaml", "- a", "the outermost value must be a table of settings"),
        ("v.json", "{\"a\": 1, \"b\\u001b\": null}", "cannot use 'v.json:1:"),
    ] {
        bed.write(name, text);
        let err = bed.render(&["--vars", name]).ends(2).err;
        assert!(err.contains(reason) && err.lines().count() == 1 && !err.contains('\x1b'), "{text}: {err}");
        assert_eq!(bed.read("out"), "old");
    }
    replace(&bed.path("v.toml"), b"a = 1\nb = '\xff'", 0o644).unwrap();
    let err = bed.render(&["--vars", "v.toml"]).ends(2).err;
    assert!(err.contains("cannot use 'v.toml:2:6': it is not valid UTF-8"), "{err}");
}

#[test]
fn what_is_not_a_small_regular_file_is_not_read() {
    let bed = Bed::new("{{ vars.a }}");
    nix::unistd::mkfifo(&bed.path("pipe.json"), Mode::S_IRWXU).unwrap();
    let err = bed.run(&["--vars", "pipe.json"]).ends(4).err;
    assert!(err.contains("cannot read 'pipe.json': it is a named pipe, not a regular file"), "{err}");
    let large = fs::File::create_new(bed.path("large.json")).unwrap();
    large.set_len((8 << 20) + 1).unwrap();
    let err = bed.run(&["--vars", "large.json"]).ends(4).err;
    assert!(err.contains("cannot read 'large.json': it is larger than 8388608 bytes"), "{err}");
    let mut command = bed.command(&["--vars-from", "MY_VAR"]);
    let err = Ran::from(command.env("MY_VAR", "none.toml").output().unwrap()).ends(4).err;
    assert!(err.contains("cannot read 'none.toml', which MY_VAR names: No such file"), "{err}");
    let err = bed.run(&["--vars", "v.ini"]).ends(2).err;
    assert!(err.contains("its name must end with .json, .toml, .yaml or .yml"), "{err}");
    let mut command = bed.command(&["--vars-from", "MY_VAR"]);
    let err = Ran::from(command.env("MY_VAR", "v.ini").output().unwrap()).ends(2).err;
    assert!(err.contains("cannot use MY_VAR 'v.ini': its name must end with"), "{err}");
}

#[test]
fn the_shipped_template_refuses_an_unknown_setting_and_names_a_near_one() {
    let bed = Bed::new("");
    fs::copy(SHIPPED, bed.path("t.tera")).unwrap();
    for (text, reason) in [
        ("blance: roundrobin", "the template does not use setting 'blance'; did you mean 'balance'?"),
        ("Bind: ':81'", "the template does not use setting 'Bind'; did you mean 'bind'?"),
        ("frobnicate: 1", "the template does not use setting 'frobnicate'; it uses admin_socket, "),
    ] {
        bed.write("v.yaml", text);
        let err = bed.run(&["--vars", "v.yaml"]).ends(2).err;
        assert!(err.contains(&format!("cannot use 'v.yaml:1:1': {reason}")), "{err}");
    }
    bed.write("v.json", "{\n  \"bind\": \":81\",\n  \"blance\": 1\n}");
    let err = bed.run(&["--vars", "v.json"]).ends(2).err;
    assert!(err.contains("cannot use 'v.json:3:3': the template does not use setting 'blance'"), "{err}");
    bed.write("t.tera", "{% for k, v in vars %}{{ k }}{% endfor %}");
    bed.write("v.yaml", "any: 1");
    assert_eq!(bed.run(&["--vars", "v.yaml"]).quietly(), "any", "a template that uses any takes any");
}

#[test]
fn the_shipped_template_checks_the_kind_of_each_setting_of_a_file() {
    let bed = Bed::new("");
    let run = |text: &str| {
        bed.write("v.yaml", text);
        let arguments = ["--template", SHIPPED, "--nodes", "nodes", "--vars", "v.yaml"];
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_render-cfg"));
        Ran::from(command.args(arguments).current_dir(bed.scratch.path()).output().unwrap())
    };
    for (text, reason) in [
        ("bind: ':443 ssl crt x'", "setting 'bind' is ':443 ssl crt x', not an address"),
        ("bind: 80", "setting 'bind' is '80', not an address"),
        ("bind: [':80', ':443']", "setting 'bind' is "),
        ("bind: {address: ':80'}", "setting 'bind' is "),
        ("port: http", "setting 'port' is 'http', not a port"),
        ("maxconn: 1.5", "setting 'maxconn' is '1.5', not a whole number"),
        ("maxconn: true", "setting 'maxconn' is 'true', not a whole number"),
        ("hard_stop_after: 90", "setting 'hard_stop_after' is '90', not a time"),
        ("check_path: healthz", "setting 'check_path' is 'healthz', not "),
    ] {
        let err = run(text).ends(2).err;
        assert!(err.contains(&format!("cannot use 'v.yaml:1:1': {reason}")), "{text}: {err}");
    }
    let text = run("bind: ':8443'\nport: 3000\nmaxconn: 100\nbalance: roundrobin\n").quietly();
    assert!(text.contains("bind :8443") && text.contains("maxconn 100\n"), "{text}");
    assert!(text.contains("balance roundrobin"), "{text}");
}

#[test]
fn a_watcher_notices_changes_and_keeps_the_output_while_a_file_is_wrong() {
    let bed = Bed::new("{{ vars.a }}\n");
    bed.write("v.toml", "a = 1\nb =");
    let watcher = bed.watch(&[&EVENTS_ONLY[..], &["--vars", "v.toml"]].concat());
    watcher.wait_for("cannot use 'v.toml:2:4'");
    assert!(!bed.path("out").exists(), "it waits for the correction");
    bed.write("v.toml", "a = 1\n");
    support::until("the first text", || (fs::read_to_string(bed.path("out")).ok()? == "1\n").then_some(()));
    bed.write("v.toml", "a = 2\n");
    support::until("the change", || (bed.read("out") == "2\n").then_some(()));
    bed.write("v.toml", "a = 3\na = 4\n");
    watcher.wait_for("cannot use 'v.toml:2:1'");
    bed.node("s1", "10.0.0.1", &[]);
    bed.write("v.toml", "a = 5\n");
    support::until("the correction", || (bed.read("out") == "5\n").then_some(()));
    assert_eq!(watcher.count("cannot use 'v.toml:2:1'"), 1, "{}", watcher.said());
    watcher.end();
}
