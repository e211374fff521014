//! Forgery: an attacker on the network announces members to a real Serf agent, with any bytes as names, addresses and
//! tags.
//!
//! The agent accepts them and calls the shipped handler, with the shipped template and a HAProxy that serves.
//! Everything runs on a private network, because the agent and HAProxy connect to every address that a forged member
//! announces.

mod attacked_balancer;
mod cases;
mod config_grammar;
mod gossip;
mod observer;
mod values;

use std::fs;

use harness::network::namespace;
use harness::run::Run;
use harness::{Error, Result, system};

use crate::judging::verdict::Verdict;
use crate::proof::Proof;
use crate::proofs::forgery::attacked_balancer::AttackedBalancer;
use crate::setups::private_mounts;

/// Announces all known forgeries and the random ones.
pub fn run(proof: &mut Proof, verdict: &mut Verdict) -> Result<()> {
    if !private_mounts::is_allowed() {
        return Err(Error::Unfit("it needs root, to make a private network".to_owned()));
    }
    namespace::on_loopback_alone(|| {
        let outer = Run::new()?;
        let inner = outer.join("a/b/c");
        fs::create_dir_all(&inner).map_err(system("make", inner.display()))?;
        let mut site = AttackedBalancer::start(Run::over(inner, None)?, outer.path())?;
        site.lie(proof, verdict)?;
        site.end(verdict)
    })
}
