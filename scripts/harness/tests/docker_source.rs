//! The images with another source of members than Serf, as docs/nomad.md uses them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use common::replace::replace;
use harness::daemons::docker::{ComposeCluster, Container, UP};
use harness::run::poll;
use serde_json::json;

const SOON: Duration = Duration::from_secs(20);

/// The settings that a user adds to the compose file. Only SIGHUP is left to tell of a change.
fn settings(directory: &Path) -> String {
    let member = json!({ "environment": { "ROLLCALL_MEMBERS": "command" } });
    let balancer = json!({
        "environment": {
            "ROLLCALL_MEMBERS": "command",
            "ROLLCALL_MEMBERS_COMMAND": "cat /members/list.json",
            "RECONCILE_EVERY": "3600",
        },
        "volumes": [format!("{}:/members:ro", directory.display())],
    });
    json!({ "services": { "ha": balancer, "webapp": member } }).to_string()
}

/// Replaces the list by one with these web apps, in the form of docker/nomad.hcl.
fn list(directory: &Path, webapps: &[&Container]) {
    let member = |container: &&Container| {
        let address = container.address().unwrap().unwrap();
        json!({ "name": &container.id[..12], "address": address, "tags": { "port": 3000 } })
    };
    let members: Vec<_> = webapps.iter().map(member).collect();
    replace(&directory.join("list.json"), json!(members).to_string().as_bytes(), 0o644).unwrap();
}

#[test]
#[ignore = "builds images; scripts/test --containers"]
fn a_list_takes_the_place_of_serf_and_sighup_tells_of_a_change() {
    let Some(cluster) = ComposeCluster::new().unwrap() else { return };
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let added = directory.path().join("settings.yml");
    replace(&added, settings(directory.path()).as_bytes(), 0o644).unwrap();
    let up = |scale: &[&str]| {
        let files = ["-f", added.to_str().unwrap(), "up", "-d", "--no-build"];
        cluster.compose(&[&files[..], scale].concat()).unwrap()
    };
    up(&["--scale", "ha=0", "--scale", "webapp=2"]);
    let webapps = cluster.backends().unwrap();
    list(directory.path(), &[&webapps[0]]);
    up(&["--scale", "webapp=2"]);
    cluster.wait_for_up(1, UP).unwrap();
    let balancer = cluster.balancer().unwrap();
    // It had a server before it listened.
    assert!(!balancer.log().unwrap().contains("listening"), "{}", balancer.log().unwrap());
    for (container, own) in [(&balancer, "haproxy"), (&webapps[0], "node")] {
        container.exec(&["/usr/local/lib/rollcall/ready"]).unwrap();
        container.wait_for_health("healthy", UP).unwrap();
        let programs = container.shell("cat /proc/[0-9]*/comm").unwrap();
        assert!(programs.contains(own) && !programs.contains("serf"), "{programs}");
    }
    list(directory.path(), &[&webapps[0], &webapps[1]]);
    balancer.told(&["kill", "--signal", "HUP"]).unwrap();
    cluster.wait_for_up(2, SOON).unwrap();
    list(directory.path(), &[&webapps[1]]);
    balancer.told(&["kill", "--signal", "HUP"]).unwrap();
    let left = || {
        let servers = cluster.servers();
        (servers.len() == 1 && servers[0].name == webapps[1].id[..12]).then_some(())
    };
    poll::until(SOON, "the other web app to be the only server", left).unwrap();
    an_empty_list_takes_nobody_out(&cluster, &balancer, directory.path());
    assert_eq!(cluster.reloads(), Some(0));
    let took = balancer.stop().unwrap();
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert_eq!(balancer.exit_code().unwrap(), 0);
}

fn an_empty_list_takes_nobody_out(cluster: &ComposeCluster, balancer: &Container, directory: &Path) {
    list(directory, &[]);
    balancer.told(&["kill", "--signal", "HUP"]).unwrap();
    let refused = "cannot remove 1 of 1 records of role 'backend': their nodes are missing from the list";
    let is_refused = || balancer.log().ok()?.contains(refused).then_some(());
    poll::until(SOON, refused, is_refused).unwrap();
    assert_eq!(cluster.servers().len(), 1);
}
