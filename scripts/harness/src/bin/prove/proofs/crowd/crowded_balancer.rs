//! A balancer, web servers that always serve, and members that come, move and go.

use std::fs;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use harness::cluster::local_cluster::{Cluster, SOON};
use harness::daemons::counting_server::CountingServer;
use harness::daemons::haproxy::{Mode, Servers, servers_of};
use harness::daemons::serf::{Agent, Settings};
use harness::run::{poll, process, programs};
use harness::traffic::load::{Counts, Load, Rate};
use harness::{Result, system};

use crate::judging::haproxy_check::HaproxyCheck;
use crate::judging::listing::{Listing, difference, listing};
use crate::judging::random::Dice;
use crate::setups::test_nodes;

/// Members that change, each once in a round.
const CHANGING: usize = 20;
/// Members that stay, so that there is always a server.
const STEADY: usize = 2;
const PORT: u16 = 3000;
/// The events for a member that is present, and the one for a member that has left. (Members that failed or were
/// forgotten are left to reconcile, which asks HAProxy whether they are up.)
const COMING: [&str; 2] = ["member-join", "member-update"];
const LEAVING: &str = "member-leave";
/// The variable that marks every process of a crowd; its value is the run's directory.
const MARK: &str = "ROLLCALL_CROWD";
/// The limit in seconds for a handler that waits for its turn. A step waits a third of it for a lock.
const LIMIT: u32 = 300;
const LIGHT: Rate = Rate { visitors: 4, every: Duration::from_millis(50) };

/// A member: where it is, if it is there, and its weight.
#[derive(Clone, Debug)]
struct Member {
    name: String,
    at: Option<(SocketAddr, usize)>,
    /// Two addresses, each with a web server. The member moves from one to the other.
    places: [SocketAddr; 2],
}

/// A balancer, its members and load.
pub struct CrowdedBalancer {
    members: Vec<Member>,
    /// How many members joined, changed and left.
    changes: [usize; 3],
    checked: HaproxyCheck,
    begun: Instant,
    load: Load,
    _agent: Agent,
    _apps: Vec<CountingServer>,
    // The last field, because dropping it ends all processes of the run.
    cluster: Cluster,
}

impl CrowdedBalancer {
    /// Starts the balancer with the members that stay.
    pub fn start() -> Result<CrowdedBalancer> {
        let mut cluster = Cluster::new()?;
        cluster.balancer.set_env("ROLLCALL_ROLES", "backend");
        // On a busy machine the last handler of a crowd waits longer than the default.
        cluster.balancer.set_env("ROLLCALL_STEP_TIMEOUT", LIMIT.to_string());
        cluster.balancer.start_haproxy(Mode::MasterSocket)?;
        // Set only now, because HAProxy itself is not part of a crowd.
        let directory = cluster.run().path().to_owned();
        cluster.balancer.set_env(MARK, directory);
        let agent = Settings::new("balancer", cluster.balancer.address()).tag("role", "balancer");
        let agent = agent.set("disable_name_resolution", true).start(cluster.run())?;
        let (mut members, mut apps) = (Vec::new(), Vec::new());
        for number in 0..STEADY + CHANGING {
            let places = [0, 1].map(|_| SocketAddr::from((cluster.net.next_host(), PORT)));
            for place in places {
                apps.push(CountingServer::start(place)?);
            }
            let at = (number < STEADY).then_some((places[0], 1));
            members.push(Member { name: format!("m{number}"), at, places });
        }
        for member in &members[..STEADY] {
            cluster.balancer.handle("member-join", &test_nodes::event(&member.nodes()))?;
        }
        cluster.wait_for_up("m0", SOON)?;
        // The load starts only now: the old worker, which has no servers, still answers on its open connections.
        let (begun, load) = (Instant::now(), Load::start(cluster.front(), "/", LIGHT));
        let checked = HaproxyCheck::new(cluster.run().join("checked.cfg"))?;
        Ok(CrowdedBalancer {
            members,
            changes: [0; 3],
            checked,
            begun,
            load,
            _agent: agent,
            _apps: apps,
            cluster,
        })
    }

