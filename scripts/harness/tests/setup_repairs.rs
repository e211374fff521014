//! rollcall-setup over an installation by hand, on bad disks, and after kills.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod setup_machine;

use setup_machine::Machine;

/// Steps 1 to 7 of docs/installation.md, the part by hand.
const BY_HAND: &str = r#"set -e
install -d /usr/local/bin /usr/local/lib/rollcall
cp /usr/bin/member-join /usr/bin/member-leave /usr/bin/render-cfg /usr/bin/reload-haproxy /usr/local/bin
cp /usr/libexec/rollcall/* /usr/local/lib/rollcall 2>/dev/null || :
install -d -m 750 /nodes
printf 'ROLLCALL_SET="bind=:8080"\nROLLCALL_COOKIE_KEY=a-long-secret\n' >/etc/default/rollcall
cat >/etc/serf/serf.json <<X
{
  "tags": {"role": "balancer"},
  "event_handlers": [
    "member-join,member-leave,member-failed,member-update,member-reap=/usr/local/lib/rollcall/serf-handler",
    "user:deploy=/usr/local/bin/deploy"
  ],
  "retry_interval": "2s",
  "leave_on_terminate": true,
  "encrypt_key": "$(serf keygen)"
}
X
chmod 640 /etc/serf/serf.json
chgrp games /etc/serf/serf.json
units=/etc/systemd/system
mkdir -p $units/serf.service.d /usr/lib/systemd/system/serf.service.d
printf '[Service]\nEnvironmentFile=-/etc/default/rollcall\n' >$units/serf.service.d/rollcall.conf
cp $units/serf.service.d/rollcall.conf /usr/lib/systemd/system/serf.service.d
printf '[Service]\nExecStart=/usr/local/lib/rollcall/reconcile\n' >$units/rollcall.service
printf '[Timer]\nOnUnitInactiveSec=15s\n' >$units/rollcall.timer
for unit in rollcall.service rollcall.timer; do
    [ -e /usr/lib/systemd/system/$unit ] || cp $units/$unit /usr/lib/systemd/system
done
set -a
. /etc/default/rollcall
ROLLCALL_MIN_NODES=0 /usr/local/lib/rollcall/reconcile >/dev/null 2>&1 || :
"#;

#[test]
fn an_installation_by_hand_is_taken_over_and_put_back() {
    let Some(machine) = Machine::alone() else { return };
    machine.sh(BY_HAND).good();
    machine.start_haproxy();
    machine.start_serf();
    machine.sh("serf info").bad(0, "/usr/local/lib/rollcall/serf-handler");
    let before = machine.tree();
    machine
        .setup("--role balancer --dry-run")
        .bad(0, "/etc/serf/serf.json has a serf-handler that was installed by hand");
    assert_eq!(machine.tree(), before);

    let said = machine.setup("--role balancer").good();
    assert!(
        said.contains("move /usr/local/bin/render-cfg to /usr/local/bin/render-cfg.before-rollcall"),
        "{said}"
    );
    assert!(said.contains("rollcall.timer was installed by hand, and hides the package's"), "{said}");
    machine.start_serf();
    let info = machine.sh("serf info").good();
    assert!(
        info.contains("/usr/libexec/rollcall/serf-handler") && info.contains("/usr/local/bin/deploy"),
        "{info}"
    );
    assert!(!info.contains("/usr/local/lib"), "{info}");
    machine.sh("ls /etc/systemd/system/rollcall.*").bad(0, "rollcall.timer.before-rollcall");
    machine.sh("stat -c '%a %G' /etc/serf/serf.json").bad(0, "640 games");
    machine.sh("ls /usr/local/lib/rollcall").bad(2, "No such file");
    machine.sh("grep COOKIE /etc/default/rollcall").bad(0, "ROLLCALL_COOKIE_KEY=a-long-secret\n");
    machine.until("the record in /nodes", "ls /nodes/*");
    machine.setup("").bad(0, "nothing to change");

    machine.setup("--undo").good();
    machine.sh("rm -r /etc/rollcall/serf.key /var/lib/rollcall").good();
    assert_eq!(machine.tree(), before);
}

#[test]
fn a_disk_that_cannot_be_written_loses_nothing() {
    let Some(machine) = Machine::alone() else { return };
    let before = machine.tree();
    let read_only = "mount --bind /etc /etc; mount -o remount,ro,bind /etc";
    let full = |place: &str| {
        format!(
            "cp -a {place} /tmp/copy; mount -t tmpfs -o size=64k tmpfs {place}; cp -a /tmp/copy/. {place}
                 cat /dev/zero >{place}/filler 2>/dev/null"
        )
    };
    for (break_it, reason) in [
        (read_only.to_owned(), "Read-only file system"),
        (full("/etc/rollcall"), "cannot write '/etc/rollcall/serf.key': No space left on device"),
        (full("/etc/serf"), "cannot write '/etc/serf/rollcall.json': No space left on device"),
        (full("/etc/default"), "cannot write '/etc/default/rollcall': No space left on device"),
    ] {
        machine
            .sh(&format!("unshare -m sh -c \"{break_it}\nrollcall-setup --role balancer\""))
            .bad(4, reason);
        machine.sh("rm -rf /tmp/copy; find /etc -name '*rollcall-new*'").bad(0, "");
        machine.setup("--undo").good();
        machine.sh("rm -rf /etc/rollcall/serf.key /var/lib/rollcall").good();
        assert_eq!(machine.tree(), before, "{reason}");
    }
}

/// Counts the commands of a script that bash runs, and kills it at one of them.
const KILLER: &str = r#"cat >/tmp/killer <<'X'
set -T
commands=0
trap 'commands=$((commands + 1)); [ "$commands" -lt "$KILL_AT" ] || kill -9 $$' DEBUG
X
"#;
/// Between two kills. A whole run has some 700 commands.
const STRIDE: usize = 149;

#[test]
fn the_next_run_ends_what_a_killed_one_began() {
    let Some(machine) = Machine::alone() else { return };
    machine.sh(KILLER).good();
    machine.start_haproxy();
    let before = machine.tree();
    let killed = |at: usize, options: &str| {
        machine.sh(&format!("KILL_AT={at} BASH_ENV=/tmp/killer bash /usr/sbin/rollcall-setup {options}")).code
    };
    let mut kills = 0;
    for at in (STRIDE..).step_by(STRIDE) {
        let code = killed(at, "--role balancer --bind :8080");
        machine.setup("--role balancer --bind :8080").good();
        machine.sh("reload-haproxy --status").bad(0, "same       yes");
        machine.setup("").bad(0, "nothing to change");
        // Alternately undone at once and after a kill.
        if kills % 2 == 0 {
            killed(at / 2, "--undo");
        }
        machine.setup("--undo").good();
        machine.sh("reload-haproxy --status").bad(0, "same       yes");
        machine.sh("rm -rf /etc/rollcall/serf.key /var/lib/rollcall").good();
        assert_eq!(machine.tree(), before, "killed at command {at}");
        match code {
            0 => break,
            _ => kills += 1,
        }
    }
    assert!(kills >= 4, "only {kills} runs were killed");
}
