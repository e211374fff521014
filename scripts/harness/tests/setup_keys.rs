//! rollcall-setup and keys: every user can read a command line, and a terminal's output is often kept.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod setup_machine;

use harness::run::programs;
use setup_machine::Machine;

/// Settings of a user, with keys of which each begins with `hush`, and a handler to take over, so that all are shown.
const MINE: &str = r#"printf 'ROLLCALL_SET="cookie_key=hush1"\nSERF_RPC_AUTH=hush2\n' >/etc/default/rollcall
echo '{"RPC_Auth":"hush2","event_handlers":["/usr/local/lib/rollcall/serf-handler"]}' >/etc/serf/my.json
printf 'userlist u\n    user me insecure-password hush3\n' >>/etc/haproxy/haproxy.cfg"#;

#[test]
fn no_key_is_printed_or_on_a_command_line() {
    let Some(machine) = Machine::alone().filter(|_| programs::are_here(&["strace"])) else { return };
    machine.start_haproxy();
    machine.sh(MINE).good();
    let traced = "strace -f -qq -A -s 9999 -e trace=execve -o /tmp/commands rollcall-setup";
    let runs = ["--role balancer --join 10.9.0.2 --dry-run", "--role balancer --join 10.9.0.2", "", "--undo"];
    let keys = |machine: &Machine| {
        machine.sh("cat /etc/rollcall/serf.key; grep -o 'COOKIE_KEY=.*' /etc/default/rollcall")
    };
    let (mut printed, mut secrets) = (String::new(), String::new());
    for options in runs {
        printed += &machine.sh(&format!("{traced} {options}")).good();
        if options.is_empty() {
            secrets = keys(&machine).good();
        }
    }
    let commands = machine.sh("cat /tmp/commands").good();
    assert!(printed.contains("cookie_key=...") && printed.contains("insecure-password ..."), "{printed}");
    assert!(commands.contains("\"grep\"") && commands.contains("render-cfg"), "{commands}");
    let (key, cookie) = secrets.trim().split_once("\nCOOKIE_KEY=").unwrap();
    for secret in [key, cookie, "hush"] {
        assert!(!printed.contains(secret), "{secret} is printed: {printed}");
        let found = commands.lines().find(|line| line.contains(secret));
        assert_eq!(found, None, "{secret} is on a command line");
    }
}
