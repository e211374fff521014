//! The Debian package goes: it is removed, purged, or undone where it has replaced an installation by hand.

use std::collections::BTreeSet;
use std::time::Duration;

use harness::cluster::packaged::{PACKAGE, package, wait_for_servers};
use harness::daemons::docker::{Lan, Machine};
use harness::run::poll;

const SOON: Duration = Duration::from_secs(30);
/// What a machine has, except for what every installation of any package changes.
const LIST: &str = "find /etc /opt /root /srv /usr /var -xdev \
    -path /var/cache -prune -o -path /var/lib/apt -prune -o -path /var/log/apt -prune -o -path /var/log/journal -prune \
    -o -path '/var/lib/dpkg/*' ! -path '*/info/*' -prune -o -path /var/lib/systemd/timers -prune \
    -o -path /root/tree -prune -o -path /run/systemd -prune -o ! -type d -printf '%p %M %u:%g %l\\n'; \
    find /etc -type f ! -name '*.json' -exec md5sum {} +; ls -d /run/rollcall* /nodes 2>/dev/null || :";

/// Waits until the agent answers.
const AGENT: &str = "timeout 30 sh -c 'until serf members; do sleep 0.1; done'";

/// A balancer with Serf and HAProxy of Debian, and a backend that was set up by hand. Both have the package's file. The
/// balancer has jq too, so that an installation of the package brings no other package.
fn start(suite: &str) -> Option<Lan> {
    let lan = Lan::start(suite, &["balancer", "web1"]).unwrap()?;
    let package = package().unwrap();
    for machine in lan.machines() {
        machine.copy(&package, PACKAGE).unwrap();
        machine.run("apt-get install -y serf && printf %s 'MDEyMzQ1Njc4OWFiY2RlZg==' >/root/key").unwrap();
    }
    let web1 = lan.machine("web1").unwrap();
    web1.run("systemctl enable --now web").unwrap();
    let config = r#"{"tags": {"role": "backend", "port": "3000"}, "retry_join": ["balancer"], "retry_interval": "2s",
        "leave_on_terminate": true, "encrypt_key": "MDEyMzQ1Njc4OWFiY2RlZg=="}"#;
    web1.run_with("cat >/etc/serf/serf.json && systemctl restart serf", config).unwrap();
    lan.machine("balancer").unwrap().run("apt-get install -y haproxy jq").unwrap();
    Some(lan)
}

fn set_up(balancer: &Machine) {
    balancer.run(&format!("apt-get install -y {PACKAGE}")).unwrap();
    balancer.run("rollcall-setup --role balancer --key-file /root/key").unwrap();
    wait_for_servers(balancer, &["web1"]).unwrap();
}

fn files(machine: &Machine) -> BTreeSet<String> {
    machine.run(LIST).unwrap().lines().map(str::to_owned).collect()
}

/// What two lists of files do not have in common.
fn difference(before: &BTreeSet<String>, after: &BTreeSet<String>) -> Vec<String> {
    before.symmetric_difference(after).cloned().collect()
}

/// The backend leaves and comes back; the journal of the balancer's agent since then. It has an exit status of 12x if a
/// handler is gone, and of 6 while there is no backend.
fn events(lan: &Lan) -> String {
    let (balancer, web1) = (lan.machine("balancer").unwrap(), lan.machine("web1").unwrap());
    let now = balancer.run("date +%s").unwrap();
    let journal = format!("journalctl --no-pager -o cat -u serf --since @{}", now.trim());
    let event = |name: &str| {
        let seen = || balancer.run(&journal).ok()?.contains(&format!("Received event: {name}")).then_some(());
        poll::until(SOON, name, seen).unwrap();
    };
    web1.run("systemctl stop serf").unwrap();
    event("member-leave");
    web1.run("systemctl start serf").unwrap();
    event("member-join");
    // The handlers run one after the other: when this event is handled, the others are, too.
    balancer.run("serf event end").unwrap();
    event("user-event");
    balancer.run(&journal).unwrap()
}

#[test]
#[ignore = "builds images; scripts/test --containers"]
fn a_removed_package_leaves_haproxy_serving_and_a_purged_one_leaves_nothing() {
    let Some(lan) = start("bookworm") else { return };
    let balancer = lan.machine("balancer").unwrap();
    let before = files(balancer);
    set_up(balancer);
    let removal = balancer.run("apt-get remove -y rollcall").unwrap();
    assert!(removal.contains("no longer follows the cluster"), "{removal}");
    wait_for_servers(balancer, &["web1"]).unwrap();
    let journal = events(&lan);
    assert!(!journal.contains("exit status 12"), "an event calls a handler that is gone: {journal}");
    balancer.run("systemctl reload haproxy").unwrap();
    wait_for_servers(balancer, &["web1"]).unwrap();
    balancer.run("apt-get purge -y rollcall").unwrap();
    wait_for_servers(balancer, &["web1"]).unwrap();
    // HAProxy's file is the user's, and so is the one from before.
    let mut left = difference(&before, &files(balancer));
    left.retain(|line| !line.contains("/etc/haproxy/haproxy.cfg"));
    assert!(left.is_empty(), "{left:#?}");
    balancer.run(&format!("systemctl restart serf && {AGENT}")).unwrap();
}

