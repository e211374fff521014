//! Two Consul servers and four clients, each in a namespace of its own: instances join, leave and die, the servers are
//! cut off from each other, and agents restart, all under load.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use harness::Result;
use harness::cluster::balancer::Balancer;
use harness::daemons::consul::{Consul, Settings};
use harness::daemons::haproxy::Mode;
use harness::daemons::webapp::{PORT, WebApp};
use harness::network::namespace;
use harness::network::namespace::Network;
use harness::run::daemon::Daemon;
use harness::run::{Run, poll, programs};
use harness::traffic::load::{Load, Rate};
use serde_json::{Value, json};

const BALANCER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
const SERVERS: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 77, 1, 1), Ipv4Addr::new(10, 77, 2, 1)];
const WEB: [(&str, Ipv4Addr); 3] = [
    ("w1", Ipv4Addr::new(10, 77, 11, 1)),
    ("w2", Ipv4Addr::new(10, 77, 12, 1)),
    ("w3", Ipv4Addr::new(10, 77, 13, 1)),
];
/// Consul's gossip gives a silent node up within seconds; the rest is for a busy machine.
const SOON: Duration = Duration::from_secs(40);

/// The cluster, with a balancer that follows it.
struct Bed {
    _servers: Vec<Consul>,
    agents: BTreeMap<&'static str, Consul>,
    apps: BTreeMap<&'static str, WebApp>,
    own: Consul,
    _watch: Daemon,
    balancer: Balancer,
    network: Network,
    run: Arc<Run>,
}

fn service(name: &str, address: Ipv4Addr) -> Value {
    let check =
        json!({ "http": format!("http://{address}:{PORT}/healthz"), "interval": "1s", "timeout": "1s" });
    json!({
        "id": name, "name": "web", "address": address, "port": PORT, "meta": { "role": "backend" }, "check": check
    })
}

fn web_agent(name: &str, address: Ipv4Addr) -> Settings {
    Settings::client(name, address, &SERVERS).service(&service("app", address)).within(name)
}

impl Bed {
    fn start() -> Result<Bed> {
        let run = Arc::new(Run::new()?);
        let network = Network::new(Arc::clone(&run), BALANCER)?;
        let mut servers = Vec::new();
        for (name, address) in ["c1", "c2"].into_iter().zip(SERVERS) {
            network.add(name, address)?;
            servers.push(Settings::server(name, address, &SERVERS).within(name).start(&run)?);
        }
        let (mut agents, mut apps) = (BTreeMap::new(), BTreeMap::new());
        for (name, address) in WEB {
            network.add(name, address)?;
            apps.insert(name, WebApp::start_within(&run, name, name, address)?);
            agents.insert(name, web_agent(name, address).start(&run)?);
        }
        let mut own = Settings::client("balancer", BALANCER, &SERVERS).start(&run)?;
        own.wait_for_node(&run, "balancer")?;
        let mut balancer = Balancer::new(Arc::clone(&run), BALANCER)?;
        balancer.set_env("ROLLCALL_MEMBERS", "consul");
        balancer.set_env("ROLLCALL_CONSUL_SERVICES", "web");
        balancer.set_env("ROLLCALL_STEP_TIMEOUT", "6");
        balancer.set_env("CONSUL_HTTP_ADDR", own.http());
        balancer.start_haproxy(Mode::MasterSocket)?;
        balancer.reconcile_every(Duration::from_secs(2));
        let handler = programs::shipped("scripts/consul-handler");
        let watch = own.watch(&run, "web", &handler, balancer.environment())?;
        Ok(Bed { _servers: servers, agents, apps, own, _watch: watch, balancer, network, run })
    }

    /// Waits until HAProxy serves exactly the apps of these nodes.
    fn wait_for(&self, nodes: &[&str]) -> Result<()> {
        let serves = || -> Result<bool> {
            let servers = self.balancer.haproxy()?.servers()?;
            let mut up: Vec<String> = servers
                .into_iter()
                .filter(|server| server.is_up() && !server.is_in_maintenance())
                .map(|server| server.name)
                .collect();
            up.sort();
            Ok(up == nodes.iter().map(|node| format!("{node}-app")).collect::<Vec<_>>())
        };
        let waited =
            poll::try_until(SOON, &format!("{nodes:?}"), || Ok(serves().unwrap_or(false).then_some(())));
        waited.inspect_err(|_| {
            eprintln!("{:?}\n{}", self.balancer.haproxy().unwrap().servers(), self.balancer.log())
        })
    }

