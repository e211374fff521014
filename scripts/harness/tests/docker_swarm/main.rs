//! docker/stack.yml on a Swarm of three machines, as docs/swarm.md tells it: web apps and balancers are scaled, updated,
//! drained, killed and cut off under load.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod load_on_balancers;

use std::sync::Arc;

use harness::Result;
use harness::daemons::docker::is_here;
use harness::daemons::docker::swarm::{SOON, STACK, Swarm};
use harness::network::namespace;
use harness::run::{Run, poll, programs};
use harness::traffic::visitor::Visitor;

use crate::load_on_balancers::{Touches, under_load};

const ALL: [usize; 3] = [0, 1, 2];

/// Asserts that only the port 80 is published, and that the processes have no rights that they do not need.
fn assert_least_rights(swarm: &Swarm) -> Result<()> {
    for machine in &swarm.machines {
        let balancer = machine.balancer()?;
        let networks = machine.docker(&["inspect", "-f", "{{json .NetworkSettings.Networks}}", &balancer])?;
        let announced = machine.shell(&balancer, "cat /run/serf.address")?;
        assert!(
            networks.contains(&format!("\"IPAddress\":\"{}\"", announced.trim())),
            "{announced}: {networks}"
        );
        for container in [vec![balancer], machine.containers("webapp")?].concat() {
            let rights =
                machine.shell(&container, "awk '/^(CapBnd|NoNewPrivs)/ { print $2 }' /proc/1/status")?;
            assert_eq!(rights.split_whitespace().collect::<Vec<_>>(), ["0000000000000000", "1"]);
            let users =
                machine.shell(&container, "cat /proc/[0-9]*/status | awk '/^Uid/ { print $2 }' | sort -u")?;
            assert_eq!(users.trim(), "900");
            let root = machine.shell(&container, "awk '$2 == \"/\" { print $4 }' /proc/mounts")?;
            assert!(root.starts_with("ro,"), "the root file system can be written to: {root}");
            let key = machine.shell(&container, "stat -c '%a %u' /run/secrets/gossip_key")?;
            assert_eq!(key.trim(), "400 900");
        }
    }
    let ports = swarm.docker(&[
        "service",
        "inspect",
        "-f",
        "{{json .Endpoint.Ports}}",
        "rollcall_ha",
        "rollcall_webapp",
    ])?;
    assert_eq!(ports.matches("PublishedPort").count(), 1, "{ports}");
    Ok(())
}

/// The web apps come and go, in each way that Swarm has for it.
fn web_apps_change(swarm: &mut Swarm) -> Result<()> {
    for (what, count) in [("scaled to 5 web apps", 5), ("scaled to 2 web apps", 2)] {
        under_load(what, swarm, Touches::Others, |swarm| {
            swarm.scale(count)?;
            swarm.wait_for_up(&ALL, count)
        })?;
    }
    for (what, order) in
        [("web apps updated, start-first", "start-first"), ("web apps updated, stop-first", "stop-first")]
    {
        under_load(what, swarm, Touches::Others, |swarm| {
            swarm.update("webapp", &["--force", "--update-order", order])?;
            swarm.wait_for_up(&ALL, 2)
        })?;
    }
    // With one web app, the new one must be known before the old one stops.
    swarm.scale(1)?;
    swarm.wait_for_up(&ALL, 1)?;
    under_load("the only web app updated, start-first", swarm, Touches::Others, |swarm| {
        swarm.update("webapp", &["--force", "--update-order", "start-first"])?;
        swarm.wait_for_up(&ALL, 1)
    })?;
    swarm.scale(3)?;
    swarm.wait_for_up(&ALL, 3)
}

/// A machine is drained, and is in service again.
fn a_machine_is_drained(swarm: &mut Swarm) -> Result<()> {
    under_load("a machine drained", swarm, Touches::Others, |swarm| {
        swarm.docker(&["node", "update", "--availability", "drain", "n3"])?;
        let empty = || {
            Ok((swarm.machines[2].containers("webapp")?.len() + swarm.machines[2].containers("ha")?.len()
                == 0)
                .then_some(()))
        };
        poll::try_until(SOON, "n3 to be empty", empty)?;
        swarm.wait_for_up(&[0, 1], 3)
    })?;
    under_load("a drained machine back", swarm, Touches::Others, |swarm| {
        swarm.docker(&["node", "update", "--availability", "active", "n3"])?;
        swarm.wait_for_up(&ALL, 3)
    })
}

