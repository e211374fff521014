//! The images of `docker/` as a user runs them: their output, their privileges, and how they stop.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use common::replace::replace;
use harness::daemons::docker::{ComposeCluster, Container, UP, docker};
use harness::run::poll;
use harness::traffic::http::Client;

/// The limit for `docker stop` of a backend without requests in flight.
const STOPPED: Duration = Duration::from_secs(5);
/// How long Docker waits before it kills the balancer.
const GRACE: Duration = Duration::from_secs(10);
const SOON: Duration = Duration::from_secs(20);
/// The image's health check, and the one that asks for the other role, too.
const HEALTHY: &str = "/usr/local/lib/rollcall/healthy";
const READY: &str = "/usr/local/lib/rollcall/ready";

fn slow_down(backend: &Container, ms: u32) {
    let address = (backend.address().unwrap().unwrap(), 3000).into();
    let body = format!("{{\"delay\": {ms}}}");
    let headers = [("Content-Type", "application/json")];
    Client::fresh(address).send("POST", "/delay", &headers, body.as_bytes()).unwrap().success().unwrap();
}

#[test]
#[ignore = "builds images; scripts/test --containers"]
fn up_is_all_it_takes_and_ready_means_that_requests_are_served() {
    let Some(cluster) = ComposeCluster::new().unwrap() else { return };
    let start = Instant::now();
    cluster.compose(&["up", "-d", "--no-build"]).unwrap();
    let mut client = Client::fresh(cluster.front());
    let served = || client.get("/").ok().filter(|answer| answer.status == 200).map(drop);
    poll::until(UP, "the first 200", served).unwrap();
    println!("MEASURE up to the first 200: {:.1} s (aim 6)", start.elapsed().as_secs_f64());
    let (balancer, backend) = (cluster.balancer().unwrap(), cluster.backends().unwrap().remove(0));
    balancer.wait_for_health("healthy", UP).unwrap();
    backend.wait_for_health("healthy", UP).unwrap();
    balancer.exec(&[READY]).unwrap();
    backend.exec(&[READY]).unwrap();
    let page = Client::fresh(cluster.stats()).get("/stats").unwrap().text();
    let name = &backend.id[..12];
    assert!(page.contains(name), "the stats page does not show {name}");
    assert_eq!(cluster.reloads(), Some(0));
    // Without the other one each is still healthy, so no engine starts it again, but it is not ready.
    backend.told(&["pause"]).unwrap();
    wait_until_not_ready(&balancer, "a request gets 503");
    balancer.exec(&[HEALTHY]).unwrap();
    backend.told(&["unpause"]).unwrap();
    balancer.told(&["kill"]).unwrap();
    wait_until_not_ready(&backend, "Serf lists no balancer");
    backend.exec(&[HEALTHY]).unwrap();
    backend.shell("s6-svc -d /run/services/webapp").unwrap();
    backend.wait_for_health("unhealthy", UP).unwrap();
}

/// Waits until `ready` fails and prints this.
fn wait_until_not_ready(container: &Container, reason: &str) {
    let is_not = || container.exec(&[READY]).is_err_and(|err| err.to_string().contains(reason)).then_some(());
    poll::until(UP, reason, is_not).unwrap();
}

#[test]
#[ignore = "builds images; scripts/test --containers"]
fn processes_in_a_container_have_only_the_rights_that_they_need() {
    let Some(cluster) = ComposeCluster::serving(1).unwrap() else { return };
    let (balancer, backend) = (cluster.balancer().unwrap(), cluster.backends().unwrap().remove(0));
    for container in [&balancer, &backend] {
        let users = container.shell("cat /proc/[0-9]*/status | awk '/^Uid/ { print $2 }' | sort -u").unwrap();
        assert_eq!(users.trim(), "900", "a process has another user than rollcall");
        let rights = container.shell("awk '/^(CapBnd|NoNewPrivs)/ { print $2 }' /proc/1/status").unwrap();
        assert_eq!(rights.split_whitespace().collect::<Vec<_>>(), ["0000000000000000", "1"]);
        let root = container.shell("awk '$2 == \"/\" { print $4 }' /proc/mounts").unwrap();
        assert!(root.starts_with("ro,"), "the root file system can be written to: {root}");
        let programs = container.shell("find / -xdev -perm /6000 -type f 2>/dev/null || :").unwrap();
        assert_eq!(programs, "", "programs have the rights of their owner or group");
        let encrypted = container.shell("serf info -format=json").unwrap();
        assert!(encrypted.contains("\"encrypted\": \"true\""), "{encrypted}");
        // Neither an image nor the engine's description of a container contains a key.
        let key = container.shell("cat /secrets/GOSSIP_KEY").unwrap();
        assert_eq!(key.trim().len(), 44);
        assert!(!container.inspect().unwrap().to_string().contains(key.trim()));
    }
    let ports = balancer.inspect().unwrap()["NetworkSettings"]["Ports"].take();
    let published: Vec<&String> = ports.as_object().unwrap().keys().collect();
    assert_eq!(published, ["1936/tcp", "80/tcp"]);
    assert!(backend.inspect().unwrap()["NetworkSettings"]["Ports"].as_object().unwrap().is_empty());
    // Runs Serf's commands from another container.
    let address = balancer.address().unwrap().unwrap();
    let rpc = format!("bash -c '</dev/tcp/{address}/7373'");
    backend.shell(&rpc).expect_err("the balancer's Serf takes commands from the network");
    let sockets = balancer.shell("awk '$6 == \"01\" { print $8 }' /proc/net/unix").unwrap_or_default();
    assert!(!sockets.contains('@'), "a socket without a file: {sockets}");
}

