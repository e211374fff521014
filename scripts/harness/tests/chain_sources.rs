//! Members from any command: `ROLLCALL_MEMBERS=command`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::fs;
use std::path::Path;

use common::replace::replace;
use harness::cluster::lone_scripts::LoneScripts;
use harness::network::namespace;
use harness::run::process::code;
use nix::mount::{MsFlags, mount};

const TWO: &str = r#"[{"name":"s1","address":"10.0.0.1"},{"name":"s2","address":"10.0.0.2"}]"#;

/// The scripts, which only record.
struct Sources(LoneScripts);

impl Sources {
    fn new() -> Sources {
        Sources(LoneScripts::new("plain").unwrap())
    }

    /// Runs reconcile with these variables. Returns its exit code and what it logged.
    fn run(&self, variables: &[(&str, &str)], arguments: &[&str]) -> (i32, String) {
        let mut reconcile = self.0.script("reconcile").unwrap();
        reconcile.env("ROLLCALL_ONLY_RECORD", "1").env("ROLLCALL_STEP_TIMEOUT", "2");
        reconcile.envs(variables.iter().copied()).args(arguments);
        let code = code(&reconcile.output().unwrap());
        (code, self.0.take_log())
    }

    /// Runs reconcile with a command.
    fn ask(&self, command: &str) -> (i32, String) {
        self.run(&[("ROLLCALL_MEMBERS", "command"), ("ROLLCALL_MEMBERS_COMMAND", command)], &[])
    }

    fn records(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.root().join("nodes")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| !name.starts_with('.')).collect();
        names.sort();
        names
    }
}

#[test]
fn a_command_that_lists_the_members_is_followed() {
    let sources = Sources::new();
    assert_eq!(sources.ask(&format!("echo '{TWO}'")).0, 0);
    assert_eq!(sources.records(), ["s1.json", "s2.json"]);
    let out = TWO.replace(r#""10.0.0.2""#, r#""10.0.0.2","status":"out""#);
    assert_eq!(sources.ask(&format!("echo '{out}' | cat")).0, 0);
    assert_eq!(sources.records(), ["s1.json"]);
}

#[test]
fn a_command_that_fails_takes_nobody_out() {
    let sources = Sources::new();
    assert_eq!(sources.ask(&format!("echo '{TWO}'")).0, 0);
    for (command, expected, said) in [
        ("echo '[]'; exit 3", 1, "it ended with exit code 3"),
        ("echo 'no route' >&2; exit 1", 1, "it ended with exit code 1; it printed 'no route'"),
        ("exec sleep 60", 1, "it did not answer within 2 s"),
        ("true", 1, "it printed nothing"),
        ("no-such-program", 1, "it ended with exit code 127; it printed '"),
        ("echo 503 Service Unavailable", 3, "cannot read the list of members: "),
        (r#"echo '{"members":[]}'"#, 3, "it is not an array of members"),
        ("echo '[]'", 6, "the list has no live member of that role"),
    ] {
        let (code, log) = sources.ask(command);
        assert!(code == expected && log.contains(said), "{command}: {code}, {log}");
        assert_eq!(sources.records(), ["s1.json", "s2.json"], "{command}");
    }
    let serf =
        [("ROLLCALL_MEMBERS", "serf"), ("ROLLCALL_MEMBERS_COMMAND", "echo '{\"members\":[]}'; exit 3")];
    let (code, log) = sources.run(&serf, &[]);
    assert!(code == 1 && log.contains("it ended with exit code 3"), "{code}, {log}");
}

#[test]
fn a_whole_list_with_blank_lines_behind_it_and_a_bad_member_is_not_taken_for_a_part() {
    let sources = Sources::new();
    let (code, log) =
        sources.ask(r#"printf '[{"name":"s1","address":"db"},{"name":"s2","address":"10.0.0.2"}]\r\n\n'"#);
    assert!(code == 3 && !log.contains("only part"), "{code}, {log}");
    assert_eq!(sources.records(), ["s2.json"]);
    let (code, log) = sources.ask("printf '[{\"name\":\"s1\"'");
    assert!(code == 4 && log.contains("it contains only part of the list"), "{code}, {log}");
}

#[test]
fn a_wrong_source_is_named() {
    let sources = Sources::new();
    for (variables, arguments, said) in [
        (
            &[("ROLLCALL_MEMBERS", "etcd")][..],
            &[][..],
            "cannot use ROLLCALL_MEMBERS 'etcd': it must be serf, consul or command",
        ),
        (
            &[("ROLLCALL_MEMBERS", "command")],
            &[],
            "set ROLLCALL_MEMBERS_COMMAND to a command that prints the members",
        ),
        (
            &[("ROLLCALL_MEMBERS", "consul"), ("ROLLCALL_CONSUL_SERVICES", "web *")],
            &[],
            "cannot use ROLLCALL_CONSUL_SERVICES '*'",
        ),
        (
            &[("ROLLCALL_MEMBERS", "consul")],
            &["member-join"],
            "called wrongly: an event of Serf, although ROLLCALL_MEMBERS is 'consul'",
        ),
    ] {
        let (code, log) = sources.run(variables, arguments);
        assert!(code == 2 && log.contains(said), "{variables:?}: {code}, {log}");
    }
}

/// A script that an operator runs must not render with other settings than the services.
#[test]
fn run_by_hand_it_has_the_settings_of_the_services() {
    if !namespace::is_possible() {
        return;
    }
    let run = || {
        let sources = Sources::new();
        mount(Some("tmpfs"), "/etc/default", Some("tmpfs"), MsFlags::empty(), None::<&str>).unwrap();
        let root = sources.0.root().display().to_string();
        let settings = format!(
            "NODES_DIR={root}/nodes\nROLLCALL_STATE_DIR={root}/state\nROLLCALL_MEMBERS=command\nROLLCALL_ROLES=none\n\
             ROLLCALL_MEMBERS_COMMAND=\"cat {root}/list\"\n"
        );
        replace(Path::new("/etc/default/rollcall"), settings.as_bytes(), 0o600).unwrap();
        replace(&sources.0.root().join("list"), TWO.as_bytes(), 0o600).unwrap();
        let mut reconcile = sources.0.script("reconcile").unwrap();
        reconcile.env_remove("NODES_DIR").env_remove("ROLLCALL_STATE_DIR").env("ROLLCALL_ONLY_RECORD", "1");
        reconcile.env("ROLLCALL_ROLES", "backend");
        assert_eq!(code(&reconcile.output().unwrap()), 0, "{}", sources.0.log());
        assert_eq!(sources.records(), ["s1.json", "s2.json"]);
        Ok(())
    };
    namespace::apart(run).unwrap();
}

/// A machine without Consul.
#[test]
fn a_missing_consul_is_named() {
    let sources = Sources::new();
    let path =
        sources.0.tools(["sh", "flock", "timeout", "head", "tail", "date", "mkdir", "readlink"]).unwrap();
    let path = path.to_str().unwrap();
    let (code, log) = sources.run(&[("ROLLCALL_MEMBERS", "consul"), ("PATH", path)], &[]);
    assert!(code == 1 && log.contains("cannot run 'consul': it is not in the PATH"), "{code}, {log}");
    assert!(log.contains("install Consul"), "{log}");
}
