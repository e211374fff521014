//! The balancer's own zone first, with real Serf agents: the other zones serve while too few servers of its own zone are
//! up. No request is lost and nothing is reloaded when a zone dies and comes back.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::{Duration, Instant};

use common::replace::replace;
use harness::cluster::backend::{Backend, settings};
use harness::cluster::local_cluster::{Cluster, SOON};
use harness::daemons::webapp::WebApp;
use harness::run::{poll, programs};
use harness::traffic::load::{Load, Rate};

const SECOND: Duration = Duration::from_secs(1);
const NEAR: [&str; 3] = ["a1", "a2", "a3"];
const FAR: [&str; 2] = ["b1", "b2"];

/// A cluster whose balancer is in zone a, with servers in the zones a and b; the addresses of zone a, and of all.
struct Zones {
    cluster: Cluster,
    near: Vec<Ipv4Addr>,
    all: Vec<Ipv4Addr>,
    worker: u32,
}

impl Zones {
    fn start(file: &Path, service: &str) -> Zones {
        let text = format!("services: {{shop: {{role: backend, cookie: false{service}}}}}\n");
        replace(file, text.as_bytes(), 0o600).unwrap();
        let mut cluster = Cluster::new().unwrap();
        cluster.balancer.set_env("ROLLCALL_VARS", file.to_str().unwrap());
        cluster.balancer.add_setting("zone", "a");
        cluster.start_balancer().unwrap();
        let mut all = Vec::new();
        for name in NEAR.iter().chain(&FAR) {
            let address = cluster.net.next_host();
            let settings = settings(name, address, &cluster.seeds()).tag("zone", &name[..1]);
            let backend = Backend::start_with(cluster.run(), name, address, settings).unwrap();
            cluster.backends.insert((*name).to_owned(), backend);
            all.push(address);
        }
        for name in NEAR.iter().chain(&FAR) {
            cluster.wait_for_up(name, SOON).unwrap();
        }
        let worker = cluster.balancer.haproxy().unwrap().worker_pid().unwrap();
        Zones { near: all[..NEAR.len()].to_vec(), all, cluster, worker }
    }

    /// The web apps of these servers crash at the same moment.
    fn kill(&mut self, names: &[&str]) {
        for name in names {
            self.cluster.backend(name).unwrap().app.kill9();
        }
    }

    /// They start again.
    fn restart(&mut self, names: &[&str]) {
        for name in names {
            let address = self.cluster.backend(name).unwrap().address;
            let app = WebApp::start(self.cluster.run(), &format!("{name}-again"), address).unwrap();
            self.cluster.backend(name).unwrap().app = app;
        }
    }

    /// Waits until exactly these servers answer, for a second.
    fn wait_for_answers(&self, load: &Load, wanted: &[Ipv4Addr]) {
        let wanted: BTreeSet<IpAddr> = wanted.iter().map(|address| (*address).into()).collect();
        poll::until(SOON, &format!("answers of {wanted:?}"), || {
            let counts = load.since(Instant::now().checked_sub(SECOND)?);
            (counts.answered.into_keys().collect::<BTreeSet<IpAddr>>() == wanted).then_some(())
        })
        .unwrap_or_else(|err| panic!("{err}: {:?}\n{:?}", self.all, self.cluster.servers()));
    }

    fn assert_nothing_lost(&self, load: &Load) {
        assert_eq!(load.count(|_| true).failures_shown(), "");
        let worker = self.cluster.balancer.haproxy().unwrap().worker_pid().unwrap();
        assert_eq!(worker, self.worker, "{}", self.cluster.balancer.log());
    }
}

#[test]
fn when_a_zone_dies_the_others_serve_until_it_is_back() {
    if !programs::are_all_here() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut zones = Zones::start(&dir.path().join("vars.yaml"), "");
    let load = Load::sending_again(zones.cluster.front(), "/", Rate::default());
    zones.wait_for_answers(&load, &zones.near);
    zones.kill(&NEAR);
    zones.wait_for_answers(&load, &zones.all[NEAR.len()..]);
    zones.restart(&NEAR);
    zones.wait_for_answers(&load, &zones.near);
    // One server of the own zone is enough.
    zones.kill(&NEAR[1..]);
    zones.wait_for_answers(&load, &zones.near[..1]);
    zones.assert_nothing_lost(&load);
}

#[test]
fn with_too_few_servers_in_its_own_zone_all_zones_serve() {
    if !programs::are_all_here() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut zones = Zones::start(&dir.path().join("vars.yaml"), ", zone_min: 2");
    let load = Load::sending_again(zones.cluster.front(), "/", Rate::default());
    zones.wait_for_answers(&load, &zones.near);
    zones.kill(&NEAR[..1]);
    zones.wait_for_answers(&load, &zones.near[1..]);
    zones.kill(&NEAR[1..2]);
    zones.wait_for_answers(&load, &zones.all[2..]);
    zones.restart(&NEAR[..2]);
    zones.wait_for_answers(&load, &zones.near);
    zones.assert_nothing_lost(&load);
}
