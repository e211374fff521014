//! A machine that vanishes with a request in progress: no reset and no answer reaches the balancer.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use common::node::{Node, Tags};
use common::nodes_directory::NodesDir;
use harness::Result;
use harness::cluster::balancer::Balancer;
use harness::daemons::haproxy::Mode;
use harness::daemons::webapp;
use harness::daemons::webapp::WebApp;
use harness::network::namespace;
use harness::network::namespace::Network;
use harness::run::Run;
use harness::run::poll;
use harness::traffic::http::Client;

const BALANCER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
const SERVERS: [(&str, Ipv4Addr); 2] =
    [("s1", Ipv4Addr::new(10, 77, 1, 1)), ("s2", Ipv4Addr::new(10, 77, 2, 1))];
const SOON: Duration = Duration::from_secs(20);
/// HAProxy notices after eight seconds of silence; the rest is for a busy machine. `timeout server` is 30 s.
const NOTICED: Duration = Duration::from_secs(15);

fn slow_down(address: Ipv4Addr, body: &[u8]) {
    let headers = [("Content-Type", "application/json")];
    let mut client = Client::fresh(SocketAddr::from((address, webapp::PORT)));
    client.send("POST", "/delay", &headers, body).unwrap().success().unwrap();
}

/// A balancer and two web apps, each in its own namespace, in the caller's network.
struct Machines {
    apps: Vec<WebApp>,
    balancer: Balancer,
    network: Network,
}

impl Machines {
    fn start() -> Result<Machines> {
        let run = Arc::new(Run::new()?);
        let network = Network::new(Arc::clone(&run), BALANCER)?;
        let mut balancer = Balancer::new(Arc::clone(&run), BALANCER)?;
        let mut records = NodesDir::lock(&balancer.nodes_dir(), SOON).unwrap();
        let mut apps = Vec::new();
        for (name, address) in SERVERS {
            network.add(name, address)?;
            apps.push(WebApp::start_within(&run, name, name, address)?);
            let tags = Tags::from([("role".to_owned(), "backend".to_owned())]);
            records.put(&Node::new(name, &address.to_string(), tags).unwrap()).unwrap();
        }
        assert!(records.finish().is_empty());
        balancer.start_haproxy(Mode::MasterSocket)?;
        Ok(Machines { apps, balancer, network })
    }

    /// Waits until this column of a server's statistics has this value.
    fn wait_for(&self, name: &str, column: &str, value: &str) -> Result<()> {
        poll::until(2 * SOON, &format!("{column} {value} of {name}"), || {
            let rows = self.balancer.haproxy().and_then(|haproxy| haproxy.show_stat()).ok()?;
            rows.iter().any(|row| row["svname"] == name && row[column] == value).then_some(())
        })
    }
}

/// How long it takes until the request of the vanished server is sent to another one.
fn vanish() -> Result<Duration> {
    let mut machines = Machines::start()?;
    for (name, _) in SERVERS {
        machines.wait_for(name, "status", "UP")?;
    }
    // Of two requests at the same time, each server gets one.
    slow_down(SERVERS[0].1, br#"{"delay": 30000}"#);
    slow_down(SERVERS[1].1, br#"{"delay": 2000}"#);
    let front = machines.balancer.front();
    let visitors = [(); 2].map(|()| {
        thread::spawn(move || Client::fresh(front).with_timeout(2 * SOON).get("/").unwrap().status)
    });
    machines.wait_for(SERVERS[0].0, "scur", "1")?;
    // Nothing shows when the request has been acknowledged. On a link like this that takes no time.
    thread::sleep(Duration::from_secs(2));
    machines.network.unplug(SERVERS[0].0, SERVERS[0].1)?;
    let start = Instant::now();
    machines.wait_for(SERVERS[0].0, "scur", "0")?;
    let took = start.elapsed();
    for visitor in visitors {
        assert_eq!(visitor.join().unwrap(), 200);
    }
    machines.apps.iter_mut().for_each(WebApp::kill9);
    Ok(took)
}

#[test]
fn another_one_answers_before_the_server_timeout() {
    if namespace::is_possible() {
        let took = namespace::apart(vanish).unwrap();
        assert!(took < NOTICED, "{took:?}");
    }
}
