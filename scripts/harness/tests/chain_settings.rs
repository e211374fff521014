//! The settings of the scripts: wrong settings, values with blanks, and paths with blanks and apostrophes.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};
use std::time::Duration;

use common::replace::replace;
use harness::cluster::lone_scripts::LoneScripts;
use harness::run::process::code;
use harness::run::{poll, programs};

const MINUTE: Duration = Duration::from_secs(60);
/// What reload-haproxy reports if it understood its options and found no HAProxy.
const NO_HAPROXY: &str = "no running HAProxy was started on";

#[test]
fn a_wrong_setting_is_logged_with_its_variable_and_members_are_still_recorded() {
    if !programs::are_here(&["haproxy", "serf"]) {
        return;
    }
    let place = LoneScripts::new("plain").unwrap();
    for (key, value, reason) in [
        ("ROLLCALL_MIN_NODES", "two", "cannot use ROLLCALL_MIN_NODES 'two': write it as 2 or backend=2"),
        ("ROLLCALL_MIN_NODES", "a,b=1", "cannot use ROLLCALL_MIN_NODES 'a,b=1'"),
        ("ROLLCALL_MIN_NODES", " ", "cannot use ROLLCALL_MIN_NODES ' '"),
        ("ROLLCALL_SET", "bind=:443 ssl crt x", "cannot use ROLLCALL_SET 'ssl': it is not KEY=VALUE"),
        ("ROLLCALL_SET", "my-key=1", "cannot use ROLLCALL_SET 'my-key=1': the key 'my-key' is not"),
        ("ROLLCALL_SET", "note='a b", "cannot use ROLLCALL_SET 'note='a b': missing closing quote"),
        ("ROLLCALL_SET", "note=a\n2\n", "cannot use ROLLCALL_SET '2'"),
        ("ROLLCALL_CHECK", "haproxy -c", "cannot use ROLLCALL_CHECK 'haproxy -c': it does not contain '{}'"),
        (
            "ROLLCALL_CHECK",
            "haproxy '-c -f {}",
            "cannot use ROLLCALL_CHECK 'haproxy '-c -f {}': missing closing quote",
        ),
        ("ROLLCALL_CHECK", "{} -c", "cannot use ROLLCALL_CHECK '{} -c': it begins with '{}'"),
    ] {
        let event = place.root().join("event");
        replace(&event, b"s2\t10.0.0.2\tbackend\trole=backend\n", 0o600).unwrap();
        let mut handler = place.script("serf-handler").unwrap();
        handler.env("SERF_EVENT", "member-join").env(key, value).stdin(File::open(&event).unwrap());
        assert_eq!(code(&handler.output().unwrap()), 2, "{key}={value}");
        let log = place.take_log();
        assert!(log.contains(reason), "{key}={value}: {log}");
        assert!(log.contains("recorded s2 "), "{key}={value}: {log}");
        assert_eq!(
            code(&place.script("watch").unwrap().env(key, value).output().unwrap()),
            2,
            "{key}={value}"
        );
        assert!(place.take_log().contains(reason), "watch, {key}={value}");
        fs::remove_file(place.root().join("nodes/s2.json")).unwrap();
    }
}

#[test]
fn what_a_setting_names_is_missing_is_logged_with_the_variable() {
    if !programs::are_here(&["haproxy", "serf"]) {
        return;
    }
    let place = LoneScripts::new("plain").unwrap();
    let template = place.root().join("template").display().to_string();
    let below = format!("{template}/nodes");
    // The exit code of reconcile, and whether watch ends too: it waits for a missing template or directory.
    for (key, value, reason, exit, ends_watch) in [
        ("ROLLCALL_SELF", "a b", "it must be the name of a Serf agent", 2, true),
        ("ROLLCALL_TEMPLATE", "/nonexistent", "no such file", 2, false),
        ("ROLLCALL_TEMPLATE", "/tmp", "it is not a readable file", 2, true),
        ("ROLLCALL_CONFIG", "h.cfg", "give an absolute path", 2, true),
        ("ROLLCALL_CONFIG", "/tmp", "it is a directory", 2, true),
        ("ROLLCALL_CONFIG", "/nonexistent/h.cfg", "the directory '/nonexistent' does not exist", 2, true),
        ("ROLLCALL_HAPROXY", "/none/haproxy", "it does not exist", 2, true),
        ("ROLLCALL_HAPROXY", "no-haproxy", "it is not in the PATH (", 2, true),
        ("ROLLCALL_HAPROXY", &template, "it is not an executable file", 2, true),
        ("ROLLCALL_CHECK", "no-haproxy -c {}", "'no-haproxy' is not in the PATH (", 2, true),
        ("ROLLCALL_CHECK", "/none/haproxy -c {}", "'/none/haproxy' does not exist", 2, true),
        ("ROLLCALL_STATE_DIR", &template, "it is not a directory", 4, true),
        ("ROLLCALL_STATE_DIR", "/proc/none", "it cannot be created", 4, true),
        ("NODES_DIR", &below, &format!("'{template}' is not a directory"), 2, true),
        ("NODES_DIR", "/nonexistent", "no such directory", 2, false),
    ] {
        for script in ["reconcile", "watch"].into_iter().take(if ends_watch { 2 } else { 1 }) {
            let output = place.script(script).unwrap().env(key, value).output().unwrap();
            let log = place.take_log();
            assert_eq!(code(&output), exit, "{script}, {key}={value}: {log}");
            assert!(log.contains(&format!("cannot use {key} '{value}': {reason}")), "{script}: {log}");
            let others =
                log.lines().filter(|line| line.contains("cannot use ROLLCALL") || line.contains("--"));
            assert_eq!(others.filter(|line| !line.contains(key)).count(), 0, "{script}: {log}");
        }
    }
}

