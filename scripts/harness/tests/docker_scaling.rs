//! The cluster in containers, under load, while backends and balancers join, leave, die, hang and are cut off.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::time::{Duration, Instant};

use harness::daemons::docker::{ComposeCluster, Container, UP, docker};
use harness::run::poll;
use harness::traffic::http::Client;
use harness::traffic::load::{Load, Rate};
use harness::traffic::response::Failure;
use harness::traffic::visitor::Visitor;

const SOON: Duration = Duration::from_secs(20);
/// How long it may take until a dead member is marked failed.
const GIVEN_UP: Duration = Duration::from_secs(60);

fn load(cluster: &ComposeCluster) -> Load {
    Load::start(cluster.front(), "/", Rate::default())
}

fn assert_none_failed(load: &Load, start: Instant) {
    let counts = load.since(start);
    println!("MEASURE {} requests, {} failed", counts.requests, counts.failures());
    assert_eq!(counts.failures(), 0, "{}", counts.failures_shown());
}

/// Seconds from a container's start, as recorded by the engine, to the first request that it answered.
fn first_answer(load: &Load, container: &Container, now: (Instant, i64)) -> f64 {
    let started = container.inspect().unwrap()["State"]["StartedAt"].as_str().unwrap().to_owned();
    let ms = docker_time(&started);
    let address = container.address().unwrap().unwrap();
    let answer = poll::until(SOON, "its first answer", || load.first_answer_by(address, now.0)).unwrap();
    ((answer - now.0).as_millis() as f64 - (ms - now.1) as f64) / 1000.0
}

