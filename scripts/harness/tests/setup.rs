//! rollcall-setup on one machine: what it makes, keeps, refuses and puts back. setup_serf_files.rs has Serf's files.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod setup_machine;

use setup_machine::Machine;

/// A balancer is made, made again, and undone, with the shell and the tools that `path` begins with.
fn comes_and_goes(machine: &Machine, shell: &str) {
    machine.start_haproxy();
    let before = machine.tree();
    let setup = |options: &str| machine.sh(&format!("{shell} /usr/sbin/rollcall-setup {options}"));
    let preview = setup("--role balancer --bind :8080 --dry-run").good();
    assert!(preview.contains("would write /etc/haproxy/haproxy.cfg") && preview.contains("+    bind :8080"));
    assert_eq!(machine.tree(), before, "a dry run changed something");

    let made = setup("--role balancer --bind :8080").good();
    assert!(made.contains("make HAProxy run /etc/haproxy/haproxy.cfg"), "{made}");
    assert!(made.contains("start the Serf agent again"), "{made}");
    machine.sh("busybox wget -qO- http://127.0.0.1:8080").bad(1, "503 Service Unavailable");
    let modes = "stat -c '%a %n' /etc/serf/rollcall.json /etc/rollcall/serf.key /etc/default/rollcall \
                 /etc/haproxy/haproxy.cfg /var/lib/rollcall /var/lib/rollcall/setup /run/rollcall-setup.lock";
    let modes = machine.sh(modes).good();
    let modes: Vec<&str> = modes.split_whitespace().step_by(2).collect();
    assert_eq!(modes, ["600", "600", "600", "640", "750", "700", "600"]);
    let key = machine.setup("--show-key").good();
    let cookie = machine.sh("sed -n 's/^ROLLCALL_COOKIE_KEY=//p' /etc/default/rollcall").good();
    assert!(key.len() == 45 && cookie.len() == 65, "{key}{cookie}");
    for secret in [key.trim(), cookie.trim()] {
        assert!(!made.contains(secret), "a key was printed: {made}");
    }

    machine.start_serf();
    machine.until("its own record", "ls /var/lib/rollcall/nodes/* >/dev/null");
    let again = setup("").good();
    assert!(again.contains("nothing to change: this machine is set up as a balancer"), "{again}");
    assert!(!again.contains("start the Serf agent"), "{again}");
    let settled = machine.tree();
    setup("").good();
    assert_eq!(machine.tree(), settled);

    let undone = setup("--undo").good();
    assert!(undone.contains("put the old /etc/haproxy/haproxy.cfg back"), "{undone}");
    machine.sh("reload-haproxy --status").bad(0, "same       yes");
    machine.sh("rm -r /etc/rollcall/serf.key /var/lib/rollcall").good();
    assert_eq!(machine.tree(), before);
    assert_eq!(setup("--undo").good(), "nothing to undo\n");
}

#[test]
fn a_balancer_is_made_once_and_undone() {
    let Some(machine) = Machine::alone() else { return };
    comes_and_goes(&machine, "dash");
}

#[test]
fn a_balancer_is_made_once_and_undone_with_busybox() {
    let Some(machine) = Machine::alone() else { return };
    machine.sh("mkdir /bb; for a in $(busybox --list); do ln -s $(command -v busybox) /bb/$a; done").good();
    comes_and_goes(&machine, "PATH=/bb:$PATH busybox sh");
}

/// Options, the exit code, and a part of the last line. KEY is a backend with a good key.
const WRONG: [(&str, i32, &str); 20] = [
    ("", 2, "give --role balancer or --role backend"),
    ("--role web", 2, "the role 'web' is neither balancer nor backend"),
    ("--frob", 2, "'--frob' is not an option"),
    ("--role", 2, "--role needs a value"),
    ("--role backend --join 10.9.0.2", 2, "give --key-file"),
    ("KEY", 2, "give --join with the balancer's address or name"),
    ("KEY --join 'a;reboot'", 2, "--join 'a;reboot' is not a host name or an address"),
    ("KEY --join 'a\"b'", 2, "is not a host name"),
    ("KEY --join ''", 2, "is not a host name"),
    ("KEY --join 'a\nb'", 2, "--join 'a b' is not a host name"),
    ("KEY --join a --advertise '$(id)'", 2, "--advertise '$(id)' is not an address"),
    ("KEY --join a --port 65536", 2, "--port '65536' is not a number from 1 to 65535"),
    ("KEY --join a --bind :80", 2, "--bind is for a balancer"),
    ("--role balancer --port 80", 2, "--port is for a backend"),
    ("--role balancer --bind ':80 ssl'", 2, "--bind ':80 ssl' is not an address"),
    ("--role balancer --bind :99999", 2, "cannot render '/etc/haproxy/haproxy.cfg'; see above"),
    ("--role backend --join a --key-file /none", 4, "cannot read the key file '/none'"),
    ("--role backend --join a --key-file /tmp/short", 3, "it is not a key of Serf"),
    ("--role backend --join a --key-file -", 3, "cannot use the key in 'stdin'"),
    ("--show-key", 4, "cannot read '/etc/rollcall/serf.key'"),
];