#[test]
fn watch_logs_a_wrong_setting_once_however_often_it_is_restarted_and_when_it_ends() {
    if !programs::are_here(&["haproxy"]) {
        return;
    }
    let place = LoneScripts::new("plain").unwrap();
    for _ in 0..3 {
        let wrong = place.script("watch").unwrap().env("ROLLCALL_MIN_NODES", "two").output().unwrap();
        assert_eq!(code(&wrong), 2);
    }
    let line = "cannot use ROLLCALL_MIN_NODES 'two'";
    assert_eq!(place.log().matches(line).count(), 1, "{}", place.log());
    let mut running = place.script("watch").unwrap().stderr(Stdio::null()).spawn().unwrap();
    let ended = || place.log().contains(&format!("ended: {line}")).then_some(());
    poll::until(MINUTE, "the end of the error", ended).unwrap_or_else(|err| panic!("{err}: {}", place.log()));
    running.kill().unwrap();
    running.wait().unwrap();
}

#[test]
fn settings_are_not_on_the_command_line_of_render_cfg() {
    let place = LoneScripts::new("plain").unwrap();
    let seen = place.root().join("seen");
    let check = format!("sh -c 'cp /proc/$PPID/cmdline {}' {{}}", seen.display());
    for script in ["reconcile", "first-config"] {
        let _ = fs::remove_file(place.root().join("h.cfg"));
        let mut command = place.script(script).unwrap();
        command.env("ROLLCALL_SET", "note=secret").env("ROLLCALL_CHECK", &check);
        command.args((script == "first-config").then(|| place.root().join("h.cfg"))).output().unwrap();
        assert!(place.config().contains("secret"), "{script}: {}", place.log());
        let words = fs::read_to_string(&seen).unwrap();
        assert!(words.contains("ROLLCALL_SET") && !words.contains("secret"), "{script}: {words}");
        fs::remove_file(&seen).unwrap();
    }
}

#[test]
fn a_setting_without_which_nothing_can_run_is_logged_with_its_variable() {
    let place = LoneScripts::new("plain").unwrap();
    for (key, value) in [
        ("ROLLCALL_STEP_TIMEOUT", "1m"),
        ("ROLLCALL_LIST_AGE", "soon"),
        ("ROLLCALL_LIST_AGE", "10000"),
        ("ROLLCALL_ROLES", "backend,web"),
        ("ROLLCALL_ROLES", " "),
    ] {
        assert_eq!(
            code(&place.script("reconcile").unwrap().env(key, value).output().unwrap()),
            2,
            "{key}={value}"
        );
        assert!(place.take_log().contains(&format!("cannot use {key} '{value}'")), "{key}={value}");
    }
}

#[test]
fn a_call_with_a_wrong_event_is_logged() {
    let place = LoneScripts::new("plain").unwrap();
    for _ in 0..3 {
        let mut handler = place.script("serf-handler").unwrap();
        assert_eq!(code(&handler.env("SERF_EVENT", "user").output().unwrap()), 2);
    }
    assert_eq!(place.take_log().matches("cannot handle event 'user'").count(), 1);
    assert_eq!(code(&place.script("reconcile").unwrap().arg("user").output().unwrap()), 2);
    assert!(place.take_log().contains("called wrongly: 'user' is not an event"));
}