#[test]
#[ignore = "builds images; scripts/test --containers"]
fn the_statistics_are_on_loopback_by_default() {
    let Some(cluster) = ComposeCluster::new().unwrap() else { return };
    let config = cluster.compose(&["config"]).unwrap();
    assert!(!config.contains("0.0.0.0"), "{config}");
    let file = std::fs::read_to_string(harness::run::programs::shipped("docker/docker-compose.yml")).unwrap();
    assert!(file.contains("${STATS_PORT:-127.0.0.1:1936}:1936"));
}

#[test]
#[ignore = "builds images; scripts/test --containers"]
fn a_users_settings_come_on_top_of_the_images() {
    let Some(mut cluster) = ComposeCluster::new().unwrap() else { return };
    cluster.set("ROLLCALL_SET", "hard_stop_after=29m rate_limit=100");
    let vars = tempfile::tempdir().unwrap();
    std::fs::set_permissions(vars.path(), PermissionsExt::from_mode(0o755)).unwrap();
    replace(&vars.path().join("shop.yaml"), b"hard_stop_after: 28m\nmaxconn: 4321\n", 0o644).unwrap();
    let added = vars.path().join("added.yml");
    let text = format!(
        "services:\n  ha:\n    environment: {{ROLLCALL_VARS: /vars/shop.yaml}}\n    volumes: [\"{}:/vars:ro\"]\n",
        vars.path().display()
    );
    replace(&added, text.as_bytes(), 0o644).unwrap();
    cluster.compose(&["-f", added.to_str().unwrap(), "up", "-d", "--no-build"]).unwrap();
    cluster.wait_for_up(1, harness::daemons::docker::UP).unwrap();
    let balancer = cluster.balancer().unwrap();
    let config = balancer.shell("cat $ROLLCALL_CONFIG").unwrap();
    let key = balancer.shell("cat /secrets/COOKIE_KEY").unwrap();
    for line in
        ["hard-stop-after 29m", "maxconn 4321", "bind :1936", &format!("dynamic-cookie-key {}", key.trim())]
    {
        assert!(config.lines().any(|found| found.trim() == line), "{line}: {config}");
    }
    assert!(config.contains("429") && !config.contains("\n    user "), "{config}");
}

#[test]
#[ignore = "builds images; scripts/test --containers"]
fn a_backend_that_is_stopped_leaves_first_and_answers_what_it_has() {
    let Some(cluster) = ComposeCluster::serving(2).unwrap() else { return };
    let backends = cluster.backends().unwrap();
    let took = backends[0].stop().unwrap();
    println!("MEASURE docker stop of a backend: {:.1} s (aim 5)", took.as_secs_f64());
    assert!(took < STOPPED, "{took:?}");
    assert_eq!(backends[0].exit_code().unwrap(), 0, "{}", backends[0].log().unwrap());
    cluster.wait_for_up(1, SOON).unwrap();
    // The other backend has a request that takes longer than Docker's own 10 s.
    slow_down(&backends[1], 12_000);
    let front = cluster.front();
    let visitor = std::thread::spawn(move || Client::fresh(front).with_timeout(SOON).get("/"));
    let has_it = || backends[1].shell("grep -c ' 01 ' /proc/net/tcp").ok().map(drop);
    poll::until(SOON, "the request to be on its way", has_it).unwrap();
    assert!(backends[1].stop().unwrap() < SOON);
    assert_eq!(visitor.join().unwrap().unwrap().status, 200);
    assert_eq!(backends[1].exit_code().unwrap(), 0);
    let log = backends[1].log().unwrap();
    assert!(log.contains("serf:     ") && log.contains("shutdown complete"), "{log}");
}

