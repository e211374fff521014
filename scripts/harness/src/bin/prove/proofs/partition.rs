//! The balancer receives no gossip, or only some, while HTTP works. It must keep serving all backends, and recover.
//!
//! Only incoming gossip is dropped; requests and checks get through. Each case runs under load until Serf has marked
//! the unreachable members failed, and then until all are alive again without help.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use harness::daemons::haproxy::Mode;
use harness::network::namespace;
use harness::network::namespace::From;
use harness::run::poll;
use harness::traffic::load::{Load, Rate};
use harness::{Error, Result};

use crate::judging::verdict::Verdict;
use crate::proof::Proof;
use crate::proofs::churn::{end, judge_load};
use crate::setups::backend_slot::BALANCER;
use crate::setups::networked_balancer::{NetworkedBalancer, RECONCILE};

const BACKENDS: usize = 8;
/// The backends of the short form. With only two, Serf needs no confirmation: it marks them failed after about seven
/// seconds.
const FEW: usize = 2;
/// How long Serf may take to mark all members failed. For 8 members it takes about 45 s, for 10 at most 103 s.
const GIVEN_UP: Duration = Duration::from_secs(180);
/// The length of a cut if it need not last until Serf has marked all members failed: the timer has run twice by then.
const CUT: Duration = Duration::from_secs(40);
/// How long it may take until all are alive again: every 30 s Serf tries to reconnect to one failed member.
const HEALED: Duration = Duration::from_secs(120);
/// How long it may take until all are served, beyond the timer's period of 15 s, because of checks.
const SERVED: Duration = Duration::from_secs(10);
/// 160 requests a second.
const RATE: Rate = Rate { visitors: 8, every: Duration::from_millis(50) };

/// Which side receives no gossip from which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    /// Balancer and backends receive no gossip from each other.
    Balancer,
    /// Like `Balancer`, and the balancer is restarted meanwhile.
    AndRestart,
    /// The balancer receives no gossip.
    Deaf,
    /// The backends receive no gossip from the balancer.
    Mute,
    /// The backends receive no gossip from each other, but they do from the balancer.
    Backends,
}

const ALL: [(Cut, &str); 5] = [
    (Cut::Balancer, "the balancer is cut off"),
    (Cut::AndRestart, "the balancer is cut off and restarted"),
    (Cut::Deaf, "the balancer does not hear"),
    (Cut::Mute, "the balancer is not heard"),
    (Cut::Backends, "the backends do not hear each other"),
];

/// Runs the proof.
pub fn prove(proof: &mut Proof, verdict: &mut Verdict) -> Result<()> {
    namespace::apart(|| {
        let mut site = NetworkedBalancer::new(proof.rounds(BACKENDS, FEW), None)?;
        site.start_balancer()?;
        site.fill()?;
        for (cut, what) in &ALL[..proof.rounds(ALL.len(), 1)] {
            verdict.note(&format!("{what}:"));
            try_out(&mut site, *cut, verdict)?;
        }
        end(site, verdict)
    })
}

/// Cuts, counts the servers in use, and repairs, under load. While the balancer restarts, nothing listens, so the
/// load starts after that.
fn try_out(site: &mut NetworkedBalancer, cut: Cut, verdict: &mut Verdict) -> Result<()> {
    if cut == Cut::AndRestart {
        cut.set(site, true)?;
        restart(site)?;
    }
    let start = Instant::now();
    let load = Load::start(site.balancer.front(), "/", RATE);
    if cut != Cut::AndRestart {
        cut.set(site, true)?;
    }
    let over = if cut == Cut::Balancer { GIVEN_UP } else { CUT };
    let fewest = watch(site, over, |site| Ok(cut == Cut::Balancer && site.alive()? == 0))?;
    let (took, alive, count) = (start.elapsed().as_secs_f64(), site.alive()?, site.slots.len());
    verdict.note(&format!(
        "after {took:.0} s {alive} of {count} are alive in Serf; HAProxy always had at least {fewest} servers to send requests to"
    ));
    verdict.check(fewest > 0, "HAProxy had no server to send requests to");
    if cut == Cut::Balancer {
        verdict.check(alive == 0, &format!("Serf has not marked all failed within {over:?}"));
    }
    judge_all_served(site, verdict)?;
    cut.set(site, false)?;
    heal(site, verdict)?;
    judge_load(load.stop(), start, verdict);
    Ok(())
}