/// The engine's text for a time, as milliseconds since 1970.
fn docker_time(text: &str) -> i64 {
    let output = std::process::Command::new("date").args(["-d", text, "+%s%3N"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
}

fn now() -> (Instant, i64) {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    (Instant::now(), i64::try_from(since.as_millis()).unwrap())
}

/// Occupies the three addresses that the engine would assign next.
fn take_addresses(cluster: &ComposeCluster) {
    let label = format!("com.docker.compose.project={}", cluster.project());
    // Compose v2 gives the service's label to the image, too.
    let service = "com.docker.compose.service=none";
    let network = cluster.network();
    let image = cluster.image("webapp");
    let labels = ["--label", &label, "--label", service];
    let others = ["--network", &network, "--entrypoint", "sleep", &image, "300"];
    for _ in 0..3 {
        docker(&[&["run", "-d", "--rm"], &labels[..], &others[..]].concat()).unwrap();
    }
}

#[test]
#[ignore = "builds images; scripts/test --containers"]
fn scaling_up_and_down_under_load_fails_no_request_and_reloads_nothing() {
    let Some(cluster) = ComposeCluster::serving(2).unwrap() else { return };
    let load = load(&cluster);
    let start = now();
    // Serf waits a second for more events before it calls its handler, so the first of several servers waits for the
    // last.
    for (count, more) in [(3, "one more"), (5, "two more at once")] {
        let before = cluster.backends().unwrap();
        cluster.scale(count).unwrap();
        cluster.wait_for_up(count, SOON).unwrap();
        for backend in cluster.backends().unwrap().iter().filter(|backend| !before.contains(backend)) {
            let seconds = first_answer(&load, backend, start);
            println!("MEASURE {more}: start of the container to its first answer {seconds:.1} s (aim 2)");
        }
    }
    cluster.scale(1).unwrap();
    cluster.wait_for_up(1, SOON).unwrap();
    assert_none_failed(&load, start.0);
    assert_eq!(cluster.reloads(), Some(0));
}

#[test]
#[ignore = "builds images; scripts/test --containers"]
fn twenty_backends_come_at_once() {
    let Some(cluster) = ComposeCluster::serving(1).unwrap() else { return };
    let load = load(&cluster);
    let start = Instant::now();
    cluster.scale(20).unwrap();
    let scaled = start.elapsed();
    cluster.wait_for_up(20, UP).unwrap();
    let (all, compose) = (start.elapsed().as_secs_f64(), scaled.as_secs_f64());
    println!("MEASURE 20 backends in the pool: {all:.1} s (aim 15), {compose:.1} s of them compose's");
    assert_none_failed(&load, start);
    assert_eq!(cluster.reloads(), Some(0));
}

#[test]
#[ignore = "builds images; scripts/test --containers"]
fn a_killed_container_that_comes_back_fails_no_request() {
    let Some(cluster) = ComposeCluster::serving(3).unwrap() else { return };
    let load = load(&cluster);
    let start = Instant::now();
    // Compose uses the number after the highest existing one.
    let backends = cluster.backends().unwrap();
    let victim = backends.iter().max_by_key(|backend| backend.name().unwrap()).unwrap();
    let (name, address) = (victim.name().unwrap(), victim.address().unwrap());
    docker(&["rm", "-f", &victim.id]).unwrap();
    cluster.wait_for_up(2, GIVEN_UP).unwrap();
    // The name is used again, at another address.
    take_addresses(&cluster);
    cluster.scale(3).unwrap();
    cluster.wait_for_up(3, SOON).unwrap();
    let backends = cluster.backends().unwrap();
    let again = backends.iter().find(|backend| backend.name().unwrap() == name).unwrap();
    assert_ne!(again.address().unwrap(), address);
    assert_none_failed(&load, start);
    assert_eq!(cluster.reloads(), Some(0));
}

#[test]
#[ignore = "builds images; scripts/test --containers"]
fn a_container_that_hangs_is_left_out_and_comes_back() {
    let Some(cluster) = ComposeCluster::serving(3).unwrap() else { return };
    let load = load(&cluster);
    let start = Instant::now();
    let sleeper = cluster.backends().unwrap().remove(0);
    sleeper.told(&["pause"]).unwrap();
    cluster.wait_for_up(2, GIVEN_UP).unwrap();
    sleeper.told(&["unpause"]).unwrap();
    cluster.wait_for_up(3, GIVEN_UP).unwrap();
    // The server had accepted requests that it never answered, so each visitor may have lost one.
    let counts = load.since(start);
    println!("MEASURE a hanging backend: {} requests, {} failed", counts.requests, counts.failures());
    let waited = counts.failed.get(&Failure::Timeout).copied().unwrap_or(0);
    assert_eq!(counts.failures(), waited, "{}", counts.failures_shown());
    assert!(waited <= 8, "{waited} requests timed out, with 8 visitors");
}

#[test]
#[ignore = "builds images; scripts/test --containers"]
fn one_that_is_cut_off_comes_back_by_itself_at_another_address_too() {
    let Some(cluster) = ComposeCluster::serving(2).unwrap() else { return };
    let lost = cluster.backends().unwrap().remove(0);
    let before = lost.address().unwrap().unwrap();
    docker(&["network", "disconnect", &cluster.network(), &lost.id]).unwrap();
    cluster.wait_for_up(1, GIVEN_UP).unwrap();
    take_addresses(&cluster);
    docker(&["network", "connect", &cluster.network(), &lost.id]).unwrap();
    let after = lost.address().unwrap().unwrap();
    assert_ne!(before, after, "the engine gave it its old address");
    cluster.wait_for_up(2, GIVEN_UP).unwrap();
    let mut client = Client::fresh(cluster.front());
    let serves = || (client.get("/").ok()?.header("x-backend-ip") == Some(&after.to_string())).then_some(());
    poll::until(SOON, "the one that was cut off to serve", serves).unwrap();
}

#[test]
#[ignore = "builds images; scripts/test --containers"]
fn the_order_of_starting_does_not_matter_nor_where_the_balancer_comes_back() {
    let Some(cluster) = ComposeCluster::new().unwrap() else { return };
    cluster.compose(&["up", "-d", "--no-build", "--scale", "ha=0", "--scale", "webapp=2"]).unwrap();
    let alone = cluster.backends().unwrap().remove(0);
    let running = || alone.exec(&["serf", "info"]).ok().map(drop);
    poll::until(UP, "a backend's agent", running).unwrap();
    // It waits for a balancer, but not for ever: then an engine need not start it again.
    alone.exec(&["/usr/local/lib/rollcall/healthy"]).unwrap_err();
    alone.wait_for_health("healthy", UP).unwrap();
    alone.exec(&["/usr/local/lib/rollcall/ready"]).unwrap_err();
    cluster.scale(2).unwrap();
    cluster.wait_for_up(2, UP).unwrap();
    let first = cluster.balancer().unwrap();
    let address = first.address().unwrap();
    docker(&["rm", "-f", &first.id]).unwrap();
    cluster.compose(&["up", "-d", "--no-build", "--scale", "ha=0", "--scale", "webapp=3"]).unwrap();
    let start = Instant::now();
    cluster.scale(3).unwrap();
    cluster.wait_for_up(3, UP).unwrap();
    println!("MEASURE a new balancer has all backends: {:.1} s", start.elapsed().as_secs_f64());
    assert_ne!(cluster.balancer().unwrap().address().unwrap(), address);
    // Killed and started again, it is the same container with an empty /run.
    let balancer = cluster.balancer().unwrap();
    balancer.told(&["kill"]).unwrap();
    balancer.told(&["start"]).unwrap();
    cluster.wait_for_up(3, UP).unwrap();
    assert_eq!(Client::fresh(cluster.front()).get("/").unwrap().status, 200);
}

#[test]
#[ignore = "builds images; scripts/test --containers"]
fn a_visitor_keeps_his_server_through_either_of_two_balancers() {
    let Some(cluster) = ComposeCluster::new().unwrap() else { return };
    cluster.compose(&["--profile", "two", "up", "-d", "--no-build", "--scale", "webapp=3"]).unwrap();
    cluster.wait_for_up(3, UP).unwrap();
    let serves = || Client::fresh(cluster.second_front()).get("/").ok().filter(|answer| answer.status == 200);
    poll::until(UP, "the second balancer to serve", serves).unwrap();
    let mut visitor = Visitor::new(cluster.front());
    let home = visitor.visit().unwrap().host;
    for visit in 2..=7 {
        visitor.go_to(if visit % 2 == 0 { cluster.second_front() } else { cluster.front() });
        let view = visitor.visit().unwrap();
        assert_eq!((view.host, view.views), (home.clone(), visit), "he did not keep his server");
    }
}
