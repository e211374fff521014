//! A Docker Swarm of three machines: an engine in a network namespace each, on one segment.
//!
//! The caller is within `namespace::apart`. So nothing outside sees the Swarm, and the kernel removes its networks with
//! the run. The images come from the engine that runs the other tests.

mod swarm_node;

use std::env;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::daemons::docker::engine::{command, docker};
use crate::network::segment::Segment;
use crate::run::error::Result;
use crate::run::{Run, poll, programs};

pub use swarm_node::{STACK, SwarmNode};

/// How long a Swarm may take for a change. On an idle machine it takes a third of that.
pub const SOON: Duration = Duration::from_secs(120);

const VISITORS: Ipv4Addr = Ipv4Addr::new(10, 79, 0, 200);
const MACHINES: [(&str, Ipv4Addr); 3] = [
    ("n1", Ipv4Addr::new(10, 79, 0, 1)),
    ("n2", Ipv4Addr::new(10, 79, 0, 2)),
    ("n3", Ipv4Addr::new(10, 79, 0, 3)),
];

/// Three machines, all of them managers, with the images of `docker/`.
#[derive(Debug)]
pub struct Swarm {
    /// The machines; the first made the Swarm.
    pub machines: Vec<SwarmNode>,
    /// The network between them and the caller.
    pub segment: Segment,
    tag: String,
}

impl Swarm {
    /// Starts the engines, copies the images to each, and makes a Swarm of them.
    pub fn start(run: &Arc<Run>) -> Result<Swarm> {
        let tag = env::var("IMAGE_TAG").unwrap_or_else(|_| "latest".to_owned());
        let images = run.join("images.tar");
        let [ha, webapp] = ["ha", "webapp"].map(|image| format!("rollcall-{image}:{tag}"));
        docker(&["save", "-o", &images.display().to_string(), &ha, &webapp])?;
        let segment = Segment::new(Arc::clone(run), VISITORS)?;
        let mut machines = Vec::new();
        for (name, address) in MACHINES {
            segment.add(name, address)?;
            machines.push(SwarmNode::start(run, name, address)?);
        }
        for machine in &mut machines {
            machine.wait_until_it_answers()?;
            machine.docker(&["load", "-i", &images.display().to_string()])?;
        }
        let swarm = Swarm { machines, segment, tag };
        swarm.join()?;
        Ok(swarm)
    }

    fn join(&self) -> Result<()> {
        let [first, others @ ..] = &self.machines[..] else { return Ok(()) };
        let own = first.address.to_string();
        first.docker(&["swarm", "init", "--advertise-addr", &own, "--listen-addr", &own])?;
        let token = first.docker(&["swarm", "join-token", "-q", "manager"])?;
        for machine in others {
            let address = machine.address.to_string();
            let addresses = ["--advertise-addr", &address, "--listen-addr", &address];
            let join = ["swarm", "join", "--token", token.trim()];
            machine.docker(&[&join[..], &addresses, &[&format!("{own}:2377")]].concat())?;
        }
        Ok(())
    }

    /// Makes the secrets and deploys docker/stack.yml, as docs/swarm.md says. Returns what the first command prints.
    pub fn deploy(&self) -> Result<String> {
        let manager = &self.machines[0];
        let made = command(manager.aim(Command::new(programs::shipped("docker/swarm-secrets"))))?;
        let mut deploy = Command::new("docker");
        let stack = programs::shipped("docker/stack.yml").display().to_string();
        deploy.args(["stack", "deploy", "--resolve-image", "never", "-c", &stack, STACK]);
        deploy.env("IMAGE_TAG", &self.tag);
        command(manager.aim(deploy))?;
        Ok(made)
    }

    /// Runs docker on the first machine.
    pub fn docker(&self, arguments: &[&str]) -> Result<String> {
        self.machines[0].docker(arguments)
    }

    /// Runs `docker service update` with these options on a service of the stack, and waits until the Swarm calls the
    /// update complete. Docker itself does not wait so long for a service that runs on every machine.
    pub fn update(&self, service: &str, options: &[&str]) -> Result<()> {
        let service = format!("{STACK}_{service}");
        let status = || -> Result<Value> {
            let text = self.docker(&["service", "inspect", "-f", "{{json .UpdateStatus}}", &service])?;
            Ok(serde_json::from_str(&text).unwrap_or_default())
        };
        // That of the update before.
        let earlier = status()?["StartedAt"].take();
        self.docker(&[&["service", "update", "--quiet", "--detach"], options, &[&service]].concat())?;
        poll::try_until(SOON, &format!("the update of {service}"), || {
            let now = status()?;
            Ok((now["StartedAt"] != earlier && now["State"] == "completed").then_some(()))
        })
        .inspect_err(|_| self.explain())
    }

    /// Runs `docker service scale`, and waits until it has ended.
    pub fn scale(&self, webapps: usize) -> Result<()> {
        self.docker(&["service", "scale", "--detach=false", &format!("{STACK}_webapp={webapps}")]).map(drop)
    }

    /// The address where visitors find a machine's balancer.
    pub fn front(&self, machine: usize) -> SocketAddr {
        SocketAddr::from((self.machines[machine].address, 80))
    }

    /// Waits until each of these machines' balancers has this number of servers, and all are up.
    pub fn wait_for_up(&self, machines: &[usize], servers: usize) -> Result<()> {
        let has_all = |machine: usize| self.machines[machine].servers_up().ok() == Some((servers, servers));
        let all = || machines.iter().all(|machine| has_all(*machine)).then_some(());
        poll::until(SOON, &format!("{servers} servers to be up on {machines:?}"), all)
            .inspect_err(|_| self.explain())
    }

    /// Prints what the Swarm and the balancers say, for a test that fails.
    pub fn explain(&self) {
        for what in [&["node", "ls"][..], &["stack", "ps", "--no-trunc", STACK]] {
            eprintln!("{}", self.docker(what).unwrap_or_else(|err| err.to_string()));
        }
        for machine in &self.machines {
            let log =
                machine.balancer().and_then(|balancer| machine.docker(&["logs", "--tail", "60", &balancer]));
            eprintln!(
                "{}: {:?}\n{}",
                machine.name,
                machine.servers_up(),
                log.unwrap_or_else(|err| err.to_string())
            );
        }
    }
}
