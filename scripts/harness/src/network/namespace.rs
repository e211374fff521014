//! A private network: namespaces around a router. A link can be cut, or only the gossip on it can be dropped.
//!
//! Nothing outside can see it, and it needs no clean-up. A run enters a new network and mount namespace with an empty
//! `/run/netns`, where `ip netns` keeps the names of namespaces. The kernel removes everything with the last process
//! of the run, and the run's guardian ends that even after a kill -9. It needs root and iproute2. To drop packets,
//! the receiver gets a routing rule, so a packet filter is not needed.

use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::process::Command;
use std::sync::Arc;
use std::thread;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use crate::network::subnet::GOSSIP_PORT;
use crate::run::Run;
use crate::run::error::Result;
use crate::run::error::system;
use crate::run::{process, programs};

const NAMES: &str = "/run/netns";
/// The namespace that connects all others. With a bridge instead, each namespace would need an ARP entry for every
/// other one, and the kernel keeps at most 1,024 entries for all namespaces together.
const ROUTER: &str = "router";
/// The router's address, the same on each of its links.
const GATEWAY: &str = "10.77.255.254";
/// The network device in each namespace.
const DEVICE: &str = "eth0";
/// The packets of gossip: protocol, and the side whose port it is.
const GOSSIP: [&str; 3] = ["udp dport", "tcp dport", "tcp sport"];
/// All addresses of the network.
const ALL: &str = "10.77.0.0/16";

/// True if a test can use such a network and everything that the whole chain needs is installed. If not, the test
/// fails where `$CI` is set, and is skipped elsewhere with a message on stderr.
pub fn is_possible() -> bool {
    let missing = || {
        let root = nix::unistd::geteuid().is_root().then_some(()).ok_or("root".to_owned());
        let found = |program| programs::find(program).map(drop).map_err(|err| err.to_string());
        [root, found("ip"), found("nsenter")].into_iter().find_map(std::result::Result::err)
    };
    match missing() {
        None => programs::are_all_here(),
        Some(what) if std::env::var_os("CI").is_some() => panic!("a network namespace needs {what}"),
        Some(what) => {
            eprintln!("SKIPPED: a network namespace needs {what}");
            false
        }
    }
}

