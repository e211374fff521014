//! The address that a container on several networks announces.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::time::Duration;

use common::replace::replace;
use harness::daemons::docker::{ComposeCluster, Container, UP, docker};
use harness::run::poll;

const SOON: Duration = Duration::from_secs(40);
/// The web apps are on one network before and one after the balancer's, in every order that an engine can have.
const NETWORKS: &str = r#"{"networks": {"aaa": {}, "zzz": {}},
    "services": {"webapp": {"networks": ["aaa", "cluster", "zzz"]}}}"#;

fn address_on(container: &Container, network: &str) -> String {
    let all = container.inspect().unwrap()["NetworkSettings"]["Networks"].take();
    all[network]["IPAddress"].as_str().unwrap_or_default().to_owned()
}

#[test]
#[ignore = "builds images; scripts/test --containers"]
fn a_container_announces_the_address_that_its_peers_reach() {
    let Some(cluster) = ComposeCluster::new().unwrap() else { return };
    let directory = tempfile::tempdir().unwrap();
    let added = directory.path().join("networks.yml");
    replace(&added, NETWORKS.as_bytes(), 0o644).unwrap();
    let files = ["-f", added.to_str().unwrap()];
    let up =
        |scale: &[&str]| cluster.compose(&[&files[..], &["up", "-d", "--no-build"], scale].concat()).unwrap();
    // Without a peer there is nothing to decide by, so it may begin with another address.
    up(&["--scale", "ha=0", "--scale", "webapp=2"]);
    up(&["--scale", "webapp=2"]);
    for webapp in cluster.backends().unwrap() {
        assert_eq!(webapp.shell("hostname -I").unwrap().split_whitespace().count(), 3);
        let own = address_on(&webapp, &cluster.network());
        let is_announced = || (webapp.shell("cat /run/serf.address").ok()?.trim() == own).then_some(());
        poll::until(SOON, "the address on the network of the balancer", is_announced).unwrap();
    }
    cluster.wait_for_up(2, UP).unwrap();
    // Another network later changes nothing.
    let webapp = cluster.backends().unwrap().remove(0);
    let own = address_on(&webapp, &cluster.network());
    docker(&["network", "disconnect", &format!("{}_aaa", cluster.project()), &webapp.id]).unwrap();
    docker(&["network", "connect", &format!("{}_aaa", cluster.project()), &webapp.id]).unwrap();
    let same = || (webapp.shell("/usr/local/lib/rollcall/address").ok()?.trim() == own).then_some(());
    poll::until(SOON, "the same address", same).unwrap();
    cluster.compose(&[&files[..], &["down", "-v"]].concat()).unwrap();
}
