//! What events alone achieve, and how the chain recovers from events that Serf does not send. An event makes the
//! chain compare, but while Serf does not answer, the event is the only information.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::net::{IpAddr, Ipv4Addr};
use std::thread;
use std::time::{Duration, Instant};

use common::records::read_all;
use harness::cluster::backend;
use harness::cluster::backend::Backend;
use harness::cluster::local_cluster::{Cluster, SOON};
use harness::daemons::webapp::WebApp;
use harness::run::Run;
use harness::run::poll;
use nix::sys::signal::Signal;

/// Longer than Serf's window of 3 s and the handling of any event that follows. An address that is stale after that
/// stays stale.
const STALE: Duration = Duration::from_secs(5);
/// The time between the first and the last leave of several members. An agent takes a second or more to leave and
/// come back. Serf's window stays open for 3 s as long as events keep coming within a second, so all are back before
/// it closes.
const SPREAD: Duration = Duration::from_millis(1200);
/// The longest time between two leaves: less than the second of silence that closes the window.
const LONGEST_STAGGER: Duration = Duration::from_millis(800);
/// How often a case that depends on Serf's timing is tried with each number of members.
const TRIES: usize = 3;
/// The time limit after reconcile has ended: only a HAProxy that was just reloaded may need time to answer.
const AT_ONCE: Duration = Duration::from_secs(3);

/// Servers or members as `name address`, without the ports, sorted.
fn sorted(pairs: impl Iterator<Item = (String, String)>) -> Vec<String> {
    let ip = |address: &str| address.split(':').next().unwrap_or_default().to_owned();
    let mut sorted: Vec<String> = pairs.map(|(name, address)| format!("{name} {}", ip(&address))).collect();
    sorted.sort();
    sorted
}

fn served(cluster: &Cluster) -> Vec<String> {
    let servers = cluster.servers().unwrap_or_default().into_iter();
    sorted(servers.map(|server| (server.name, server.address)))
}

/// The backends that are alive in Serf.
fn alive(cluster: &Cluster) -> Vec<String> {
    let members = cluster.balancer.agent.as_ref().unwrap().members(cluster.run()).unwrap().into_iter();
    let backends = members.filter(|member| member.status == "alive" && member.name != "balancer");
    sorted(backends.map(|member| (member.name, member.addr)))
}

fn wait_until(within: Duration, what: &str, cluster: &Cluster, is_true: impl Fn() -> bool) {
    let seen = poll::until(within, what, || is_true().then_some(()));
    seen.unwrap_or_else(|err| panic!("{err}; served: {:?}\n{}", served(cluster), cluster.balancer.log()));
}

/// Stops a backend's agent in order, and starts one with the same name for another web app.
fn succeed(run: &Run, mut old: Backend, app: WebApp, seeds: &[Ipv4Addr]) -> (Backend, Backend) {
    old.agent.daemon.signal(Signal::SIGINT);
    old.agent.daemon.wait(SOON).unwrap();
    let IpAddr::V4(address) = app.address().ip() else { unreachable!("a subnet of IPv4") };
    let (name, announced) = (old.name.clone(), Instant::now());
    let agent = backend::settings(&name, address, seeds).start(run).unwrap();
    (old, Backend { name, address, announced, agent, app })
}

