//! A cluster made of the Debian package, on machines with systemd: it is installed, rebooted and upgraded.

use std::time::{Duration, Instant};

use harness::cluster::packaged::{PACKAGE, Packaged};
use harness::traffic::load::{Counts, Load, Rate};

/// What an installation without downloads may take.
const COMMANDS_MAX: usize = 6;
/// The aim is 60 s. A machine that does something else at the same time takes longer.
const INSTALLED: Duration = Duration::from_secs(180);

#[test]
#[ignore = "builds images; scripts/test --containers"]
fn a_cluster_on_debian_13_is_installed_by_six_commands_and_survives_upgrades_and_reboots() {
    let Some(cluster) = installed("trixie") else { return };
    upgrade_ours(&cluster);
    upgrade_haproxy(&cluster);
    change_settings(&cluster);
    reboot_balancer(&cluster);
}

#[test]
#[ignore = "builds images; scripts/test --containers"]
fn a_cluster_on_debian_12_is_installed_by_six_commands_and_survives_a_loss_of_power() {
    let Some(cluster) = installed("bookworm") else { return };
    cut_power_of_balancer(&cluster);
}

fn installed(suite: &str) -> Option<Packaged> {
    let cluster = Packaged::install(suite).unwrap()?;
    let (commands, took) = (cluster.commands, cluster.took);
    let versions =
        cluster.balancer().unwrap().run("haproxy -v | head -n 1; serf version | head -n 1").unwrap();
    println!(
        "MEASURE {suite}: {commands} commands and {:.1} s (aim 60) until two backends serve",
        took.as_secs_f64()
    );
    println!("{versions}");
    assert!(commands <= COMMANDS_MAX && took <= INSTALLED, "{commands} commands, {took:?}");
    Some(cluster)
}

/// Runs something while visitors come; returns what happened to their requests.
fn under_load(cluster: &Packaged, name: &str, change: impl FnOnce()) -> Counts {
    let rate = Rate { visitors: 8, every: Duration::from_millis(50) };
    let mut load = Load::start(cluster.front().unwrap(), "/", rate);
    let start = Instant::now();
    change();
    load.end();
    let counts = load.since(start);
    println!("MEASURE {name} under load: {} requests, {} failed", counts.requests, counts.failures());
    assert!(counts.requests > 20, "no load");
    counts
}

/// A newer Rollcall costs no request and no reload, and handles the next event.
fn upgrade_ours(cluster: &Packaged) {
    let balancer = cluster.balancer().unwrap();
    let next = format!(
        "cd /root && dpkg-deb -R {PACKAGE} next && sed -i 's/^Version: .*/&+next/' next/DEBIAN/control && \
         dpkg-deb -Znone -b next next.deb"
    );
    balancer.run(&next).unwrap();
    let reloads = cluster.reloads().unwrap();
    let counts = under_load(cluster, "upgrade of Rollcall", || {
        balancer.run("apt install -y /root/next.deb").unwrap();
        cluster.machine("web2").unwrap().run("serf leave && systemctl stop serf").unwrap();
        cluster.wait_for_servers(&["web1"]).unwrap();
        cluster.machine("web2").unwrap().run("systemctl start serf").unwrap();
        cluster.wait_for_servers(&["web1", "web2"]).unwrap();
    });
    assert_eq!(counts.failures(), 0, "{}", counts.failures_shown());
    assert_eq!(cluster.reloads().unwrap(), reloads);
    let version = balancer.run("dpkg-query -W -f '${Version}' rollcall").unwrap();
    assert!(version.ends_with("+next"), "{version}");
}

/// Debian's package of HAProxy reloads it once; we add none, and manage the new process.
fn upgrade_haproxy(cluster: &Packaged) {
    let balancer = cluster.balancer().unwrap();
    let reloads = cluster.reloads().unwrap();
    let counts = under_load(cluster, "upgrade of HAProxy", || {
        balancer.run("apt-get install -y --reinstall haproxy").unwrap();
        balancer.run("systemctl start rollcall.service").unwrap();
    });
    assert_eq!(counts.failures(), 0, "{}", counts.failures_shown());
    assert_eq!(cluster.reloads().unwrap(), reloads + 1);
    cluster.machine("web2").unwrap().run("systemctl stop serf").unwrap();
    cluster.wait_for_servers(&["web1"]).unwrap();
    cluster.machine("web2").unwrap().run("systemctl start serf").unwrap();
    cluster.wait_for_servers(&["web1", "web2"]).unwrap();
    assert_eq!(cluster.reloads().unwrap(), reloads + 1);
}

/// New settings reach the agent's handlers and the service of the second wiring, whoever has written them.
fn change_settings(cluster: &Packaged) {
    let balancer = cluster.balancer().unwrap();
    let in_use = |port: u16| {
        format!(
            "for unit in serf rollcall-watch; do
                 tr '\\0' '\\n' </proc/$(systemctl show -P MainPID $unit)/environ | grep 'ROLLCALL_SET=bind=:{port} ' || exit
             done && grep ' bind :{port}$' /etc/haproxy/haproxy.cfg && rollcall-setup | grep 'nothing to change'"
        )
    };
    let by_hand = "sleep 1.1; sed -i s/:8090/:8091/ /etc/default/rollcall; rollcall-setup";
    balancer.run("rollcall-setup --watch && sleep 1.1 && rollcall-setup --bind :8090").unwrap();
    balancer.run(&in_use(8090)).unwrap();
    balancer.run(by_hand).unwrap();
    balancer.run(&in_use(8091)).unwrap();
    let preview = balancer.run("systemctl stop serf && rollcall-setup --dry-run").unwrap();
    assert!(preview.contains("would restart serf"), "{preview}");
    balancer
        .run("sed -i s/:8091/:8090/ /etc/default/rollcall; rollcall-setup --no-watch --bind :80")
        .unwrap();
    cluster.wait_for_servers(&["web1", "web2"]).unwrap();
}

/// A balancer serves after a reboot without any command. A backend that was stopped meanwhile is gone.
fn reboot_balancer(cluster: &Packaged) {
    let (balancer, web1) = (cluster.balancer().unwrap(), cluster.machine("web1").unwrap());
    balancer.shut_down().unwrap();
    web1.run("systemctl stop serf web").unwrap();
    boot_balancer(cluster, &["web2"]);
    web1.run("systemctl start web serf").unwrap();
    cluster.wait_for_servers(&["web1", "web2"]).unwrap();
}

/// The same after a loss of power.
fn cut_power_of_balancer(cluster: &Packaged) {
    cluster.balancer().unwrap().cut_power().unwrap();
    boot_balancer(cluster, &["web1", "web2"]);
    cluster.machine("web1").unwrap().run("systemctl stop serf").unwrap();
    cluster.wait_for_servers(&["web2"]).unwrap();
}

fn boot_balancer(cluster: &Packaged, servers: &[&str]) {
    let balancer = cluster.balancer().unwrap();
    let start = Instant::now();
    balancer.power_on().unwrap();
    cluster.wait_for_servers(servers).unwrap();
    let took = start.elapsed().as_secs_f64();
    println!("MEASURE from the boot of the balancer to answers by the right backends: {took:.1} s");
    balancer.boot().unwrap();
    assert_eq!(cluster.reloads().unwrap(), 0, "{}", balancer.journal());
    let show = "systemctl show --value -p ActiveEnterTimestampMonotonic haproxy serf";
    let times: Vec<u64> =
        balancer.run(show).unwrap().split_whitespace().map(|time| time.parse().unwrap()).collect();
    assert!(times.len() == 2 && times.is_sorted(), "serf is up before haproxy: {times:?}");
}