/// Runs `action` in a new thread, with a private network and private mounts.
pub fn apart<T: Send>(action: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    thread::scope(|scope| {
        let thread = scope.spawn(|| enter().and_then(|()| action()));
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Runs `action` in a new thread, on a network that has only loopback. The processes and threads that it starts are
/// on that network too. Needs root.
pub fn on_loopback_alone<T: Send>(action: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    apart(|| {
        process::output(&Run::new()?, Command::new(programs::find("ip")?).args(["link", "set", "lo", "up"]))?;
        action()
    })
}

fn enter() -> Result<()> {
    let errno = |err: nix::Error| io::Error::from(err);
    unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS)
        .map_err(errno)
        .map_err(system("enter", "a network namespace (it needs root)"))?;
    let nothing = None::<&str>;
    mount(nothing, "/", nothing, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing)
        .map_err(errno)
        .map_err(system("make private", "/"))?;
    fs::create_dir_all(NAMES).map_err(system("make", NAMES))?;
    mount(Some("tmpfs"), NAMES, Some("tmpfs"), MsFlags::empty(), nothing)
        .map_err(errno)
        .map_err(system("mount", NAMES))
}

/// The same command, run in a namespace. The program is exec'ed, so the process id is its own.
pub fn within(namespace: &str, command: &Command) -> Command {
    let mut inside = Command::new("nsenter");
    inside.arg(format!("--net={NAMES}/{namespace}")).arg(command.get_program()).args(command.get_args());
    for (key, value) in command.get_envs() {
        match value {
            Some(value) => inside.env(key, value),
            None => inside.env_remove(key),
        };
    }
    inside
}

/// Which packets are lost.
#[derive(Clone, Copy, Debug)]
pub enum From {
    /// All packets.
    All,
    /// Packets from this address.
    Only(Ipv4Addr),
    /// All packets but those from this address.
    AllBut(Ipv4Addr),
}

/// A router and the namespaces connected to it. The caller's own namespace is one of them.
#[derive(Debug)]
pub struct Network {
    run: Arc<Run>,
}

impl Network {
    /// Makes a network. The caller, who must be within `apart`, gets this address on it.
    pub fn new(run: Arc<Run>, address: Ipv4Addr) -> Result<Network> {
        let network = Network { run };
        network.ip(&format!("netns add {ROUTER}"))?;
        let mut forward = Command::new("sh");
        forward.args(["-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"]);
        process::output(&network.run, &mut within(ROUTER, &forward))?;
        network
            .ip(&format!("-n {ROUTER} link add own type veth peer name {DEVICE} netns {}", thread_id()))?;
        network.plug(None, "own", address)?;
        Ok(network)
    }

    /// Adds a namespace with this address, and routes the address's whole /24 to it.
    pub fn add(&self, namespace: &str, address: Ipv4Addr) -> Result<()> {
        self.ip(&format!("netns add {namespace}"))?;
        self.ip(&format!("-n {ROUTER} link add {namespace} type veth peer name {DEVICE} netns {namespace}"))?;
        self.plug(Some(namespace), namespace, address)
    }

    fn plug(&self, namespace: Option<&str>, port: &str, address: Ipv4Addr) -> Result<()> {
        self.ip(&format!("-n {ROUTER} link set {port} up"))?;
        self.ip(&format!("-n {ROUTER} addr add {GATEWAY}/32 dev {port}"))?;
        self.ip(&format!("-n {ROUTER} route add {} dev {port}", block(address)))?;
        self.ip_in(namespace, "link set lo up")?;
        self.ip_in(namespace, &format!("link set {DEVICE} up"))?;
        self.give(namespace, address)?;
        self.ip_in(namespace, &format!("route add {GATEWAY} dev {DEVICE}"))?;
        self.ip_in(namespace, &format!("route add {ALL} via {GATEWAY}"))?;
        // The rules that drop packets must come before the rule for local addresses.
        self.ip_in(namespace, "rule del pref 0")?;
        self.ip_in(namespace, "rule add pref 100 lookup local")
    }

    /// Adds one more address of its /24 to a namespace (`None`: the caller's).
    pub fn give(&self, namespace: Option<&str>, address: Ipv4Addr) -> Result<()> {
        self.ip_in(namespace, &format!("addr add {address}/32 dev {DEVICE}"))
    }

    /// Removes an address from a namespace.
    pub fn take(&self, namespace: &str, address: Ipv4Addr) -> Result<()> {
        self.ip_in(Some(namespace), &format!("addr del {address}/32 dev {DEVICE}"))
    }

    /// Drops all packets from and to a namespace that has this address.
    pub fn unplug(&self, namespace: &str, address: Ipv4Addr) -> Result<()> {
        self.lose("add", namespace, address)
    }

    /// Stops dropping the packets again.
    pub fn replug(&self, namespace: &str, address: Ipv4Addr) -> Result<()> {
        self.lose("del", namespace, address)
    }

    fn lose(&self, verb: &str, namespace: &str, address: Ipv4Addr) -> Result<()> {
        self.ip(&format!("-n {ROUTER} rule {verb} pref 20 iif {namespace} blackhole"))?;
        self.ip(&format!("-n {ROUTER} rule {verb} pref 20 to {} blackhole", block(address)))
    }

    /// Drops gossip from a namespace to the /24 of an address, and nothing else.
    pub fn lose_gossip(&self, namespace: &str, to: Ipv4Addr) -> Result<()> {
        self.gossip("add", namespace, to)
    }

    /// Stops dropping it.
    pub fn pass_gossip(&self, namespace: &str, to: Ipv4Addr) -> Result<()> {
        self.gossip("del", namespace, to)
    }

    fn gossip(&self, verb: &str, namespace: &str, to: Ipv4Addr) -> Result<()> {
        for what in GOSSIP {
            let rule = format!("iif {namespace} to {} ipproto {what} {GOSSIP_PORT} blackhole", block(to));
            self.ip(&format!("-n {ROUTER} rule {verb} pref 30 {rule}"))?;
        }
        Ok(())
    }

    /// Makes a namespace (`None`: the caller's) drop incoming gossip, and nothing else.
    pub fn deafen(&self, namespace: Option<&str>, from: From) -> Result<()> {
        let source = match from {
            From::Only(address) => format!("from {address}"),
            From::All | From::AllBut(_) => String::new(),
        };
        if let From::AllBut(address) = from {
            self.ip_in(namespace, &format!("rule add pref 5 from {address} lookup local"))?;
        }
        for (at, what) in GOSSIP.iter().enumerate() {
            let rule = format!("{source} iif {DEVICE} ipproto {what} {GOSSIP_PORT} blackhole");
            self.ip_in(namespace, &format!("rule add pref {} {rule}", 10 + at))?;
        }
        Ok(())
    }

    /// Stops dropping incoming gossip again.
    pub fn undeafen(&self, namespace: Option<&str>, from: From) -> Result<()> {
        let exception = matches!(from, From::AllBut(_)).then_some(5);
        exception
            .into_iter()
            .chain(10..13)
            .try_for_each(|pref| self.ip_in(namespace, &format!("rule del pref {pref}")))
    }

    fn ip_in(&self, namespace: Option<&str>, words: &str) -> Result<()> {
        match namespace {
            Some(namespace) => self.ip(&format!("-n {namespace} {words}")),
            None => self.ip(words),
        }
    }

    fn ip(&self, words: &str) -> Result<()> {
        let mut command = Command::new(programs::find("ip")?);
        process::output(&self.run, command.args(words.split_whitespace())).map(drop)
    }
}

/// The /24 of an address: the addresses that belong to its namespace.
fn block(address: Ipv4Addr) -> String {
    let [a, b, c, _] = address.octets();
    format!("{a}.{b}.{c}.0/24")
}

/// The calling thread's id. The kernel finds the thread's namespace by it; the process may be in another one.
fn thread_id() -> i32 {
    nix::unistd::gettid().as_raw()
}
