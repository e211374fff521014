//! Agents that are restarted in any order, so that the balancer's agent lists only a part of the cluster: no server
//! that HAProxy finds up is taken out unless it leaves.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use harness::cluster::backend;
use harness::cluster::local_cluster::{Cluster, GIVEN_UP, SOON};
use harness::run::{poll, programs};
use harness::traffic::load::{Load, Rate};

const BACKENDS: [&str; 5] = ["s1", "s2", "s3", "s4", "s5"];
const BALANCER: &str = "balancer";
/// The backends that are nobody's seed.
const OTHERS: [&str; 4] = ["s2", "s3", "s4", "s5"];
/// The period of the timer: shorter than in production, so that many runs see the partial list.
const RECONCILE: Duration = Duration::from_secs(2);
/// How long HAProxy is watched after the agents have been restarted.
const WATCHED: Duration = Duration::from_secs(5);

/// A balancer that serves five backends, with a timer. Its agent joins s1 only, as the backends join the balancer only.
fn serving(has_snapshot: bool) -> Option<Cluster> {
    if !programs::are_all_here() {
        return None;
    }
    let mut cluster = Cluster::new().unwrap();
    if has_snapshot {
        let snapshot = cluster.balancer.directory().join("snapshot");
        cluster.balancer.set_agent("snapshot_path", snapshot.display().to_string());
        cluster.balancer.set_agent("rejoin_after_leave", true);
    }
    cluster.start_balancer().unwrap();
    for name in BACKENDS {
        cluster.add(name).unwrap();
    }
    BACKENDS.iter().for_each(|name| cluster.wait_for_up(name, SOON).unwrap());
    cluster.balancer.reconcile_every(RECONCILE);
    Some(cluster)
}

fn kill_agent(cluster: &mut Cluster, name: &str) {
    if name == BALANCER {
        cluster.balancer.agent.take().unwrap().kill9();
    } else {
        cluster.backend(name).unwrap().agent.kill9();
    }
}

fn start_agent(cluster: &mut Cluster, name: &str) {
    let seed: Ipv4Addr = cluster.backends["s1"].address;
    if name == BALANCER {
        cluster.balancer.start_agent(&[seed]).unwrap();
        return;
    }
    let (run, seeds) = (cluster.run().clone(), cluster.seeds());
    let backend = cluster.backend(name).unwrap();
    backend.agent = backend::settings(name, backend.address, &seeds).start(&run).unwrap();
}

/// Waits until an agent that still runs has marked the killed ones failed. Until then it would answer their first
/// packets with the whole list.
fn wait_until_failed(cluster: &Cluster, killed: &[&str]) {
    let Some(witness) = BACKENDS.iter().find(|name| !killed.contains(name)) else { return };
    let agent = &cluster.backends[*witness].agent;
    poll::try_until(GIVEN_UP, "the killed agents to be marked failed", || {
        let members = agent.members(cluster.run())?;
        let failed = members.iter().filter(|member| member.status == "failed").count();
        Ok((failed == killed.len()).then_some(()))
    })
    .unwrap();
}

/// Kills these agents and starts them in this order, under load. Returns the fewest backends that the balancer's agent
/// has listed since. Panics if HAProxy loses a server or a request fails.
fn restart(cluster: &mut Cluster, order: &[&str]) -> usize {
    let (start, load) = (Instant::now(), Load::start(cluster.front(), "/", Rate::default()));
    order.iter().for_each(|name| kill_agent(cluster, name));
    wait_until_failed(cluster, order);
    order.iter().for_each(|name| start_agent(cluster, name));
    let fewest = watch(cluster);
    let counts = load.since(start);
    assert!(counts.requests > 100, "{}", counts.requests);
    assert_eq!(counts.failures(), 0, "{}", counts.failures_shown());
    fewest
}

