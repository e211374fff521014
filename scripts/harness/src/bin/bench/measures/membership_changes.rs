//! Members that join, leave and move, through the whole of `scripts/serf-handler`, under load.
//!
//! The web servers are real and serve all the time; only the members that announce them change. Serf would need most
//! of an hour for a thousand real changes, so the events are created here. The agent that the handler asks is real,
//! but it has only itself as a member, like an agent that is cut off. So reconcile's guard leaves the records
//! unchanged, and the handler ends with 6.

use std::fs;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use common::node::{Node, Tags};
use harness::cluster::local_cluster::{Cluster, SOON};
use harness::daemons::haproxy::{Mode, Servers, servers_in_service, servers_of};
use harness::daemons::serf::{Agent, Settings};
use harness::daemons::webapp::{PORT, WebApp};
use harness::run::poll;
use harness::traffic::load::{Load, Rate};
use harness::{Error, Result};

use crate::bench::Bench;
use crate::results::report::{Figure, Report};
use crate::results::sampling::median;
use crate::results::timed_run::system;
use crate::setups::node_records::payload;

const CHANGES: usize = 1_000;
/// Members that stay, so that there is always a server. HAProxy checks a new server for half a second before it is
/// used.
const STEADY: usize = 2;
/// Members that change in turn, each about 0.7 s after its last change.
const CHANGING: usize = 8;
/// One web server more than members, so that each member can move.
const APPS: usize = STEADY + CHANGING + 1;
const JOINS: usize = 150;
/// Enough requests that a server in service for a single millisecond gets one.
const LEAK_RATE: Rate = Rate { visitors: 16, every: Duration::from_millis(8) };
/// How long a server that does not listen stays, which includes its first checks.
const WATCHED: Duration = Duration::from_millis(50);
const ROLE: &str = "backend";
/// The handler's exit code if the guard refused and everything else succeeded.
const GUARDED: i32 = 6;

/// Makes a thousand changes; counts reloads, failed requests, and differences between HAProxy and the file.
pub fn changes(bench: &Bench, report: &mut Report) -> Result<()> {
    let mut site = BalancerWithHandler::start()?;
    let before = site.state()?;
    let load = Load::start(site.cluster.front(), "/", Rate::default());
    let n = bench.rounds(CHANGES, 20);
    let (mut times, mut different) = (Vec::new(), 0_u64);
    let mut kinds = [0; 3];
    for number in 0..n {
        let (kind, took) = site.change(number)?;
        kinds[kind as usize] += 1;
        times.push(took);
        different += u64::from(!site.is_as_it_should_be()?);
    }
    let counts = load.count(|_| true);
    drop(load);
    let after = site.state()?;
    let reloads = u64::from(after.reloads - before.reloads).max(u64::from(after.worker != before.worker));
    let none = Some(Figure::Count(0));
    report.row("reloads over all changes of membership", Figure::Count(reloads), none, n);
    report.row("failed requests over them", Figure::Count(counts.failures()), none, n);
    report.row("changes after which HAProxy was not as the file", Figure::Count(different), none, n);
    report.row("scripts/serf-handler, one joined, moved or left", Figure::Time(median(times)), None, n);
    let [joined, moved, left] = kinds;
    report.note(&format!("{joined} joined, {moved} moved, {left} left; {} GETs meanwhile", counts.requests));
    Ok(())
}

/// Adds servers before they listen; counts the requests that HAProxy sends to them.
pub fn leak(bench: &Bench, report: &mut Report) -> Result<()> {
    let mut site = BalancerWithHandler::start()?;
    let load = Load::start(site.cluster.front(), "/", LEAK_RATE);
    let address = SocketAddr::from((site.cluster.net.next_host(), PORT));
    let n = bench.rounds(JOINS, 10);
    let mut leaked = 0;
    for number in 0..n {
        let name = format!("absent{number}");
        site.announce(&name, address)?;
        poll::pass(WATCHED)?;
        leaked += site.given(&name)?;
        site.withdraw(&name)?;
    }
    let counts = load.count(|_| true);
    let none = Some(Figure::Count(0));
    report.row("requests given to servers that join and do not listen", Figure::Count(leaked), none, n);
    report.row("failed requests meanwhile", Figure::Count(counts.failures()), none, n);
    report.note(&format!("{} GETs meanwhile", counts.requests));
    Ok(())
}

/// A balancer, web servers, and the members that announce them.
struct BalancerWithHandler {
    agent: Agent,
    apps: Vec<WebApp>,
    members: [Member; CHANGING],
    /// The announced servers.
    servers: Servers,
    // The last field, because dropping it ends all processes of the run.
    cluster: Cluster,
}

/// A member that changes: its next change, and how often it has joined.
#[derive(Clone, Copy)]
struct Member {
    next: Kind,
    joins: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Join,
    Move,
    Leave,
}

/// The state that a reload would change.
struct State {
    reloads: u32,
    worker: u32,
}

