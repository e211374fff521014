//! Two balancers that see different parts of the cluster serve the same servers, and lead each visitor to the same one.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use harness::Result;
use harness::cluster::backend;
use harness::cluster::balancer::Balancer;
use harness::cluster::local_cluster::{GIVEN_UP, SOON};
use harness::daemons::haproxy::Mode;
use harness::daemons::serf::Agent;
use harness::daemons::webapp::WebApp;
use harness::network::namespace;
use harness::network::namespace::Network;
use harness::run::{Run, poll};
use harness::traffic::visitor::Visitor;

const VISITORS: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
/// Each side of the partition: a balancer, and the servers of one namespace.
const SIDES: [Side; 2] = [
    Side {
        balancer: ("b1", Ipv4Addr::new(10, 77, 1, 1)),
        namespace: "left",
        servers: ["w1", "w2", "w3"],
        net: 11,
    },
    Side {
        balancer: ("b2", Ipv4Addr::new(10, 77, 2, 1)),
        namespace: "right",
        servers: ["w4", "w5", "w6"],
        net: 12,
    },
];
const COUNT: usize = 1_000;

struct Side {
    balancer: (&'static str, Ipv4Addr),
    namespace: &'static str,
    servers: [&'static str; 3],
    net: u8,
}

impl Side {
    fn address(&self, server: usize) -> Ipv4Addr {
        Ipv4Addr::new(10, 77, self.net, u8::try_from(server).unwrap() + 1)
    }

    /// The namespaces of this side, each with an address in it.
    fn places(&self) -> [(&'static str, Ipv4Addr); 2] {
        [self.balancer, (self.namespace, self.address(0))]
    }
}

struct Bed {
    balancers: Vec<Balancer>,
    agents: BTreeMap<&'static str, Agent>,
    apps: BTreeMap<&'static str, WebApp>,
    network: Network,
    run: Arc<Run>,
}

impl Bed {
    fn start() -> Result<Bed> {
        let run = Arc::new(Run::new()?);
        let network = Network::new(Arc::clone(&run), VISITORS)?;
        let seeds = SIDES.map(|side| side.balancer.1);
        let mut bed =
            Bed { balancers: Vec::new(), agents: BTreeMap::new(), apps: BTreeMap::new(), network, run };
        for side in &SIDES {
            let (name, address) = side.balancer;
            bed.network.add(name, address)?;
            let mut balancer = Balancer::within(Arc::clone(&bed.run), name, address)?;
            balancer.start_haproxy(Mode::MasterSocket)?;
            balancer.start_agent(&seeds)?;
            balancer.reconcile_every(Duration::from_secs(2));
            bed.balancers.push(balancer);
        }
        for side in &SIDES {
            bed.network.add(side.namespace, side.address(0))?;
            for (at, name) in side.servers.into_iter().enumerate() {
                let address = side.address(at);
                if at > 0 {
                    bed.network.give(Some(side.namespace), address)?;
                }
                bed.apps.insert(name, WebApp::start_within(&bed.run, side.namespace, name, address)?);
                let agent = backend::settings(name, address, &seeds).within(side.namespace);
                bed.agents.insert(name, agent.start(&bed.run)?);
            }
        }
        Ok(bed)
    }

    /// Waits until both balancers serve exactly these servers.
    fn wait_for(&self, names: &[&str]) -> Result<()> {
        let serves = |balancer: &Balancer| {
            let servers = balancer.haproxy().and_then(|haproxy| haproxy.servers()).unwrap_or_default();
            let up = servers.into_iter().filter(|server| server.is_up() && !server.is_in_maintenance());
            let mut up: Vec<String> = up.map(|server| server.name).collect();
            up.sort();
            up == names
        };
        poll::until(GIVEN_UP, &format!("both to serve {names:?}"), || {
            self.balancers.iter().all(serves).then_some(())
        })
        .inspect_err(|_| self.balancers.iter().for_each(|balancer| eprintln!("{}", balancer.log())))
    }

    /// Loses or passes all gossip between the sides.
    fn part(&self, how: fn(&Network, &str, Ipv4Addr) -> Result<()>) -> Result<()> {
        let (left, right) = (SIDES[0].places(), SIDES[1].places());
        for (one, other) in left.iter().flat_map(|one| right.iter().map(move |other| (one, other))) {
            how(&self.network, one.0, other.1)?;
            how(&self.network, other.0, one.1)?;
        }
        Ok(())
    }

    fn leave(&mut self, name: &'static str) -> Result<()> {
        self.agents.remove(name).unwrap().leave(&self.run)?;
        self.apps.remove(name).unwrap().stop().map(drop)
    }

    /// Waits until the first agent of a side has this many members alive.
    fn wait_for_alive(&self, side: usize, count: usize) -> Result<()> {
        self.balancers[side].agent.as_ref().unwrap().wait_for_alive(&self.run, count, GIVEN_UP)
    }
}

/// Visitors, each with the server that has served it.
struct Visitors(Vec<(Visitor, String)>);

impl Visitors {
    fn new(fronts: [SocketAddr; 2]) -> Visitors {
        let first = |number: usize| {
            let mut visitor = Visitor::new(fronts[number % 2]);
            let server = visitor.visit().unwrap().host;
            (visitor, server)
        };
        Visitors((0..COUNT).map(first).collect())
    }

    /// Each visits both balancers, the one before the other in turn. Both lead it to its server, as long as that is one of
    /// `servers`, and otherwise to one new server. Returns how many have a new one.
    fn visit(&mut self, fronts: [SocketAddr; 2], servers: &[&str]) -> usize {
        let mut moved = 0;
        for (number, (visitor, server)) in self.0.iter_mut().enumerate() {
            let mut seen = Vec::new();
            for turn in 0..2 {
                visitor.go_to(fronts[(number + turn) % 2]);
                seen.push(visitor.visit().unwrap().host);
            }
            assert_eq!(seen[0], seen[1], "visitor {number}");
            if servers.contains(&server.as_str()) {
                assert_eq!(seen[0], *server, "visitor {number}");
            } else {
                moved += 1;
                server.clone_from(&seen[0]);
            }
            assert_eq!(visitor.lost(), 0, "visitor {number}");
        }
        moved
    }
}

fn agree() -> Result<()> {
    let mut bed = Bed::start()?;
    bed.wait_for(&["w1", "w2", "w3", "w4", "w5", "w6"])?;
    bed.wait_for_alive(0, 8)?;
    bed.wait_for_alive(1, 8)?;
    let fronts = [bed.balancers[0].front(), bed.balancers[1].front()];
    let mut visitors = Visitors::new(fronts);
    assert_eq!(visitors.visit(fronts, &["w1", "w2", "w3", "w4", "w5", "w6"]), 0);

    // Each balancer now hears of its own side alone, and reaches all servers.
    bed.part(Network::lose_gossip)?;
    bed.wait_for_alive(0, 4)?;
    bed.wait_for_alive(1, 4)?;
    assert_eq!(visitors.visit(fronts, &["w1", "w2", "w3", "w4", "w5", "w6"]), 0);
    // One hears of the leave, and the other finds the server down.
    bed.leave("w2")?;
    bed.wait_for(&["w1", "w3", "w4", "w5", "w6"])?;
    let moved = visitors.visit(fronts, &["w1", "w3", "w4", "w5", "w6"]);
    assert!(moved > COUNT / 20, "{moved} of {COUNT} had w2");

    bed.part(Network::pass_gossip)?;
    // Serf tries those that have failed once in a while; a join is what an operator or the rejoin timer does.
    poll::until(SOON, "a join", || {
        bed.balancers[0].agent.as_ref().unwrap().join(&bed.run, SIDES[1].balancer.1).ok()
    })?;
    bed.wait_for_alive(0, 7)?;
    bed.wait_for_alive(1, 7)?;
    assert_eq!(visitors.visit(fronts, &["w1", "w3", "w4", "w5", "w6"]), 0);
    bed.leave("w5")?;
    bed.wait_for(&["w1", "w3", "w4", "w6"])?;
    let moved_again = visitors.visit(fronts, &["w1", "w3", "w4", "w6"]);
    println!(
        "{COUNT} visitors over both balancers: {moved} moved with w2, {moved_again} with w5, no session lost"
    );
    bed.agents.values_mut().for_each(Agent::kill9);
    bed.balancers.iter_mut().for_each(|balancer| balancer.agent.as_mut().unwrap().kill9());
    bed.apps.values_mut().for_each(WebApp::kill9);
    Ok(())
}

#[test]
fn two_balancers_lead_a_thousand_visitors_to_the_same_servers_in_a_partition_and_after_it() {
    if namespace::is_possible() {
        namespace::apart(agree).unwrap();
    }
}