#[test]
fn paths_with_apostrophes_and_blanks_and_values_with_blanks_are_taken_as_they_are() {
    if !programs::are_here(&["haproxy", "serf"]) {
        return;
    }
    let place = LoneScripts::new("it's a \"dir\"").unwrap();
    let haproxy = place.root().join("path/my haproxy");
    symlink(programs::find("haproxy").unwrap(), &haproxy).unwrap();
    for script in ["reconcile", "first-config", "watch"] {
        for (set, shown) in [
            ("note='one two'", "one\\x20two"),
            ("note=\"three four\"", "three\\x20four"),
            ("note=a\\ b\nx=1", "a\\x20b"),
        ] {
            let _ = fs::remove_file(place.root().join("h.cfg"));
            let mut command = place.script(script).unwrap();
            command.env("ROLLCALL_SET", set).env("ROLLCALL_HAPROXY", &haproxy);
            if script == "first-config" {
                command.arg(place.root().join("h.cfg"));
            }
            let mut running = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            poll::until(MINUTE, "the configuration", || place.config().contains(shown).then_some(()))
                .unwrap_or_else(|err| {
                    panic!("{script}, {set}: {err}: {}{}", place.config(), place.take_log())
                });
            if script == "watch" {
                // Its command for the reload was split into the right words.
                let tried = || place.log().contains(NO_HAPROXY).then_some(());
                poll::until(MINUTE, "the reload", tried)
                    .unwrap_or_else(|err| panic!("{err}: {}", place.take_log()));
                running.kill().unwrap();
            }
            running.wait().unwrap();
            let log = place.take_log();
            assert!(!log.contains("wrongly") && !log.contains("quote"), "{script}, {set}: {log}");
        }
    }
}

#[test]
fn the_manuals_value_with_a_blank_is_read_by_a_shell() {
    let manual = fs::read_to_string(programs::shipped("docs/settings.md")).unwrap();
    let line = manual.lines().find_map(|line| line.strip_prefix("    ROLLCALL_SET=")).unwrap();
    let place = LoneScripts::new("plain").unwrap();
    let defaults = place.root().join("defaults");
    replace(&defaults, format!("ROLLCALL_SET={line}\n").as_bytes(), 0o600).unwrap();
    let mut script = place.script("first-config").unwrap();
    script.arg(place.root().join("h.cfg")).env("ROLLCALL_CHECK", "true {}");
    let mut shell = Command::new("sh");
    shell.args(["-c", "set -a && . \"$1\" && shift && exec \"$@\"", "sh"]).arg(&defaults);
    shell.arg(script.get_program()).args(script.get_args());
    let set = script.get_envs().filter_map(|(key, value)| Some((key, value?)));
    assert!(shell.envs(set).status().unwrap().success());
    assert!(place.config().contains("two\\x20words"), "{}", place.config());
}

#[test]
fn a_file_of_settings_is_read_in_each_run_and_a_wrong_one_keeps_the_configuration() {
    if !programs::are_here(&["haproxy", "serf"]) {
        return;
    }
    let place = LoneScripts::new("vars").unwrap();
    let file = place.root().join("vars.yaml");
    let event = place.root().join("event");
    replace(&event, b"s2\t10.0.0.2\tbackend\trole=backend\n", 0o600).unwrap();
    let run = |text: &str| {
        replace(&file, text.as_bytes(), 0o600).unwrap();
        let mut handler = place.script("serf-handler").unwrap();
        handler.env("SERF_EVENT", "member-join").stdin(File::open(&event).unwrap());
        handler.env("ROLLCALL_SET", "").env("ROLLCALL_VARS", &file).output().unwrap();
        (place.config(), place.take_log())
    };
    for note in ["first", "second"] {
        let (config, log) = run(&format!("note: {note}\n"));
        assert!(config.contains(&format!("description {note}")), "{config}: {log}");
    }
    for (text, place_and_reason) in [
        ("note: one\nnote: two\n", ":2:1': the key 'note' is there twice"),
        ("note: one\nnoet: two\n", ":2:1': the template does not use setting 'noet'; did you mean 'note'?"),
    ] {
        let (config, log) = run(text);
        assert!(config.contains("description second"), "{config}");
        assert!(log.contains(&format!("cannot use '{}{place_and_reason}", file.display())), "{log}");
    }
    std::fs::remove_file(&file).unwrap();
    let mut missing = place.script("reconcile").unwrap();
    missing.env("ROLLCALL_SET", "").env("ROLLCALL_VARS", &file).output().unwrap();
    let log = place.take_log();
    assert!(log.contains(&format!("cannot read '{}', which ROLLCALL_VARS names: ", file.display())), "{log}");
}