/// Counts a fault unless all backends that the balancer reaches are served, even those that Serf has marked failed.
fn judge_all_served(site: &mut NetworkedBalancer, verdict: &mut Verdict) -> Result<()> {
    let count = site.slots.len();
    let served = site.wait_for_up(count, RECONCILE + SERVED);
    let up = up(site)?.len();
    verdict.note(&format!("{up} of {count} are served then"));
    verdict.check(served.is_ok(), &format!("only {up} of {count} are served"));
    Ok(())
}

/// Ends the cut and waits until all come back without help.
fn heal(site: &mut NetworkedBalancer, verdict: &mut Verdict) -> Result<()> {
    let count = site.slots.len();
    let start = Instant::now();
    let back = site.wait_for_alive(count, HEALED);
    let alive = start.elapsed().as_secs_f64();
    let served = site.wait_for_up(count, RECONCILE + SERVED);
    let all = start.elapsed().as_secs_f64();
    verdict.note(&format!(
        "the cut ended: all were alive in Serf after {alive:.0} s, all served after {all:.0} s"
    ));
    verdict.check(back.is_ok(), &format!("not all were alive in Serf again within {} s", HEALED.as_secs()));
    verdict.check(served.is_ok(), "not all were served again");
    Ok(())
}

/// Kills the balancer's agent, stops its HAProxy, and starts both again.
fn restart(site: &mut NetworkedBalancer) -> Result<()> {
    if let Some(mut agent) = site.balancer.agent.take() {
        agent.kill9();
    }
    site.balancer.haproxy.take();
    let seeds: Vec<_> = site.slots.iter().filter_map(|slot| Some(slot.backend.as_ref()?.address)).collect();
    site.balancer.start_haproxy(Mode::MasterSocket)?;
    site.balancer.start_agent(&seeds)
}

/// Polls the number of servers in use until the condition is true or the time limit has passed; returns the smallest
/// number.
fn watch(
    site: &mut NetworkedBalancer,
    within: Duration,
    is_over: impl Fn(&mut NetworkedBalancer) -> Result<bool>,
) -> Result<usize> {
    let mut fewest = usize::MAX;
    let seen = poll::try_until(within, "the end of a cut", || {
        fewest = fewest.min(up(site)?.len());
        poll::pass(Duration::from_millis(100))?;
        Ok(is_over(site)?.then_some(()))
    });
    match seen {
        Ok(()) | Err(Error::Late { .. }) => Ok(fewest),
        Err(err) => Err(err),
    }
}

/// The servers to which HAProxy sends requests.
fn up(site: &NetworkedBalancer) -> Result<BTreeSet<String>> {
    let servers = site.servers()?.into_iter().filter(|server| server.is_up());
    Ok(servers.map(|server| server.name).collect())
}

impl Cut {
    /// Begins the cut, or ends it.
    fn set(self, site: &NetworkedBalancer, is_cut: bool) -> Result<()> {
        let network = &site.network;
        let set = |namespace: Option<&str>, from: From| {
            if is_cut { network.deafen(namespace, from) } else { network.undeafen(namespace, from) }
        };
        let backends = |from: From| site.slots.iter().try_for_each(|slot| set(Some(&slot.namespace), from));
        match self {
            Cut::Balancer | Cut::AndRestart => {
                set(None, From::All)?;
                backends(From::Only(BALANCER))
            }
            Cut::Deaf => set(None, From::All),
            Cut::Mute => backends(From::Only(BALANCER)),
            Cut::Backends => backends(From::AllBut(BALANCER)),
        }
    }
}
