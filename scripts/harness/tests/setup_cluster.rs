//! rollcall-setup on a balancer and its backends, in networks of their own: what is served, and which faults it names.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod setup_machine;

use std::net::Ipv4Addr;
use std::sync::Arc;

use harness::network::namespace::{Network, apart};
use harness::run::Run;
use setup_machine::{Machine, is_possible};

const BALANCER: &str = "10.77.1.1";
const BACKEND: &str = "10.77.2.1";

/// A web server that answers its health check.
const WEB: &str = "mkdir -p /tmp/www && echo hello >/tmp/www/index.html && echo good >/tmp/www/healthz && \
                   busybox httpd -p 3000 -h /tmp/www";

fn network(run: &Arc<Run>) -> Network {
    let network = Network::new(Arc::clone(run), Ipv4Addr::new(10, 77, 0, 1)).unwrap();
    network.add("balancer", BALANCER.parse().unwrap()).unwrap();
    network.add("web1", BACKEND.parse().unwrap()).unwrap();
    network
}

/// What `ssh BACKEND rollcall-setup ... <KEY` does.
fn set_up_backend(balancer: &Machine, backend: &Machine, options: &str) -> setup_machine::Ended {
    let key = balancer.setup("--show-key").good();
    backend.sh(&format!("rollcall-setup --role backend {options} --key-file - <<'X'\n{key}X\n"))
}

#[test]
fn two_commands_serve_a_request_and_every_fault_is_named() {
    if !is_possible() {
        return;
    }
    let verdict = apart(|| {
        let run = Arc::new(Run::new()?);
        let _network = network(&run);
        let balancer = Machine::on(&run, "balancer");
        let backend = Machine::on(&run, "web1");
        serves(&balancer, &backend);
        names_faults(&balancer, &backend);
        Ok(())
    });
    verdict.unwrap();
}

fn serves(balancer: &Machine, backend: &Machine) {
    balancer.start_haproxy();
    balancer.setup("--role balancer").good();
    balancer.start_serf();
    let next = balancer.setup("").good();
    assert!(next.contains(&format!("--join {BALANCER} --key-file - </etc/rollcall/serf.key")), "{next}");
    backend.sh(WEB).good();
    set_up_backend(balancer, backend, &format!("--join {BALANCER}")).good();
    backend.start_serf();
    balancer.until("the first request", "busybox wget -qO- http://127.0.0.1 | grep hello");
    backend.setup("").bad(0, "nothing to change: this machine is set up as a backend");
    assert_eq!(balancer.sh("reload-haproxy --up").good(), "web1\n");
}

fn names_faults(balancer: &Machine, backend: &Machine) {
    // UDP is lost, TCP is not.
    backend.sh("ip rule add pref 5 iif eth0 ipproto udp dport 7946 blackhole").good();
    backend
        .setup("")
        .bad(1, "not all members answer by UDP; open port 7946, TCP and UDP, between all members");
    backend.sh("ip rule del pref 5").good();

    backend.sh(&format!("ip rule add pref 5 to {BALANCER} unreachable")).good();
    let said = backend.setup("").bad(1, &format!("cannot join '{BALANCER}': "));
    assert!(said.contains("open port 7946, TCP and UDP, between all members"), "{said}");
    backend.sh("ip rule del pref 5").good();

    backend.setup("--join no.such.name").bad(1, "cannot join 'no.such.name': the name is not known here");
    backend.setup(&format!("--join {BALANCER}:7947")).bad(0, "start the Serf agent again");
    backend.start_serf();
    backend.setup("").bad(1, "no agent listens there; run rollcall-setup there first");
    backend.setup(&format!("--join {BALANCER}")).good();

    // Another key.
    backend.sh("kill -INT $(pidof serf); serf keygen >/tmp/key; chmod 600 /tmp/key").good();
    backend.setup("--key-file /tmp/key").good();
    backend.start_serf();
    backend.setup("").bad(1, "it has a different key; give --key-file with the key of the other members");

    // An agent without our handler, one that does not answer, and none.
    balancer.sh("kill -INT $(pidof serf); while pidof serf; do sleep 0.1; done").good();
    balancer.setup("").bad(0, "start the Serf agent again");
    balancer.sh("serf agent >/dev/null 2>&1 &").good();
    balancer.until("the agent", "serf info");
    balancer.setup("").bad(0, "start the Serf agent again");

    names_faults_of_haproxy(balancer);
}

fn names_faults_of_haproxy(balancer: &Machine) {
    balancer.start_serf();
    balancer.sh("kill $(pidof haproxy); while pidof haproxy; do sleep 0.1; done").good();
    balancer
        .setup("")
        .bad(0, "start HAProxy: haproxy -W -S /run/haproxy-master.sock -f /etc/haproxy/haproxy.cfg");
    balancer.sh("haproxy -W -f /etc/haproxy/haproxy.cfg >/tmp/haproxy.log 2>&1 &").good();
    balancer.until("HAProxy", "reload-haproxy --status");
    balancer.setup("").bad(5, "HAProxy runs without a master socket");

    // The backend has another key, so it is gone, and the guard would keep the file.
    balancer.sh("echo ROLLCALL_MIN_NODES=0 >>/etc/default/rollcall").good();
    balancer.sh("sed -i 's/ level admin//' /etc/rollcall/haproxy.cfg.tera").good();
    balancer.setup("").bad(5, "has no stats socket with 'level admin'");
}
