//! rollcall-setup beside other files of Serf: what it refuses, and what it leaves to them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod setup_machine;

use setup_machine::Machine;

/// Another file of Serf, the key that is given, the exit code, and a part of the error.
const CONTRADICTIONS: [(&str, &str, i32, &str); 12] = [
    (r#"{"tags":{"role":"web"}}"#, "/tmp/key", 3, "'/etc/serf/my.json' has 'web'; change it there"),
    (r#"{"role":"web"}"#, "/tmp/key", 3, "cannot set role to 'backend'"),
    (r#"{"encrypt_key":"KEY"}"#, "/tmp/other", 3, "'/etc/serf/my.json' has another one"),
    (r#"{"tags_file":"/x"}"#, "/tmp/key", 3, "has a tags_file, which excludes them"),
    (r#"{"keyring_file":"/none"}"#, "/tmp/key", 4, "cannot read the keyring '/none'"),
    (r#"{"keyring_file":"/tmp/key"}"#, "/tmp/key", 3, "it is not a JSON array of keys"),
    (r#"{"tags":"#, "/tmp/key", 3, "cannot read '/etc/serf/my.json': Unfinished JSON term"),
    (r#"{"tags":{}} x"#, "/tmp/key", 3, "cannot read '/etc/serf/my.json': Invalid"),
    (
        "",
        "/tmp/key",
        3,
        "cannot read '/etc/serf/my.json': it is not one JSON object, so Serf would not start",
    ),
    ("[]", "/tmp/key", 3, "it is not one JSON object"),
    ("{}{}", "/tmp/key", 3, "it is not one JSON object"),
    ("\u{feff}{}", "/tmp/key", 3, "it does not begin with '{'"),
];
const BACKEND: &str = "--role backend --join 10.9.0.2 --key-file";

/// A machine with two keys in /tmp; `None` if the test is to be skipped.
fn with_keys() -> Option<Machine> {
    let machine = Machine::alone()?;
    machine.sh("serf keygen >/tmp/key; serf keygen >/tmp/other; chmod 600 /tmp/key /tmp/other").good();
    Some(machine)
}

/// Writes /etc/serf/my.json. KEY is the key.
fn write(machine: &Machine, json: &str) {
    let write = format!("printf '%s' '{json}' | sed \"s|KEY|$(cat /tmp/key)|\" >/etc/serf/my.json");
    machine.sh(&write).good();
}

#[test]
fn a_contradiction_with_another_file_of_serf_is_refused() {
    let Some(machine) = with_keys() else { return };
    for (json, key, code, line) in CONTRADICTIONS {
        write(&machine, json);
        machine.setup(&format!("{BACKEND} {key}")).bad(code, line);
        machine.sh("ls /etc/serf/rollcall.json /etc/rollcall/serf.key").bad(2, "No such file");
    }
}

/// What lies in /etc/serf, the exit code, and a part of the output.
const ODD: [(&str, i32, &str); 12] = [
    ("head -c 9M /dev/zero >x.json", 3, "cannot read '/etc/serf/x.json': it is larger than 1 MiB"),
    (r#"echo '{"retry_join":["$(id)"]}' >rollcall.json"#, 3, "the value of retry_join[] is not an address"),
    (r#"echo '{"tags":{"port":"1;0"}}' >rollcall.json"#, 3, "the value of tags.port is not an address"),
    ("mkdir x.json", 0, "write /etc/serf/rollcall.json"),
    ("ln -s x.json x.json", 4, "cannot read '/etc/serf/x.json': Too many levels of symbolic links"),
    ("ln -s /none .x.json", 4, "cannot read '/etc/serf/.x.json': No such file"),
    ("mkfifo x.json", 4, "cannot read '/etc/serf/x.json': it is not a file"),
    (r#"printf '{"tags":{"role":"web\\n\\tx\\u001b\377"}}' >x.json"#, 3, "'/etc/serf/x.json' has 'web??x?"),
    (r#"printf '{"tags":{"ro\\nle":"a\\nb\\tc\\\\\\""}}' >"a' b".json"#, 0, r#""tags": {"role": "backend""#),
    (r#"echo '{"tags":{"role":"web"},"tags":{"role":"backend"}}' >.x.json"#, 0, r#""tags": {"port""#),
    (r#"echo '{"encrypt_key":null}' >x.json"#, 0, r#""encrypt_key": "...""#),
    (r#"{ printf '{"x":["'; yes '","' | head -n 9999 | tr -d '\n'; echo '"]}'; } >x.json"#, 0, "write"),
];

#[test]
fn odd_files_of_serf_are_read_as_serf_reads_them() {
    let Some(machine) = with_keys() else { return };
    for (make, code, line) in ODD {
        machine.sh(&format!("cd /etc/serf; {make}")).good();
        machine.setup(&format!("{BACKEND} /tmp/key --dry-run")).bad(code, line);
        machine.sh("rm -rf /etc/serf; mkdir /etc/serf").good();
    }
}

#[test]
fn what_another_file_of_serf_says_stays() {
    let Some(machine) = with_keys() else { return };
    let mine =
        r#"{"Tags":{"role":"backend","port":"81","dc":"\"x\""},"encrypt_key":"KEY","retry_interval":"9s"}"#;
    write(&machine, mine);
    machine.setup(&format!("{BACKEND} /tmp/key --port 80")).bad(3, "'/etc/serf/my.json' has '81'");
    machine.setup(&format!("{BACKEND} /tmp/key")).good();
    let ours = machine.sh("cat /etc/serf/rollcall.json").good();
    assert_eq!(
        ours,
        "{\n  \"tags\": {},\n  \"retry_join\": [\"10.9.0.2\"],\n  \"leave_on_terminate\": true\n}\n"
    );
    machine.start_serf();
    machine.sh("serf info").bad(0, "port = 81");
    machine.sh("cmp /tmp/key /etc/rollcall/serf.key").good();

    // A keyring and a key exclude each other.
    machine.setup("--undo").good();
    machine.sh("printf '[\"%s\"]' $(cat /tmp/key) >/tmp/ring").good();
    write(&machine, r#"{"keyring_file":"/tmp/ring"}"#);
    machine.setup(&format!("{BACKEND} /tmp/other")).bad(3, "'/tmp/ring' has another one");
    machine.setup(&format!("{BACKEND} /tmp/key")).good();
    machine.start_serf();
    machine.sh("serf info").bad(0, "encrypted = true");
}