/// Recreates backends, one shortly after the other as a rolling restart does. Each leaves the cluster, and as soon as
/// its agent has ended, one with the same name joins at another address. The web apps at both addresses run all the
/// time.
fn recreate(cluster: &mut Cluster, names: &[&str]) -> Vec<String> {
    let (run, seeds) = (cluster.run().clone(), cluster.seeds());
    let olds: Vec<Backend> = names.iter().map(|name| cluster.take(name).unwrap()).collect();
    let app = |_| WebApp::start(&run, "recreated", cluster.net.next_host()).unwrap();
    let apps: Vec<WebApp> = names.iter().map(app).collect();
    let stagger = (SPREAD / (apps.len() as u32 - 1)).min(LONGEST_STAGGER);
    let numbers = 0..;
    let pairs = numbers.zip(olds.into_iter().zip(apps));
    let news: Vec<(Backend, Backend)> = thread::scope(|scope| {
        let (run, seeds) = (&run, &seeds);
        let recreate_one = |(number, (old, app))| {
            scope.spawn(move || {
                poll::pass(stagger * number).unwrap();
                succeed(run, old, app, seeds)
            })
        };
        let threads: Vec<_> = pairs.map(recreate_one).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let wanted = sorted(news.iter().map(|(_, new)| (new.name.clone(), new.address.to_string())));
    for (mut old, new) in news {
        old.kill9();
        cluster.backends.insert(new.name.clone(), new);
    }
    wanted
}

/// Within Serf's window a leave and a join cancel out, even if the address has changed, and Serf sends no event.
#[test]
fn backends_recreated_within_serfs_window_are_found_at_their_new_addresses() {
    let mut has_occurred = false;
    for count in 2..=5 {
        let names: Vec<String> = (1..=count).map(|number| format!("w{number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let Some(mut cluster) = Cluster::serving(&names).unwrap() else { return };
        // There is no timer, so only Serf's events can cause a change.
        has_occurred |= (0..TRIES).any(|_| {
            let wanted = recreate(&mut cluster, &names);
            wait_until(SOON, "Serf to know the new addresses", &cluster, || alive(&cluster) == wanted);
            let is_stale = is_stale_for_long(&cluster, &wanted);
            assert_eq!(cluster.balancer.reconcile().unwrap(), 0, "{}", cluster.balancer.log());
            wait_until(AT_ONCE, "the new addresses", &cluster, || served(&cluster) == wanted);
            is_stale
        });
    }
    // On a machine so slow that Serf's window closes early, Serf sends an event, and no repair is needed.
    assert!(has_occurred, "with 2 to 5 backends, {TRIES} tries each, an event came every time");
}

/// True if the records and the servers keep other addresses than Serf's members for a long time.
fn is_stale_for_long(cluster: &Cluster, wanted: &[String]) -> bool {
    let is_repaired = || served(cluster) == wanted || recorded(cluster) == wanted;
    poll::until(STALE, "an event", || is_repaired().then_some(())).is_err()
}

fn recorded(cluster: &Cluster) -> Vec<String> {
    let (nodes, faults) = read_all(&cluster.balancer.nodes_dir()).unwrap();
    assert!(faults.is_empty(), "{faults:?}");
    let backends = nodes.into_iter().filter(|node| node.name != "balancer");
    sorted(backends.map(|node| (node.name, node.address.to_string())))
}

/// A balancer with these backends, whose agent has been killed: `serf members` fails from now on.
fn serving_without_serf(names: &[&str]) -> Option<Cluster> {
    let mut cluster = Cluster::serving(names).unwrap()?;
    cluster.balancer.agent.take()?.kill9();
    Some(cluster)
}

fn line(name: &str, address: Ipv4Addr) -> String {
    format!("{name}\t{address}\tbackend\trole=backend,port=3000\n")
}

#[test]
fn a_join_is_recorded_and_served_from_the_event_alone_and_a_bad_line_beside_it_is_named() {
    let Some(cluster) = serving_without_serf(&["s1"]) else { return };
    let (old, address) = (cluster.backends["s1"].address, cluster.net.next_host());
    let _app = WebApp::start(cluster.run(), "s2", address).unwrap();
    let payload = format!("bad\tno-address\tbackend\trole=backend\n{}", line("s2", address));
    assert_eq!(cluster.balancer.handle("member-join", &payload).unwrap(), 3, "{}", cluster.balancer.log());
    let wanted = [format!("s1 {old}"), format!("s2 {address}")];
    assert_eq!(recorded(&cluster), wanted, "{}", cluster.balancer.log());
    wait_until(AT_ONCE, "both servers", &cluster, || served(&cluster) == wanted);
    cluster.wait_for_up("s2", SOON).unwrap();
    assert!(cluster.balancer.log().contains("no-address"), "{}", cluster.balancer.log());
}

#[test]
fn a_leave_is_obeyed_from_the_event_alone() {
    let Some(cluster) = serving_without_serf(&["s1", "s2"]) else { return };
    let (kept, gone) = (cluster.backends["s1"].address, cluster.backends["s2"].address);
    // 3, because Serf does not answer, so nothing confirms the event.
    let code = cluster.balancer.handle("member-leave", &line("s2", gone)).unwrap();
    assert_eq!(code, 3, "{}", cluster.balancer.log());
    let wanted = [format!("s1 {kept}")];
    assert_eq!(recorded(&cluster), wanted, "{}", cluster.balancer.log());
    wait_until(AT_ONCE, "one server", &cluster, || served(&cluster) == wanted);
}

#[test]
fn a_node_that_is_twice_in_one_event_is_served_at_the_address_of_the_last_line() {
    let Some(mut cluster) = Cluster::serving(&["s1"]).unwrap() else { return };
    let (address, elsewhere) = (cluster.backends["s1"].address, cluster.net.next_host());
    let twice = |first, last| line("s1", first) + &line("s1", last);
    // Serf's list overrides both lines.
    assert_eq!(cluster.balancer.handle("member-join", &twice(elsewhere, address)).unwrap(), 0);
    assert_eq!(recorded(&cluster), [format!("s1 {address}")]);
    assert_eq!(cluster.balancer.handle("member-join", &twice(address, elsewhere)).unwrap(), 0);
    assert_eq!(recorded(&cluster), [format!("s1 {address}")]);
    // Without Serf's list, the event is the only information.
    cluster.balancer.agent.take().unwrap().kill9();
    assert_eq!(cluster.balancer.handle("member-join", &twice(address, elsewhere)).unwrap(), 3);
    assert_eq!(recorded(&cluster), [format!("s1 {elsewhere}")], "{}", cluster.balancer.log());
    wait_until(AT_ONCE, "the server", &cluster, || served(&cluster) == [format!("s1 {elsewhere}")]);
}
