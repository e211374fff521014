//! Kills `scripts/serf-handler` with a real agent: by turns only the script, and the script with everything that it
//! has started.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use harness::cluster::backend::Backend;
use harness::cluster::local_cluster::{Cluster, SOON};
use harness::daemons::haproxy::{Mode, servers_of};
use harness::daemons::serf::{Agent, Settings};
use harness::run::{poll, process, programs};
use harness::traffic::http::Client;
use harness::{Result, system};

use crate::judging::haproxy_check::HaproxyCheck;
use crate::judging::listing::{Listing, listing, neither};
use crate::judging::verdict::Verdict;
use crate::proof::Proof;
use crate::proofs::kill::victim::KILLS;
use crate::proofs::kill::victim::{Victim, finish, kill_group, strike};

/// The variable that marks the processes of one run of the handler.
const MARK: &str = "ROLLCALL_VICTIM";
/// The member whose tag changes.
const NAME: &str = "s1";
/// How many weights it announces in turn. There are few, so `haproxy -c` checks few different files.
const WEIGHTS: usize = 10;
/// How long a tag may take to arrive. Lost gossip is repaired by the next full exchange of two agents, every 15 s.
const HEARD: Duration = Duration::from_secs(60);

/// A balancer whose agent has no handler, and two backends.
pub struct Handler {
    agent: Agent,
    turn: usize,
    before: (Listing, Vec<u8>),
    seen: (Listing, Vec<u8>),
    checked: HaproxyCheck,
    // The last field, because dropping it ends all processes of the run.
    cluster: Cluster,
}

/// Kills the whole script.
pub fn handles(proof: &mut Proof, verdict: &mut Verdict) -> Result<()> {
    let mut handler = Handler::start(|_| Ok(()))?;
    strike("scripts/serf-handler", proof.rounds(KILLS, 8), &mut handler, proof, verdict)?;
    let all = format!("{MARK}={}-", handler.cluster.run().path().display());
    poll::until(SOON, "the end of all that killed handlers have started", || {
        let left = process::marked(|entry| entry.starts_with(all.as_bytes()));
        left.is_ok_and(|left| left.is_empty()).then_some(())
    })
}

impl Handler {
    /// Starts everything, after `prepare` has been called with the balancer's directory.
    pub fn start(prepare: impl FnOnce(&Path) -> Result<()>) -> Result<Handler> {
        let mut cluster = Cluster::new()?;
        prepare(cluster.balancer.directory())?;
        let nodes = cluster.balancer.nodes_dir();
        fs::create_dir_all(&nodes).map_err(system("make", nodes.display()))?;
        cluster.balancer.start_haproxy(Mode::MasterSocket)?;
        let agent = Settings::new("balancer", cluster.balancer.address()).tag("role", "balancer");
        let agent =
            agent.set("disable_name_resolution", true).set("profile", "local").start(cluster.run())?;
        for name in [NAME, "s2"] {
            let (address, seeds) = (cluster.net.next_host(), cluster.seeds());
            let settings = harness::cluster::backend::settings(name, address, &seeds).set("profile", "local");
            let backend = Backend::start_with(cluster.run(), name, address, settings)?;
            cluster.backends.insert(name.to_owned(), backend);
        }
        agent.wait_for_alive(cluster.run(), 3, SOON)?;
        let checked = HaproxyCheck::new(cluster.run().join("checked.cfg"))?;
        let nothing = || (Listing::new(), Vec::new());
        let mut handler = Handler { agent, turn: 0, before: nothing(), seen: nothing(), checked, cluster };
        finish(&mut handler.again()?)?;
        for name in [NAME, "s2"] {
            handler.cluster.wait_for_up(name, SOON)?;
        }
        Ok(handler)
    }

    fn weight(&self) -> String {
        (10 + self.turn % WEIGHTS).to_string()
    }

    /// Sets the backend's weight of this turn, and waits until the agent has received it.
    fn announce(&mut self) -> Result<()> {
        let (weight, run) = (self.weight(), self.cluster.run().clone());
        self.cluster.backend(NAME)?.agent.set_tag(&run, "weight", &weight)?;
        poll::try_until(HEARD, "the agent to hear of a tag", || {
            let members = self.agent.members(&run)?;
            let is_it = |member: &&harness::daemons::serf::Member| {
                member.name == NAME && member.tags.get("weight") == Some(&weight)
            };
            Ok(members.iter().find(is_it).map(drop))
        })
    }

