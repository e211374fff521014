//! Checks that Serf, the records, the file and HAProxy all agree with the backends that really run.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use common::records::read_all;
use harness::daemons::haproxy::{Servers, servers_in_service, servers_of};
use harness::daemons::serf::Member;
use harness::daemons::webapp::PORT;
use harness::run::poll;
use harness::{Error, Result};

use crate::judging::verdict::Verdict;
use crate::setups::networked_balancer::NetworkedBalancer;

/// Waits until all agree; returns how long that took. If they do not agree in time, counts the differences as faults.
pub fn wait(site: &mut NetworkedBalancer, verdict: &mut Verdict, within: Duration) -> Result<()> {
    let start = Instant::now();
    // While HAProxy reloads, its sockets may not answer.
    let seen = poll::until(within, "all to agree", || {
        differences(site).is_ok_and(|differences| differences.is_empty()).then_some(())
    });
    match seen {
        Ok(()) => {
            let count = site.slots.iter().filter(|slot| slot.backend.is_some()).count();
            let took = start.elapsed().as_secs_f64();
            verdict.note(&format!(
                "{count} backends, serf members, records, file and HAProxy the same after {took:.1} s"
            ));
        }
        Err(Error::Late { .. }) => {
            differences(site)?.iter().for_each(|difference| verdict.wrong(difference));
        }
        Err(err) => return Err(err),
    }
    Ok(())
}

/// The differences from the backends that really run, as text.
fn differences(site: &mut NetworkedBalancer) -> Result<Vec<String>> {
    let real = real(site);
    let members: Vec<Member> =
        site.members()?.into_iter().filter(|member| member.status == "alive").collect();
    let file = fs::read_to_string(site.balancer.config()).unwrap_or_default();
    let state = site.balancer.haproxy()?.command("show servers state")?;
    let said = [
        ("serf members", members.iter().filter_map(address_of).collect()),
        ("the records", records(site)),
        ("haproxy.cfg", servers_of(&file)),
        ("HAProxy", servers_in_service(&state).unwrap_or_default()),
    ];
    let mut differences: Vec<String> =
        said.iter().flat_map(|(who, servers)| difference(who, &real, servers)).collect();
    let weights: BTreeMap<String, u32> =
        site.servers()?.into_iter().map(|server| (server.name, server.weight)).collect();
    for member in &members {
        let (wanted, has) = (weight_of(member), weights.get(&member.name));
        if has.is_some_and(|has| *has != wanted) {
            differences.push(format!("{} has weight {has:?} and should have {wanted}", member.name));
        }
    }
    Ok(differences)
}

fn difference(who: &str, real: &Servers, said: &Servers) -> Vec<String> {
    let missing = real.iter().filter(|(name, address)| said.get(*name) != Some(address));
    let missing = missing
        .map(|(name, address)| format!("{name} is at {address}, {who} has it at {:?}", said.get(name)));
    let surplus = said.keys().filter(|name| !real.contains_key(*name));
    missing.chain(surplus.map(|name| format!("{name} is not there, {who} has it"))).collect()
}

/// The backends that really run.
fn real(site: &NetworkedBalancer) -> Servers {
    let backends = site.slots.iter().filter_map(|slot| slot.backend.as_ref());
    backends.map(|backend| (backend.name.clone(), SocketAddr::from((backend.address, PORT)))).collect()
}

fn records(site: &NetworkedBalancer) -> Servers {
    let (nodes, _) = read_all(&site.balancer.nodes_dir()).unwrap_or_default();
    let backends = nodes.into_iter().filter(|node| node.role == "backend");
    backends
        .filter_map(|node| Some((node.name.to_string(), server(node.address, node.tags.get("port")?)?)))
        .collect()
}

fn address_of(member: &Member) -> Option<(String, SocketAddr)> {
    let gossip: SocketAddr = member.addr.parse().ok()?;
    Some((member.name.clone(), server(gossip.ip(), member.tags.get("port")?)?))
}

fn server(address: IpAddr, port: &str) -> Option<SocketAddr> {
    Some(SocketAddr::new(address, port.parse().ok()?))
}

/// The weight that the shipped template derives from a member's tags.
fn weight_of(member: &Member) -> u32 {
    let tag = |name: &str| member.tags.get(name).map(String::as_str);
    if tag("state") == Some("drain") {
        0
    } else {
        tag("weight").and_then(|weight| weight.parse().ok()).unwrap_or(1)
    }
}
