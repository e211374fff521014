//! Liars: somebody on the network who announces members to a real Serf agent, with any bytes for names, addresses and
//! tags.
//!
//! The agent takes them all and calls the shipped handler, with the shipped template and a HAProxy that serves. The whole
//! is on a network of its own: where a liar says he is, the agent and HAProxy go and look.

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

/// All known lies and the random ones.
pub fn run(proof: &mut Proof, verdict: &mut Verdict) -> Result<()> {
    if !private_mounts::is_allowed() {
        return Err(Error::Unfit("it needs root: a network of its own is made for it".to_owned()));
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
