//! `demo status`: the state of each backend in Serf and in HAProxy.

use std::collections::{BTreeMap, BTreeSet};

use harness::Result;
use harness::cluster::local_cluster::Cluster;
use harness::daemons::haproxy::Server;
use harness::daemons::serf::Member;
use harness::traffic::varied_load::VariedLoad;

/// The lines of a status: the addresses, the load, then a row for each backend in Serf or HAProxy.
pub fn lines(cluster: &mut Cluster, of: &VariedLoad) -> Result<Vec<String>> {
    let run = cluster.run().clone();
    let members = cluster.balancer.agent()?.members(&run)?;
    let is_backend = |member: &Member| member.tags.get("role").is_some_and(|role| role == "backend");
    let backends = members.into_iter().filter(is_backend);
    let members: BTreeMap<String, Member> = backends.map(|member| (member.name.clone(), member)).collect();
    let servers = cluster.servers()?.into_iter();
    let servers: BTreeMap<String, Server> = servers.map(|server| (server.name.clone(), server)).collect();
    let names: BTreeSet<&String> = members.keys().chain(servers.keys()).collect();
    let rows = names.into_iter().map(|name| row(name, members.get(name), servers.get(name)));
    let head = format!("{:<20} {:<16} {:<10} {:<14} {:>9}", "NAME", "ADDRESS", "SERF", "HAPROXY", "REQUESTS");
    let load = format!("load        {}", load(of));
    Ok(addresses(cluster).into_iter().chain([load, String::new(), head]).chain(rows).collect())
}

fn row(name: &str, member: Option<&Member>, server: Option<&Server>) -> String {
    // Without the ports, because Serf's port is not HAProxy's.
    let address = server.map(|server| &server.address).or(member.map(|member| &member.addr));
    let address = address.and_then(|address| address.rsplit_once(':')).map_or("-", |(ip, _)| ip);
    let serf = member.map_or("-", |member| &member.status);
    let haproxy = server.map_or_else(|| "-".to_owned(), state);
    let requests = server.map_or(0, |server| server.requests);
    format!("{name:<20} {address:<16} {serf:<10} {haproxy:<14} {requests:>9}")
}

fn state(server: &Server) -> String {
    let drains = if server.weight == 0 && server.is_up() { " (drains)" } else { "" };
    format!("{}{drains}", server.status)
}

/// The addresses and files of the demo.
pub fn addresses(cluster: &Cluster) -> Vec<String> {
    vec![
        format!("service     http://{}/", cluster.front()),
        format!("stats page  http://{}/", cluster.balancer.stats()),
        format!("config      {}", cluster.balancer.config().display()),
        format!("log         {}", cluster.balancer.log_path().display()),
    ]
}

/// The load in words: its rate, and the outcomes since it began.
pub fn load(load: &VariedLoad) -> String {
    let counts = load.counts();
    let failed = match counts.failures() {
        0 => "0 failed".to_owned(),
        failures => format!("{failures} failed ({})", counts.failures_shown()),
    };
    format!("{} requests a second; {} sent since it began, {failed}", load.rate(), counts.requests)
}