/// docs/installation.md, with the package's programs.
fn install_by_hand(balancer: &Machine) {
    balancer
        .run(&format!(
            "set -e; dpkg-deb -x {PACKAGE} /root/tree; cd /root/tree
            install usr/bin/member-join usr/bin/member-leave usr/bin/render-cfg usr/bin/reload-haproxy /usr/local/bin
            install -D -t /usr/local/lib/rollcall usr/libexec/rollcall/serf-handler usr/libexec/rollcall/reconcile
            install -m 644 -t /usr/local/lib/rollcall usr/libexec/rollcall/*.sh usr/libexec/rollcall/check.cfg
            install -D -m 644 etc/rollcall/haproxy.cfg.tera /etc/rollcall/haproxy.cfg.tera
            install -d -m 750 /nodes
            cp -p /etc/haproxy/haproxy.cfg /etc/haproxy/haproxy.cfg.before-rollcall
            chmod 640 /etc/haproxy/haproxy.cfg"
        ))
        .unwrap();
    let write = |file: &str, text: &str| {
        let line = format!("umask 077 && mkdir -p $(dirname {file}) && cat >{file}");
        balancer.run_with(&line, text).unwrap();
    };
    write("/etc/default/rollcall", "ROLLCALL_SET=\"bind=:80 hard_stop_after=7m\"\n");
    let events = "member-join,member-leave,member-failed,member-update,member-reap";
    let handler = format!("{events}=/usr/local/lib/rollcall/serf-handler");
    let serf = format!(
        r#"{{"tags": {{"role": "balancer"}}, "event_handlers": ["{handler}"], "leave_on_terminate": true,
        "rejoin_after_leave": true, "snapshot_path": "/var/lib/serf.snapshot", "disable_name_resolution": true,
        "encrypt_key": "MDEyMzQ1Njc4OWFiY2RlZg=="}}"#
    );
    write("/etc/serf/serf.json", &serf);
    let environment = "EnvironmentFile=-/etc/default/rollcall\n";
    write("/etc/systemd/system/serf.service.d/rollcall.conf", &format!("[Service]\n{environment}"));
    let service =
        format!("[Service]\nType=oneshot\n{environment}ExecStart=/usr/local/lib/rollcall/reconcile\n");
    write("/etc/systemd/system/rollcall.service", &service);
    let timer =
        "[Timer]\nOnBootSec=5s\nOnUnitInactiveSec=15s\nAccuracySec=1s\n[Install]\nWantedBy=timers.target\n";
    write("/etc/systemd/system/rollcall.timer", timer);
    let first = "systemctl daemon-reload && systemctl restart serf && {AGENT} && \
        ROLLCALL_SET='bind=:80 hard_stop_after=7m' ROLLCALL_MIN_NODES=0 /usr/local/lib/rollcall/reconcile && \
        systemctl enable --now rollcall.timer";
    balancer.run(&first.replace("{AGENT}", AGENT)).unwrap();
    wait_for_servers(balancer, &["web1"]).unwrap();
}

#[test]
#[ignore = "builds images; scripts/test --containers"]
fn a_package_takes_over_an_installation_by_hand_and_undo_puts_it_back() {
    let Some(lan) = start("trixie") else { return };
    let balancer = lan.machine("balancer").unwrap();
    install_by_hand(balancer);
    let before = files(balancer);
    set_up_over(balancer);
    let handlers = balancer.run("serf info -format=json").unwrap();
    assert!(
        handlers.contains("/usr/libexec/rollcall/serf-handler") && !handlers.contains("/usr/local/lib"),
        "{handlers}"
    );
    let units = balancer.run("systemctl show -p FragmentPath rollcall.service rollcall.timer").unwrap();
    assert!(!units.contains("/etc/systemd"), "{units}");
    let config = balancer.run("cat /etc/haproxy/haproxy.cfg").unwrap();
    assert!(config.contains("hard-stop-after 7m"), "a setting of the user is gone: {config}");
    let journal = events(&lan);
    assert!(!journal.contains("exit status 12"), "{journal}");
    balancer.run("rollcall-setup --undo").unwrap();
    wait_for_servers(balancer, &["web1"]).unwrap();
    balancer.run("apt-get remove -y rollcall").unwrap();
    // A purge would take the user's own files that have the names of conffiles. The key stays: other members have it.
    let kept = [
        "/etc/logrotate.d/rollcall",
        "/etc/rollcall/serf.key",
        "/run/rollcall-setup.lock",
        "/var/lib/dpkg/info/rollcall.",
        "/var/lib/systemd/deb-systemd-helper-enabled/rollcall",
        ".dpkg-dist",
    ];
    let mut left = difference(&before, &files(balancer));
    left.retain(|line| !kept.iter().any(|kept| line.contains(kept)));
    assert!(left.is_empty(), "{left:#?}");
    let journal = events(&lan);
    assert!(!journal.contains("exit status 12"), "{journal}");
    wait_for_servers(balancer, &["web1"]).unwrap();
}

/// The conffile that exists already is kept, as a user who presses Enter does.
fn set_up_over(balancer: &Machine) {
    let keep = "DEBIAN_FRONTEND=noninteractive apt-get install -y -o Dpkg::Options::=--force-confdef";
    balancer.run(&format!("{keep} -o Dpkg::Options::=--force-confold {PACKAGE}")).unwrap();
    balancer.run("rollcall-setup --role balancer").unwrap();
    wait_for_servers(balancer, &["web1"]).unwrap();
}