    /// Checks for this long that HAProxy serves exactly the apps of these nodes.
    fn stays(&self, nodes: &[&str], time: Duration) -> Result<()> {
        let start = Instant::now();
        while start.elapsed() < time {
            self.wait_for(nodes)?;
            let records = std::fs::read_dir(self.balancer.nodes_dir()).unwrap();
            let count = records.filter(|entry| entry.as_ref().unwrap().path().extension().is_some()).count();
            assert_eq!(count, nodes.len(), "{}", self.balancer.log());
            poll::pass(Duration::from_millis(200))?;
        }
        Ok(())
    }

    fn wait_for_log(&self, text: &str) -> Result<()> {
        let is_there = || self.balancer.log().contains(text).then_some(());
        poll::until(SOON, text, is_there).inspect_err(|_| eprintln!("{}", self.balancer.log()))
    }
}

fn follow() -> Result<()> {
    let mut bed = Bed::start()?;
    bed.wait_for(&["w1", "w2", "w3"])?;
    let worker = bed.balancer.haproxy()?.worker_pid()?;
    let start = Instant::now();
    let load = Load::sending_again(bed.balancer.front(), "/", Rate::default());

    // A leave: the instance serves on, and gets no request any more.
    bed.agents["w3"].deregister(&bed.run, "app")?;
    bed.wait_for(&["w1", "w2"])?;
    bed.apps.get_mut("w3").unwrap().stop()?;
    let (name, address) = WEB[2];
    bed.apps.insert(name, WebApp::start_within(&bed.run, name, name, address)?);
    bed.agents.get_mut(name).unwrap().daemon.stop()?;
    bed.agents.insert(name, web_agent(name, address).start(&bed.run)?);
    bed.wait_for(&["w1", "w2", "w3"])?;

    // An app that dies.
    bed.apps.get_mut("w3").unwrap().kill9();
    bed.wait_for(&["w1", "w2"])?;
    bed.apps.insert(name, WebApp::start_within(&bed.run, name, name, address)?);
    bed.wait_for(&["w1", "w2", "w3"])?;

    // Gossip gives up an agent whose app serves on.
    bed.agents.get_mut("w2").unwrap().daemon.kill9();
    bed.wait_for_log("kept w2-app: failed in Consul, but seen up")?;
    bed.stays(&["w1", "w2", "w3"], Duration::from_secs(3))?;
    let (name, address) = WEB[1];
    bed.agents.insert(name, web_agent(name, address).start(&bed.run)?);

    // Two servers that are cut off from each other have no leader, so Consul cannot be asked.
    bed.network.unplug("c2", SERVERS[1])?;
    bed.wait_for_log("cannot ask 'consul': ")?;
    bed.stays(&["w1", "w2", "w3"], Duration::from_secs(8))?;
    bed.network.replug("c2", SERVERS[1])?;

    // The balancer's own agent is killed and started again.
    bed.own.daemon.kill9();
    bed.stays(&["w1", "w2", "w3"], Duration::from_secs(3))?;
    bed.own = Settings::client("balancer", BALANCER, &SERVERS).start(&bed.run)?;
    bed.own.wait_for_node(&bed.run, "w3")?;
    bed.agents["w3"].deregister(&bed.run, "app")?;
    bed.wait_for(&["w1", "w2"])?;

    let counts = load.since(start);
    assert!(counts.requests > 1_000 && counts.failures() == 0, "{}", counts.failures_shown());
    assert_eq!(bed.balancer.haproxy()?.worker_pid()?, worker, "no reload");
    println!("{} requests, {} failed, in {:?}", counts.requests, counts.failures(), start.elapsed());
    drop(load.stop());
    // Each would leave the cluster first.
    bed.agents.values_mut().chain([&mut bed.own]).for_each(|agent| agent.daemon.kill9());
    Ok(())
}

#[test]
fn a_consul_cluster_is_followed_without_a_failed_request() {
    if namespace::is_possible() && programs::are_here(&["consul"]) {
        namespace::apart(follow).unwrap();
    }
}