    /// The current records and haproxy.cfg.
    fn files(&self) -> Result<(Listing, Vec<u8>)> {
        let config = fs::read(self.cluster.balancer.config()).unwrap_or_default();
        Ok((listing(&self.cluster.balancer.nodes_dir())?, config))
    }

    fn event(&self) -> String {
        let address = self.cluster.backends.get(NAME).map(|backend| backend.address.to_string());
        let (address, weight) = (address.unwrap_or_default(), self.weight());
        format!("{NAME}\t{address}\tbackend\trole=backend,port=3000,weight={weight}\n")
    }

    fn mark(&self) -> String {
        format!("{MARK}={}", self.number())
    }

    /// A number for this turn that no other run uses.
    fn number(&self) -> String {
        format!("{}-{}", self.cluster.run().path().display(), self.turn)
    }
}

impl Victim for Handler {
    fn prepare(&mut self) -> Result<Command> {
        self.before = self.files()?;
        self.turn += 1;
        self.announce()?;
        let input = self.cluster.run().join("event");
        common::replace::replace(&input, self.event().as_bytes(), 0o600)
            .map_err(system("write", input.display()))?;
        let mut command = Command::new(programs::shipped("scripts/serf-handler"));
        self.cluster.balancer.with_environment(self.cluster.run().adopt(&mut command));
        command.env("SERF_EVENT", "member-update").env(MARK, self.number());
        let input = fs::File::open(&input).map_err(system("open", input.display()))?;
        command.stdin(input).stderr(Stdio::null());
        Ok(command)
    }

    fn kill(&mut self, run: &mut Child) {
        if self.turn % 4 < 2 {
            // Its children continue during the next run and then end.
            kill_group(run);
        } else if process::kill_marked(&self.mark()).is_err() {
            kill_group(run);
        }
    }

    fn look(&mut self) -> Result<Option<String>> {
        self.seen = self.files()?;
        let answer = Client::fresh(self.cluster.front()).get("/");
        if !answer.is_ok_and(|answer| answer.status == 200) {
            return Ok(Some("HAProxy does not serve".to_owned()));
        }
        self.checked.fault(&self.cluster.balancer.config())
    }

    fn again(&mut self) -> Result<Command> {
        let mut command = Command::new(programs::shipped("scripts/reconcile"));
        self.cluster.balancer.with_environment(self.cluster.run().adopt(&mut command));
        command.stdin(Stdio::null()).stderr(Stdio::null());
        Ok(command)
    }

    fn look_again(&mut self) -> Result<Option<String>> {
        // A process that outlived its script may still run, but must not change anything any more.
        poll::until(Duration::from_secs(40), "the end of what a killed handler has started", || {
            let mark = self.mark();
            process::marked(|entry| entry == mark.as_bytes()).is_ok_and(|left| left.is_empty()).then_some(())
        })?;
        let (records, config) = self.files()?;
        if let Some(fault) = neither(&self.seen.0, &self.before.0, &records) {
            return Ok(Some(format!("after the kill {fault}")));
        }
        if self.seen.1 != self.before.1 && self.seen.1 != config {
            return Ok(Some("after the kill haproxy.cfg was neither the old nor the new one".to_owned()));
        }
        let text = String::from_utf8_lossy(&config).into_owned();
        if !text.contains(&format!(" weight {}\n", self.weight())) {
            return Ok(Some("haproxy.cfg does not have the new weight".to_owned()));
        }
        let servers = self.cluster.servers()?;
        let has = servers.iter().find(|server| server.name == NAME).map(|server| server.weight.to_string());
        if has != Some(self.weight()) || self.cluster.balancer.haproxy()?.in_service()? != servers_of(&text) {
            return Ok(Some("HAProxy does not run haproxy.cfg".to_owned()));
        }
        let temporary = records.keys().find(|name| name.ends_with(".tmp")).cloned();
        Ok(temporary.map(|name| format!("'{name}' is left")))
    }
}
