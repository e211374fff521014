//! Kills reload-haproxy with a HAProxy that serves. By turns it changes servers through the socket and reloads.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::replace::replace;
use harness::cluster::balancer::Balancer;
use harness::daemons::counting_server::CountingServer;
use harness::daemons::haproxy::{Mode, servers_of};
use harness::network::subnet::Subnet;
use harness::run::Run;
use harness::run::{poll, programs};
use harness::traffic::http::Client;
use harness::traffic::load::{Load, Rate};
use harness::{Result, system};

use crate::judging::haproxy_check::HaproxyCheck;
use crate::judging::verdict::Verdict;
use crate::proof::Proof;
use crate::proofs::kill::slow_disk;
use crate::proofs::kill::victim::KILLS;
use crate::proofs::kill::victim::{Victim, finish, strike};
use crate::setups::test_nodes;

/// A line of the template, and its replacement, which makes a reload necessary.
const OTHERWISE: [&str; 2] = ["timeout queue 10s", "timeout queue 11s"];
const LIGHT: Rate = Rate { visitors: 4, every: Duration::from_millis(50) };
const SOON: Duration = Duration::from_secs(10);
const PORT: u16 = 3000;

/// A HAProxy and four files that are used in turn. By turns, only servers change from one to the next, or another
/// line too.
pub struct Reload {
    texts: [String; 4],
    turn: usize,
    state: PathBuf,
    is_slow: bool,
    checked: HaproxyCheck,
    balancer: Balancer,
    load: Load,
    begun: Instant,
    _apps: Vec<CountingServer>,
    _net: Subnet,
    // The last field, because dropping it ends all processes of the run.
    run: Arc<Run>,
}

/// Kills reload-haproxy, by turns while it uses the socket and while it reloads.
pub fn reloads(proof: &mut Proof, verdict: &mut Verdict) -> Result<()> {
    let run = Arc::new(Run::new()?);
    let state = run.join("state");
    let mut reload = Reload::start(run, state, false)?;
    let name = "reload-haproxy, servers change, HAProxy reloads";
    strike(name, proof.rounds(KILLS, 10), &mut reload, proof, verdict)?;
    let counts = reload.load.since(reload.begun);
    verdict.note(&format!("    {} requests meanwhile, {} failed", counts.requests, counts.failures()));
    verdict.check(counts.failures() == 0, &format!("requests failed: {}", counts.failures_shown()));
    Ok(())
}

impl Reload {
    /// Starts HAProxy on the first file, and light load. If `is_slow`, the process that is killed has a slow disk.
    pub fn start(run: Arc<Run>, state: PathBuf, is_slow: bool) -> Result<Reload> {
        let net = Subnet::claim()?;
        let mut balancer = Balancer::new(Arc::clone(&run), net.host(1))?;
        let apps = (11..17)
            .map(|host| CountingServer::start((net.host(host), PORT).into()))
            .collect::<Result<_>>()?;
        let texts = texts(&mut balancer, &net)?;
        balancer.start_haproxy(Mode::MasterSocket)?;
        let load = Load::start(balancer.front(), "/", LIGHT);
        let checked = HaproxyCheck::new(run.join("checked.cfg"))?;
        let begun = Instant::now();
        let mut reload = Reload {
            texts,
            turn: 0,
            state,
            is_slow,
            checked,
            balancer,
            load,
            begun,
            _apps: apps,
            _net: net,
            run,
        };
        reload.put()?;
        finish(&mut reload.command(&[], false)?)?;
        poll::until(SOON, "HAProxy to serve", || reload.serves().then_some(()))?;
        reload.begun = Instant::now();
        Ok(reload)
    }

    /// Puts this turn's file in place.
    fn put(&self) -> Result<()> {
        let config = self.balancer.config();
        let text = &self.texts[self.turn % 4];
        replace(&config, text.as_bytes(), 0o644).map_err(system("write", config.display()))
    }

    fn command(&self, arguments: &[&str], is_slow: bool) -> Result<Command> {
        let mut command = slow_disk::program(&programs::bin_dir()?.join("reload-haproxy"), is_slow)?;
        command.arg("--config").arg(self.balancer.config()).args(arguments);
        command.arg("--state-dir").arg(&self.state).stdin(Stdio::null());
        self.run.adopt(&mut command);
        Ok(command)
    }

    fn serves(&self) -> bool {
        Client::fresh(self.balancer.front()).get("/").is_ok_and(|answer| answer.status == 200)
    }
}

/// The two pools, each in the shipped template and in a slightly different one.
fn texts(balancer: &mut Balancer, net: &Subnet) -> Result<[String; 4]> {
    let at = |host: u8| (net.host(host), PORT).into();
    let pools = [
        [("s1", 11, 1), ("s2", 12, 1), ("s3", 13, 1), ("s4", 14, 1)],
        // One server has another weight, one moves, one leaves, and one joins.
        [("s1", 11, 1), ("s2", 12, 7), ("s3", 15, 1), ("s5", 16, 1)],
    ];
    let shipped = programs::shipped("render-cfg/templates/haproxy.cfg.tera");
    let text = fs::read_to_string(&shipped).map_err(system("read", shipped.display()))?;
    let template = balancer.directory().join("template");
    let mut texts = [const { String::new() }; 4];
    // HAProxy starts on the file that is rendered last.
    for number in [3, 2, 1, 0] {
        let directory = balancer.directory().join(format!("nodes-{}", number % 2));
        let servers = pools[number % 2].map(|(name, host, weight)| test_nodes::node(name, at(host), weight));
        test_nodes::record(&directory, &servers)?;
        let text = text.replace(OTHERWISE[0], OTHERWISE[number / 2]);
        replace(&template, text.as_bytes(), 0o600).map_err(system("write", template.display()))?;
        balancer.set_env("ROLLCALL_TEMPLATE", &template);
        balancer.set_env("NODES_DIR", directory);
        balancer.render()?;
        let config = balancer.config();
        texts[number] = fs::read_to_string(&config).map_err(system("read", config.display()))?;
    }
    Ok(texts)
}

impl Victim for Reload {
    fn prepare(&mut self) -> Result<Command> {
        self.turn += 1;
        self.put()?;
        self.command(&[], self.is_slow)
    }

    fn look(&mut self) -> Result<Option<String>> {
        if !self.serves() {
            return Ok(Some("HAProxy does not serve".to_owned()));
        }
        let text = fs::read_to_string(self.balancer.config()).unwrap_or_default();
        if text != self.texts[self.turn % 4] {
            return Ok(Some("haproxy.cfg is not as it was put there".to_owned()));
        }
        self.checked.fault(&self.balancer.config())
    }

    fn again(&mut self) -> Result<Command> {
        self.command(&[], false)
    }

    fn look_again(&mut self) -> Result<Option<String>> {
        let code = finish(&mut self.command(&["--status"], false)?)?;
        if code != 0 {
            return Ok(Some(format!("reload-haproxy --status ends with {code}")));
        }
        let (has, wanted) = (self.balancer.haproxy()?.in_service()?, servers_of(&self.texts[self.turn % 4]));
        if has != wanted {
            return Ok(Some(format!("HAProxy has {has:?} and not {wanted:?}")));
        }
        Ok((!self.serves()).then(|| "HAProxy does not serve".to_owned()))
    }
}