impl BalancerWithHandler {
    /// Starts it, with some of the changing members present.
    fn start() -> Result<BalancerWithHandler> {
        let mut cluster = Cluster::new()?;
        cluster.balancer.set_env("ROLLCALL_ROLES", ROLE);
        cluster.balancer.start_haproxy(Mode::MasterSocket)?;
        let agent = Settings::new("balancer", cluster.balancer.address()).tag("role", "balancer");
        let agent = agent.set("disable_name_resolution", true).start(cluster.run())?;
        let app =
            |number: usize| WebApp::start(cluster.run(), &format!("app{number}"), cluster.net.next_host());
        let apps = (0..APPS).map(app).collect::<Result<_>>()?;
        let members = std::array::from_fn(|number| Member {
            next: [Kind::Join, Kind::Move, Kind::Leave][number % 3],
            joins: number % 3,
        });
        let mut site = BalancerWithHandler { agent, apps, members, servers: Servers::new(), cluster };
        for number in 0..STEADY {
            site.announce(&format!("steady{number}"), site.free(number))?;
        }
        for number in (0..CHANGING).filter(|number| members[*number].next != Kind::Join) {
            site.announce(&site.name(number), site.free(number))?;
        }
        for name in site.servers.keys() {
            site.cluster.wait_for_up(name, SOON)?;
        }
        Ok(site)
    }

    /// Makes the change with this number; returns its kind and how long the handler took.
    fn change(&mut self, number: usize) -> Result<(Kind, Duration)> {
        let (slot, address) = (number % CHANGING, self.free(number));
        let kind = self.members[slot].next;
        let took = match kind {
            Kind::Join => {
                self.members[slot].joins += 1;
                self.announce(&self.name(slot), address)?
            }
            Kind::Move => self.announce(&self.name(slot), address)?,
            Kind::Leave => self.withdraw(&self.name(slot))?,
        };
        self.members[slot].next = kind.next();
        Ok((kind, took))
    }

    /// A member's name. Every second time that it comes back it has its old name.
    fn name(&self, slot: usize) -> String {
        format!("s{slot}-{}", self.members[slot].joins / 2)
    }

    /// The address of the first web server, searching from this number on, that no member announces.
    fn free(&self, from: usize) -> SocketAddr {
        let addresses = self.apps.iter().map(WebApp::address);
        let mut addresses = addresses.cycle().skip(from % APPS);
        let is_free = |address: &SocketAddr| !self.servers.values().any(|server| server == address);
        addresses.find(is_free).expect("there is one more than there are members")
    }

    /// Calls the handler with the join of a server; returns how long it took.
    fn announce(&mut self, name: &str, address: SocketAddr) -> Result<Duration> {
        self.servers.insert(name.to_owned(), address);
        self.handle("member-join", name, address)
    }

    /// Calls the handler with the leave of a server; returns how long it took.
    fn withdraw(&mut self, name: &str) -> Result<Duration> {
        let address = self.servers.remove(name);
        let address = address.ok_or_else(|| Error::Unfit(format!("'{name}' is not there")))?;
        self.handle("member-leave", name, address)
    }

    fn handle(&self, event: &str, name: &str, address: SocketAddr) -> Result<Duration> {
        let tags = [("role", ROLE.to_owned()), ("port", address.port().to_string())];
        let tags: Tags = tags.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        let node = Node::new(name, &address.ip().to_string(), tags);
        let node = node.expect("name, address and tags pass the whitelists");
        let start = Instant::now();
        let code = self.cluster.balancer.handle(event, &payload(&node))?;
        let took = start.elapsed();
        let log = || self.cluster.balancer.log().lines().rev().take(5).collect::<Vec<_>>().join("; ");
        if code == GUARDED {
            Ok(took)
        } else {
            Err(Error::Unfit(format!("serf-handler ended with {code}: {}", log())))
        }
    }

    /// Whether HAProxy and the file have exactly the announced servers.
    fn is_as_it_should_be(&self) -> Result<bool> {
        let config = self.cluster.balancer.config();
        let text = fs::read_to_string(&config).map_err(system("read", &config))?;
        let answer = self.cluster.balancer.haproxy()?.command("show servers state")?;
        Ok(servers_of(&text) == self.servers && servers_in_service(&answer).as_ref() == Some(&self.servers))
    }

    /// How many requests HAProxy has sent to a server.
    fn given(&self, name: &str) -> Result<u64> {
        let rows = self.cluster.balancer.haproxy()?.show_stat()?;
        let row = rows.iter().find(|row| row.get("svname").is_some_and(|known| known == name));
        let count = |column: &str| -> Option<u64> { row?.get(column)?.parse().ok() };
        let count = count("lbtot").zip(count("econ")).map(|(given, refused)| given.max(refused));
        count.ok_or_else(|| Error::Unfit(format!("HAProxy does not have '{name}'")))
    }

    fn state(&self) -> Result<State> {
        let haproxy = self.cluster.balancer.haproxy()?;
        let answer = haproxy.master_command("show proc")?;
        let master = answer.lines().find(|line| line.split_whitespace().nth(1) == Some("master"));
        let reloads = master.and_then(|line| line.split_whitespace().nth(2)?.parse().ok());
        let reloads = reloads.ok_or_else(|| Error::Unfit("show proc reports no reloads".to_owned()))?;
        Ok(State { reloads, worker: haproxy.worker_pid()? })
    }
}

impl Kind {
    fn next(self) -> Kind {
        match self {
            Kind::Join => Kind::Move,
            Kind::Move => Kind::Leave,
            Kind::Leave => Kind::Join,
        }
    }
}

impl Drop for BalancerWithHandler {
    fn drop(&mut self) {
        // No other member and no client is left, so nothing needs an orderly end.
        self.agent.kill9();
        self.apps.iter_mut().for_each(WebApp::kill9);
    }
}