#[test]
#[ignore = "builds images; scripts/test --containers"]
fn a_balancer_that_is_stopped_answers_what_it_has_and_leaves() {
    let Some(cluster) = ComposeCluster::serving(1).unwrap() else { return };
    let (balancer, backend) = (cluster.balancer().unwrap(), cluster.backends().unwrap().remove(0));
    slow_down(&backend, 2000);
    let front = cluster.front();
    let visitor = std::thread::spawn(move || Client::fresh(front).get("/"));
    let has_it = || {
        let table = backend.shell("grep -i ':0BB8 ' /proc/net/tcp").ok()?;
        table.lines().any(|line| line.split_whitespace().nth(3) == Some("01")).then_some(())
    };
    poll::until(SOON, "the request to reach the backend", has_it).unwrap();
    let took = balancer.stop().unwrap();
    println!(
        "MEASURE docker stop of the balancer with a request of 2 s: {:.1} s (limit 10)",
        took.as_secs_f64()
    );
    assert!(took < GRACE);
    assert_eq!(visitor.join().unwrap().unwrap().status, 200);
    assert_eq!(balancer.exit_code().unwrap(), 0, "{}", balancer.log().unwrap());
    let members = backend.exec(&["serf", "members"]).unwrap();
    assert!(members.lines().any(|line| line.contains("role=balancer") && line.contains("left")), "{members}");
}

#[test]
#[ignore = "builds images; scripts/test --containers"]
fn a_service_that_dies_starts_again_and_one_that_keeps_dying_is_slowed_and_seen() {
    let Some(cluster) = ComposeCluster::serving(1).unwrap() else { return };
    let (balancer, backend) = (cluster.balancer().unwrap(), cluster.backends().unwrap().remove(0));
    for time in 1..=3 {
        let pid =
            || backend.shell("s6-svstat -o pid /run/services/webapp").ok().filter(|pid| pid.trim() != "-1");
        let pid = poll::until(SOON, "the web app to run", pid).unwrap();
        backend.shell(&format!("kill -9 {}", pid.trim())).unwrap();
        let line = format!("webapp: webapp ended by signal 9, {time} times within a minute");
        poll::until(SOON, &line, || backend.log().unwrap().contains(&line).then_some(())).unwrap();
    }
    assert!(backend.log().unwrap().contains("it starts again after 2 s"));
    for service in ["haproxy", "serf", "reconcile"] {
        balancer.shell(&format!("kill -9 $(s6-svstat -o pid /run/services/{service})")).unwrap();
    }
    cluster.wait_for_up(1, UP).unwrap();
    for container in [&balancer, &backend] {
        let log = container.log().unwrap();
        let known = ["haproxy", "init", "reconcile", "rollcall", "seeds", "serf", "webapp"];
        let is_known = |line: &&str| known.iter().any(|name| line.starts_with(&format!("{name}: ")));
        let unknown: Vec<&str> = log.lines().filter(|line| !is_known(line)).collect();
        assert!(unknown.is_empty(), "lines of no known service: {unknown:?}");
        // The first process reaps an orphan.
        container.shell("(sleep 0.1 & ) ; sleep 0.3").unwrap();
        let zombies = "grep -l '^State:.Z' /proc/[0-9]*/status | wc -l";
        let none = || (container.shell(zombies).ok()?.trim() == "0").then_some(());
        poll::until(SOON, "all zombies to be reaped", none).unwrap();
    }
}

#[test]
#[ignore = "builds images; scripts/test --containers"]
fn the_images_are_built_from_a_clean_clone() {
    let Some(cluster) = ComposeCluster::new().unwrap() else { return };
    let clone = tempfile::tempdir().unwrap();
    let root = harness::run::programs::root();
    let git = |arguments: &[&str]| {
        std::process::Command::new("git").args(arguments).output().is_ok_and(|output| output.status.success())
    };
    let target = clone.path().to_str().unwrap();
    if !git(&["clone", "--quiet", root.to_str().unwrap(), target]) {
        assert!(std::env::var_os("CI").is_none(), "cannot clone the repository");
        eprintln!("SKIPPED: this directory is not a git repository");
        return;
    }
    let build = ["--profile", "autoscale", "build"];
    cluster.compose_file(&format!("{target}/docker/docker-compose.yml"), &build).unwrap();
    for image in ["ha", "webapp", "autoscale"].map(|service| cluster.image(service)) {
        let size: f64 =
            docker(&["image", "inspect", "-f", "{{.Size}}", &image]).unwrap().trim().parse().unwrap();
        println!("MEASURE image {image}: {:.0} MB", size / 1e6);
    }
}