    /// The next event for each changing member: its name, and the payload that Serf would send to the handler.
    pub fn next_events(&mut self, dice: &mut Dice) -> Vec<(&'static str, String)> {
        let changes = &mut self.changes;
        self.members[STEADY..].iter_mut().map(|member| member.change(dice, changes)).collect()
    }

    /// Starts the shipped handler with an event.
    pub fn start_handler(&self, event: &str, payload: &str) -> Result<Child> {
        self.cluster.balancer.start_handler(event, payload)
    }

    /// Starts reload-haproxy, independently of the handlers.
    pub fn start_reload(&self) -> Result<Child> {
        let mut command = Command::new(programs::bin_dir()?.join("reload-haproxy"));
        self.cluster.balancer.with_environment(self.cluster.run().adopt(&mut command));
        command
            .arg("--config")
            .arg(self.cluster.balancer.config())
            .arg("--log")
            .arg(self.cluster.balancer.log_path());
        command.arg("--state-dir").arg(self.cluster.balancer.directory().join("state"));
        command.args(["--lock-timeout", &format!("{LIMIT}s")]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().map_err(system("run", "reload-haproxy"))
    }

    /// The differences from the members that the events announced.
    pub fn faults(&mut self) -> Result<Vec<String>> {
        let mut faults = Vec::new();
        let (mut records, mut pool) = (Listing::new(), Servers::new());
        for node in self.members.iter().flat_map(Member::nodes) {
            records.insert(format!("{}.json", node.name), node.pack());
        }
        for member in &self.members {
            pool.extend(member.at.map(|(address, _)| (member.name.clone(), address)));
        }
        let seen = listing(&self.cluster.balancer.nodes_dir())?;
        faults.extend(difference(&seen, &records).map(|fault| format!("the records are {fault}")));
        let config = self.cluster.balancer.config();
        let text = fs::read_to_string(&config).map_err(system("read", config.display()))?;
        if servers_of(&text) != pool {
            faults.push("haproxy.cfg does not have the records' servers".to_owned());
        }
        if self.cluster.balancer.haproxy()?.in_service()? != pool {
            faults.push("HAProxy does not have the servers of haproxy.cfg".to_owned());
        }
        faults.extend(self.checked.fault(&config)?);
        if self.strays().is_err() {
            faults.push("processes are left".to_owned());
        }
        Ok(faults)
    }

    /// Waits until no process of a crowd is left.
    fn strays(&self) -> Result<()> {
        let mark = format!("{MARK}={}", self.cluster.run().path().display());
        poll::until(Duration::from_secs(5), "the end of all of a crowd", || {
            let left = process::marked(|entry| entry == mark.as_bytes());
            left.is_ok_and(|left| left.is_empty()).then_some(())
        })
    }

    /// The last line of the log.
    pub fn last_words(&self) -> String {
        self.cluster.balancer.log().lines().rev().take(3).collect::<Vec<_>>().join("; ")
    }

    /// The changes as text.
    pub fn changes(&self) -> String {
        let [joined, changed, left] = self.changes;
        format!("{joined} joined, {changed} moved or changed, {left} left")
    }

    /// The requests since it started.
    pub fn requests(&self) -> Counts {
        self.load.since(self.begun)
    }
}

impl Member {
    /// The members that are present, as nodes.
    fn nodes(&self) -> Vec<common::node::Node> {
        self.at.iter().map(|(address, weight)| test_nodes::node(&self.name, *address, *weight)).collect()
    }

    fn change(&mut self, dice: &mut Dice, changes: &mut [usize; 3]) -> (&'static str, String) {
        let weight = 1 + dice.below(256);
        let Some((address, _)) = self.at else {
            self.at = Some((*dice.one_of(&self.places), weight));
            changes[0] += 1;
            return (COMING[0], test_nodes::event(&self.nodes()));
        };
        if dice.below(2) == 0 {
            let payload = test_nodes::event(&self.nodes());
            self.at = None;
            changes[2] += 1;
            return (LEAVING, payload);
        }
        let elsewhere = self.places[usize::from(address == self.places[0])];
        self.at = Some((*dice.one_of(&[address, elsewhere]), weight));
        changes[1] += 1;
        (*dice.one_of(&COMING), test_nodes::event(&self.nodes()))
    }
}