/// Watches for a while that HAProxy has all servers. Returns the fewest backends in the list of the balancer's agent.
fn watch(cluster: &Cluster) -> usize {
    let (until, mut fewest) = (Instant::now() + WATCHED, BACKENDS.len());
    while Instant::now() < until {
        assert_eq!(up(cluster), BTreeSet::from(BACKENDS.map(str::to_owned)), "{}", cluster.balancer.log());
        let agent = cluster.balancer.agent.as_ref().unwrap();
        let listed = agent.alive(cluster.run()).unwrap();
        fewest = fewest.min(listed.iter().filter(|name| *name != BALANCER).count());
        poll::pass(Duration::from_millis(50)).unwrap();
    }
    fewest
}

/// The servers that HAProxy sends requests to.
fn up(cluster: &Cluster) -> BTreeSet<String> {
    let servers = cluster.servers().unwrap().into_iter();
    servers.filter(|server| server.is_up()).map(|server| server.name).collect()
}

/// A leave is obeyed at once, also when the view has just healed.
fn assert_a_leave_is_prompt(cluster: &mut Cluster) {
    let (run, seed) = (cluster.run().clone(), cluster.backends["s2"].address);
    cluster.balancer.agent().unwrap().join(&run, seed).unwrap();
    cluster.balancer.agent().unwrap().wait_for_alive(&run, 1 + BACKENDS.len(), GIVEN_UP).unwrap();
    cluster.stop("s5").unwrap();
    cluster.wait_for_servers(&BACKENDS[..4], SOON).unwrap();
    cluster.balancer.end_reconciling();
    assert_eq!(cluster.balancer.reconcile().unwrap(), 0, "{}", cluster.balancer.log());
}

#[test]
fn a_balancer_and_its_seed_that_restart_alone_take_nobody_out() {
    let Some(mut cluster) = serving(false) else { return };
    let fewest = restart(&mut cluster, &[BALANCER, "s1"]);
    // Otherwise this test would prove nothing.
    assert!(fewest < BACKENDS.len(), "the agent has always listed all");
    let guard = "records of role 'backend': their nodes are missing from the list";
    assert!(cluster.balancer.log().contains(guard), "{}", cluster.balancer.log());
    assert_a_leave_is_prompt(&mut cluster);
}

/// Restarts all agents in each of the orders in which the balancer's, its seed's and the others can start.
fn restart_all_in_every_order(cluster: &mut Cluster) {
    let groups: [&[&str]; 3] = [&[BALANCER], &["s1"], &OTHERS];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        restart(cluster, &order.map(|group| groups[group]).concat());
    }
}

#[test]
fn all_agents_restart_in_every_order_and_nobody_is_taken_out() {
    let Some(mut cluster) = serving(false) else { return };
    restart_all_in_every_order(&mut cluster);
    restart(&mut cluster, &["s3", "s1", BALANCER]);
    assert_a_leave_is_prompt(&mut cluster);
}

#[test]
fn with_a_snapshot_all_agents_restart_in_every_order_and_nobody_is_taken_out() {
    let Some(mut cluster) = serving(true) else { return };
    restart_all_in_every_order(&mut cluster);
    restart(&mut cluster, &["s1", BALANCER]);
    assert_a_leave_is_prompt(&mut cluster);
}

#[test]
fn a_backend_that_restarts_with_the_balancer_comes_back_and_the_others_stay() {
    let Some(mut cluster) = serving(false) else { return };
    let (address, mut agent) = (cluster.backends["s3"].address, cluster.balancer.agent.take().unwrap());
    let others = BTreeSet::from(["s1", "s2", "s4", "s5"].map(str::to_owned));
    let (start, load) = (Instant::now(), Load::start(cluster.front(), "/", Rate::default()));
    agent.kill9();
    cluster.kill9("s3").unwrap();
    start_agent(&mut cluster, BALANCER);
    poll::until(SOON, "s3 to be found down", || (up(&cluster) == others).then_some(())).unwrap();
    cluster.add_at("s3", address).unwrap();
    poll::until(SOON, "s3 to be up again", || {
        let up = up(&cluster);
        assert!(up.is_superset(&others), "{up:?}\n{}", cluster.balancer.log());
        up.contains("s3").then_some(())
    })
    .unwrap();
    let counts = load.since(start);
    assert_eq!(counts.failures(), 0, "{}", counts.failures_shown());
}