#[test]
fn wrong_input_is_refused_in_one_line_before_anything_changes() {
    let Some(machine) = Machine::alone() else { return };
    machine.sh("serf keygen >/tmp/key; chmod 600 /tmp/key; echo abc >/tmp/short").good();
    let before = machine.tree();
    for (options, code, line) in WRONG {
        let options = options.replace("KEY", "--role backend --key-file /tmp/key");
        let said = machine.setup(&options).bad(code, line);
        assert!(said.lines().last().unwrap().starts_with("rollcall-setup: "), "{said}");
        assert_eq!(machine.tree(), before, "{options}");
    }
    machine.sh("setpriv --reuid 65534 --clear-groups rollcall-setup --role balancer").bad(1, "it needs root");
    for program in ["serf", "haproxy"] {
        let hidden = format!("mount --bind /dev/null $(command -v {program})");
        let setup = format!("unshare -m sh -c '{hidden} && rollcall-setup --role balancer'");
        machine.sh(&setup).bad(1, &format!("cannot run '{program}'"));
    }
    assert_eq!(machine.tree(), before);
}

#[test]
fn what_was_changed_by_hand_stays() {
    let Some(machine) = Machine::alone() else { return };
    machine.sh("serf keygen >/tmp/key; chmod 600 /tmp/key").good();
    machine.setup("--role backend --join 10.9.0.2 --key-file /tmp/key").good();
    machine
        .setup("--role balancer")
        .bad(2, "this machine is a backend already; run rollcall-setup --undo first");
    machine.sh("sed -i s/2s/7s/ /etc/serf/rollcall.json; echo MINE=1 >>/etc/default/rollcall").good();
    machine.setup("").bad(0, "/etc/serf/rollcall.json was changed by hand, and stays as it is");
    machine.setup("--port 81").bad(3, "it was changed by hand; move your settings to another *.json there");
    machine.setup("--join 10.9.0.3 --dry-run").bad(3, "changed by hand");
    machine.sh("sed -i 's/^ROLLCALL_JOIN=.*/ROLLCALL_JOIN=mine/' /etc/default/rollcall").good();
    machine.setup("").bad(2, "cannot set ROLLCALL_JOIN: '/etc/default/rollcall' has another value");
    machine.setup("--undo").bad(0, "move /etc/serf/rollcall.json to /etc/serf/rollcall.json.kept");
    machine.sh("grep 7s /etc/serf/rollcall.json.kept && ! ls /etc/serf/*.json").bad(0, "7s");
    machine.sh("cat /etc/default/rollcall").bad(0, "ROLLCALL_JOIN=mine\nMINE=1\n");

    machine.setup("--role balancer").good();
    machine.sh("echo '# mine' >/etc/haproxy/haproxy.cfg").good();
    machine.setup("--undo").bad(0, "/etc/haproxy/haproxy.cfg was replaced by hand, and stays");
    machine.sh("cat /etc/haproxy/haproxy.cfg").bad(0, "# mine");
    machine.sh("grep -c errorfile /etc/haproxy/haproxy.cfg.before-rollcall").bad(0, "7");
}

