//! The settings of `scripts/autoscale-run`: what is wrong with them, and how commands are split into words.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use harness::cluster::single_haproxy::autoscaled::Autoscaled;
use harness::run::process::{code, stderr};

#[test]
fn a_wrong_setting_is_reported_with_its_variable() {
    let Some(scaled) = Autoscaled::with_servers(1) else { return };
    for (key, value, reason) in [
        ("ROLLCALL_SCALE_COMMAND", "", "it is not set; docs/autoscale.md has examples"),
        ("ROLLCALL_SCALE_COMMAND", " ", "it has no words"),
        ("ROLLCALL_SCALE_COMMAND", "echo 'a {}", "missing closing quote"),
        ("ROLLCALL_SCALE_COMMAND", "echo a", "it does not contain '{}'; put it in place of the number"),
        ("ROLLCALL_SCALE_COMMAND", "no-such {}", "'no-such' is not in the PATH ("),
        ("ROLLCALL_SCALE_COMMAND", "/none {}", "'/none' does not exist"),
        ("ROLLCALL_SCALE_TIMEOUT", "1m", "give whole seconds, 1 to 9999"),
        ("ROLLCALL_SCALE_TIMEOUT", "0", "give whole seconds, 1 to 9999"),
        ("ROLLCALL_DRAIN_LIMIT", "12345", "give whole seconds, 1 to 9999"),
        ("ROLLCALL_STEP_TIMEOUT", "x", "give whole seconds, 1 to 9999"),
        ("ROLLCALL_STOP_COMMAND", "echo", "it does not contain '{}'; put it in place of the server's name"),
        ("ROLLCALL_DRAIN_COMMAND", "echo {}", "set ROLLCALL_STOP_COMMAND, too"),
        ("ROLLCALL_COUNT_COMMAND", "no-such", "'no-such' is not in the PATH ("),
        ("ROLLCALL_AUTOSCALE", "no-such", "'no-such' is not in the PATH ("),
    ] {
        let mut command = scaled.command(2, 9, &[]);
        let output = command.env(key, value).output().unwrap();
        let stderr = String::from_utf8(output.stderr.clone()).unwrap();
        let line = format!("autoscale-apply: cannot use {key} '{value}': {reason}");
        assert_eq!(code(&output), 2, "{key}={value}: {stderr}");
        assert!(stderr.starts_with(&line) && stderr.lines().count() == 1, "{key}={value}: {stderr}");
        assert!(scaled.text("log").contains(&line["autoscale-apply: ".len()..]), "{key}={value}");
    }
    assert_eq!(scaled.text("ran"), "", "a command ran with wrong settings");
}

#[test]
fn a_wrong_option_or_state_directory_ends_it_and_a_service_does_not_begin() {
    let Some(mut scaled) = Autoscaled::with_servers(1) else { return };
    let output = scaled.command(2, 9, &[]).arg("--every").output().unwrap();
    assert_eq!(code(&output), 2, "a misplaced option");
    let output = scaled.command(2, 9, &["--every"]).output().unwrap();
    assert_eq!(code(&output), 2, "an option in place of the value");
    for every in ["500ms", "0", "0s", "1m", "12345", "s", ""] {
        let output = scaled.command(2, 9, &[&format!("--every={every}")]).output().unwrap();
        assert_eq!(code(&output), 2, "{every}");
        let reason = format!("--every '{every}' is not whole seconds, such as 5s");
        assert!(stderr(&output).contains(&reason), "{every}: {}", stderr(&output));
    }
    let mut service = scaled.command(2, 9, &["--every=1s"]);
    let output = service.env("ROLLCALL_DRAIN_LIMIT", "x").output().unwrap();
    assert_eq!(code(&output), 2, "a service goes on with wrong settings");
    scaled.set("ROLLCALL_STATE_DIR", "/proc/none");
    assert_eq!(code(&scaled.look(2, 9)), 4);
    assert!(scaled.text("log").contains("cannot use ROLLCALL_STATE_DIR '/proc/none': it cannot be created"));
    assert_eq!(scaled.text("ran"), "", "a command ran with wrong settings");
}

#[test]
fn a_command_is_split_as_a_shell_does_it_and_no_shell_sees_it() {
    let Some(mut scaled) = Autoscaled::with_servers(1) else { return };
    let show = scaled.fixture.script("show words", "printf '[%s]' \"$@\" >\"${0%/*}/words\"");
    for (words, seen) in [
        ("{}", "[2]"),
        ("a  b\t--scale web={} {}/{}", "[a][b][--scale][web=2][2/2]"),
        ("'a b'\"c d\" e\\ f '' \"\" {}", "[a bc d][e f][][][2]"),
        (r#""a \"b\" \$c \x" '\' \\ {}"#, r#"[a "b" $c \x][\][\][2]"#),
        ("$HOME `id` $(id) * ; | & > x {}", "[$HOME][`id`][$(id)][*][;][|][&][>][x][2]"),
        ("{} a#b # a comment", "[2][a#b]"),
        ("it\\'s \"it's\" {}\n", "[it's][it's][2]"),
        ("--option='{}' -", "[--option=2][-]"),
    ] {
        scaled.set("ROLLCALL_SCALE_COMMAND", format!("'{}' {words}", show.display()));
        let _ = std::fs::remove_file(scaled.path("state/autoscale-run.json"));
        let output = scaled.look(2, 9);
        assert_eq!((code(&output), scaled.text("words")), (0, seen.to_owned()), "{words}: {output:?}");
    }
}

#[test]
fn a_program_that_is_not_autoscale_is_reported() {
    let Some(mut scaled) = Autoscaled::with_servers(1) else { return };
    for (body, exit, reason) in [
        ("echo 7", 1, "cannot ask 'autoscale': it ended with exit code 0 and without a number"),
        ("exit 77", 1, "cannot ask 'autoscale': it ended with exit code 77 and without a number"),
        (
            "echo '{\"wanted\":2,\"count\":x,\"reason\":\"\"}'",
            1,
            "it ended with exit code 0 and without a number",
        ),
        ("echo '{\"wanted\":null,\"count\":null,\"reason\":null}'; exit 5", 5, ""),
    ] {
        let script = scaled.fixture.script("other", body);
        scaled.set("ROLLCALL_AUTOSCALE", script);
        let output = scaled.look(2, 9);
        let stderr = String::from_utf8(output.stderr.clone()).unwrap();
        assert_eq!(code(&output), exit, "{body}: {stderr}");
        assert!(stderr.contains(reason), "{body}: {stderr}");
    }
    assert_eq!(scaled.text("ran"), "");
}