/// Lets the Swarm spread the web apps again: it moves none by itself to a machine that is back.
fn spread(swarm: &Swarm) -> Result<()> {
    // It may need a second update if it has just counted a machine as down.
    for _ in 0..3 {
        swarm.update("webapp", &["--force", "--update-order", "stop-first"])?;
        swarm.wait_for_up(&ALL, 3)?;
        let each = swarm.machines.iter().map(|machine| machine.containers("webapp"));
        if each.collect::<Result<Vec<_>>>()?.iter().all(|webapps| webapps.len() == 1) {
            return Ok(());
        }
    }
    panic!("the Swarm does not spread the web apps: {}", swarm.docker(&["stack", "ps", STACK])?);
}

/// Waits until these balancers have lost the web app of a machine, and then have the one that replaces it.
fn wait_for_another(swarm: &Swarm, machines: &[usize]) -> Result<()> {
    let lacks_one = |machine: usize| swarm.machines[machine].servers_up().is_ok_and(|(_, up)| up == 2);
    let all = || machines.iter().all(|machine| lacks_one(*machine)).then_some(());
    poll::until(SOON, "a web app to be missing", all)?;
    swarm.wait_for_up(machines, 3)
}

/// The power of a machine fails, with its balancer and its web app, and comes back.
fn a_machine_dies(swarm: &mut Swarm) -> Result<()> {
    spread(swarm)?;
    under_load("a machine without power", swarm, Touches::Others, |swarm| {
        swarm.segment.unplug("n3")?;
        swarm.machines[2].cut_power();
        wait_for_another(swarm, &[0, 1])
    })?;
    under_load("its power is back", swarm, Touches::Others, |swarm| {
        swarm.segment.replug("n3")?;
        swarm.machines[2].power_on()?;
        swarm.machines[2].wait_until_it_answers()?;
        swarm.wait_for_up(&ALL, 3)
    })
}

/// A machine is cut off, with its balancer and its web app, and comes back.
fn a_machine_is_cut_off(swarm: &mut Swarm) -> Result<()> {
    spread(swarm)?;
    under_load("a machine cut off", swarm, Touches::Others, |swarm| {
        swarm.segment.unplug("n2")?;
        wait_for_another(swarm, &[0, 2])
    })?;
    under_load("a machine that was cut off is back", swarm, Touches::Others, |swarm| {
        swarm.segment.replug("n2")?;
        swarm.wait_for_up(&ALL, 3)
    })
}

fn survive() -> Result<()> {
    let run = Arc::new(Run::new()?);
    let mut swarm = Swarm::start(&run)?;
    let made = swarm.deploy()?;
    assert_eq!(made.matches("is new").count(), 3, "{made}");
    swarm.wait_for_up(&ALL, 2)?;
    assert_least_rights(&swarm)?;
    assert_eq!(swarm.deploy()?.matches("is there").count(), 3);
    let mut visitor = Visitor::new(swarm.front(0));
    let mut go_on = |machine: usize, swarm: &Swarm| {
        visitor.go_to(swarm.front(machine));
        visitor.visit().unwrap();
        assert_eq!(visitor.lost(), 0, "no session is lost");
    };
    go_on(0, &swarm);
    web_apps_change(&mut swarm)?;
    go_on(0, &swarm);
    under_load("balancers updated", &mut swarm, Touches::All, |swarm| {
        swarm.update("ha", &["--force"])?;
        swarm.wait_for_up(&ALL, 3)
    })?;
    go_on(1, &swarm);
    a_machine_is_drained(&mut swarm)?;
    a_machine_dies(&mut swarm)?;
    go_on(2, &swarm);
    a_machine_is_cut_off(&mut swarm)?;
    go_on(1, &swarm);
    Ok(())
}

#[test]
#[ignore = "builds images; scripts/test --containers"]
fn a_swarm_is_scaled_updated_drained_and_loses_machines_and_no_request_fails() {
    if namespace::is_possible() && is_here() && programs::are_here(&["dockerd", "unshare"]) {
        namespace::apart(survive).unwrap();
    }
}