#[test]
fn what_an_option_has_set_stays_until_another_one_changes_it() {
    let Some(machine) = Machine::alone() else { return };
    let line = "cannot join 'lb': the name is not known here; give its address";
    let options = "--role balancer --watch --bind :81 --advertise 10.9.0.1 --join 10.9.0.2 --join lb";
    machine.setup(options).bad(1, line);
    let again = machine.setup("").bad(1, line);
    assert!(again.contains("\nnothing to change\n"), "{again}");
    let settings =
        "sed -n '/^ROLLCALL_[SOJ]/p' /etc/default/rollcall; sed -n /advert/p /etc/serf/rollcall.json";
    let first = machine.sh(settings).good();
    for line in [
        "ROLLCALL_ONLY_RECORD=1\n",
        "ROLLCALL_SET=\"bind=:81 state_file=/run/haproxy/servers.state\"\n",
        "ROLLCALL_JOIN=\"10.9.0.2 lb\"\n",
        "\"advertise\": \"10.9.0.1\"",
    ] {
        assert!(first.contains(line), "{line}{first}");
    }
    machine.setup("--no-watch --join 10.9.0.2 --bind 10.9.0.1:82").good();
    let second = machine.sh(settings).good();
    assert!(!second.contains("ONLY_RECORD") && second.contains("\"bind=10.9.0.1:82 "), "{second}");
    machine.sh("grep bind /etc/haproxy/haproxy.cfg").bad(0, "bind 10.9.0.1:82");
    machine.sh("echo ROLLCALL_ONLY_RECORD=mine >>/etc/default/rollcall").good();
    machine.setup("--no-watch").bad(2, "cannot unset ROLLCALL_ONLY_RECORD: '/etc/default/rollcall' has it");
    machine.sh("sed -i 's/:82 /:83 /' /etc/default/rollcall").good();
    machine.setup("--bind :84").bad(2, "has a ROLLCALL_SET that was written by hand; add it there");
    machine.setup("--bind 10.9.0.1:83 --replace").good();

    // The settings of the caller's shell are not those of the services.
    machine.sh("ROLLCALL_SET=bind=:99 NODES_DIR=/none rollcall-setup").good();
    machine.sh("grep 'bind 10' /etc/haproxy/haproxy.cfg; ls -d /none").bad(2, "bind 10.9.0.1:8");
}

#[test]
fn proxies_that_the_template_does_not_have_are_not_lost() {
    let Some(machine) = Machine::alone() else { return };
    let mine = "printf 'frontend shop\n    mode http\n    bind :81\n    timeout client 1s\n' >>/etc/haproxy/haproxy.cfg";
    machine.sh(mine).good();
    let before = machine.tree();
    for options in ["--role balancer", "--role balancer --dry-run"] {
        let line =
            "has what the template does not have: frontend shop; put it into /etc/rollcall/haproxy.cfg.tera";
        machine.setup(options).bad(2, line);
        assert_eq!(machine.tree(), before);
    }
    machine.setup("--role balancer --replace").good();
    machine.setup("--undo").good();
    machine.sh("rm -r /etc/rollcall/serf.key /var/lib/rollcall").good();
    assert_eq!(machine.tree(), before);
}

#[test]
fn a_broken_template_and_a_value_without_quotes_are_faults() {
    let Some(machine) = Machine::alone() else { return };
    let broken = "sed -i.good s/endfor/endfro/ /etc/rollcall/haproxy.cfg.tera";
    machine.sh(broken).good();
    let before = machine.tree();
    machine.setup("--role balancer").bad(3, "cannot render '/etc/haproxy/haproxy.cfg'; see above");
    assert_eq!(machine.tree(), before);
    machine.sh("mv /etc/rollcall/haproxy.cfg.tera.good /etc/rollcall/haproxy.cfg.tera").good();
    machine.setup("--role balancer").good();
    machine.sh(broken).good();
    machine.setup("").bad(3, "'endfro' is not a tag");
    machine.sh("mv /etc/rollcall/haproxy.cfg.tera.good /etc/rollcall/haproxy.cfg.tera").good();

    let set = |line: &str| {
        let line =
            format!("sed -i /^ROLLCALL_SET/d /etc/default/rollcall; echo '{line}' >>/etc/default/rollcall");
        machine.sh(&line).good();
    };
    for line in ["ROLLCALL_SET=bind=:81 user=root", "ROLLCALL_SET=\"bind=:81\" # mine"] {
        set(line);
        machine.setup("").bad(2, "has text after a blank; put \"...\" around the value");
    }
    set("ROLLCALL_SET=\"bind=:81\n  user=root maxconn=9\"");
    machine.setup("").bad(0, "+    bind :81");
}
