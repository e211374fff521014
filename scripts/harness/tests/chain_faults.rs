//! Faults of real machines: crowds of handlers, kill -9 at any moment, full and read-only disks.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use common::records::read_all;
use harness::cluster::local_cluster::{Cluster, SOON};
use harness::run::{poll, process, programs};
use harness::traffic::http::Client;

fn line(name: &str, cluster: &Cluster) -> String {
    let address = cluster.backends[name].address;
    format!("{name}\t{address}\tbackend\trole=backend,port=3000\n")
}

fn records(cluster: &Cluster) -> Vec<String> {
    let (nodes, faults) = read_all(&cluster.balancer.nodes_dir()).unwrap();
    assert!(faults.is_empty(), "{faults:?}");
    nodes.into_iter().map(|node| node.name).collect()
}

#[test]
fn twenty_handlers_at_once_fifty_times_lose_nothing_and_reload_nothing() {
    let Some(cluster) = Cluster::serving(&["s1", "s2"]).unwrap() else { return };
    assert_eq!(cluster.balancer.reconcile().unwrap(), 0);
    let worker = cluster.balancer.haproxy().unwrap().worker_pid().unwrap();
    for _ in 0..50 {
        let handlers: Vec<Child> = (0..20)
            .map(|number| match number % 4 {
                0 => cluster.balancer.start_handler("member-join", &line("s1", &cluster)).unwrap(),
                1 => cluster.balancer.start_handler("member-update", &line("s2", &cluster)).unwrap(),
                // A stale event. The membership is read in the same run and overrides it.
                2 => cluster.balancer.start_handler("member-failed", &line("s1", &cluster)).unwrap(),
                _ => cluster.balancer.start_handler("member-leave", "nobody\t10.0.0.1\tbackend\t\n").unwrap(),
            })
            .collect();
        for mut handler in handlers {
            assert_eq!(handler.wait().unwrap().code(), Some(0), "{}", cluster.balancer.log());
        }
        assert_eq!(records(&cluster), ["balancer", "s1", "s2"]);
    }
    assert_eq!(cluster.balancer.haproxy().unwrap().worker_pid().unwrap(), worker);
}

#[test]
fn a_handler_killed_at_any_moment_is_made_good_by_the_next_run() {
    let Some(mut cluster) = Cluster::serving(&["s1", "s2"]).unwrap() else { return };
    announce(&mut cluster, "s1", "9");
    assert_eq!(cluster.balancer.reconcile().unwrap(), 0);
    announce(&mut cluster, "s1", "10");
    let start = Instant::now();
    assert_eq!(cluster.balancer.handle("member-update", &line("s1", &cluster)).unwrap(), 0);
    let whole = start.elapsed();
    let mut killed = 0;
    for moment in 0..25 {
        // This tag appears in the file, so every step has something to do.
        let weight = (11 + moment).to_string();
        announce(&mut cluster, "s1", &weight);
        let mark = format!("victim-{moment}");
        cluster.balancer.set_env(VICTIM, &mark);
        let mut handler = cluster.balancer.start_handler("member-update", &line("s1", &cluster)).unwrap();
        thread::sleep(whole * moment / 25);
        // Kills the script and every step that it has started.
        process::kill_marked(&format!("{VICTIM}={mark}")).unwrap();
        killed += u32::from(handler.wait().unwrap().code().is_none());
        let config = cluster.balancer.config();
        let check = Command::new("haproxy").arg("-c").arg("-q").arg("-f").arg(&config).status().unwrap();
        assert!(check.success(), "after {moment}");
        records(&cluster);
        assert_eq!(cluster.balancer.reconcile().unwrap(), 0, "{}", cluster.balancer.log());
        assert!(fs::read_to_string(&config).unwrap().contains(&format!("weight {weight}")));
        let servers = cluster.servers().unwrap();
        let served = servers.iter().find(|server| server.name == "s1").unwrap();
        assert_eq!(served.weight, 11 + moment, "{}", cluster.balancer.log());
    }
    // Some handlers may have ended before they could be killed.
    assert!(killed >= 10, "only {killed} handlers were still running when they were killed");
}

/// The variable that marks the processes of one run of the handler.
const VICTIM: &str = "ROLLCALL_VICTIM";

/// Sets a backend's tag `weight`, and waits until the balancer's agent has received it.
fn announce(cluster: &mut Cluster, name: &str, weight: &str) {
    let run = cluster.run().clone();
    cluster.backend(name).unwrap().agent.set_tag(&run, "weight", weight).unwrap();
    let agent = cluster.balancer.agent().unwrap();
    poll::try_until(SOON, "the balancer to know the tag", || {
        let members = agent.members(&run)?;
        let is_known = |tags: &BTreeMap<String, String>| tags.get("weight").is_some_and(|tag| tag == weight);
        Ok(members.iter().any(|member| member.name == name && is_known(&member.tags)).then_some(()))
    })
    .unwrap();
}

#[test]
fn member_leave_killed_at_any_moment_leaves_whole_records_and_the_next_run_finishes() {
    let scratch = tempfile::tempdir().unwrap();
    let nodes = scratch.path().join("nodes");
    let payload: String =
        (0..200).map(|number| format!("n{number}\t10.0.0.1\tbackend\trole=backend\n")).collect();
    let input = scratch.path().join("payload");
    common::replace::replace(&input, payload.as_bytes(), 0o600).unwrap();
    let start = |program: &str| {
        let mut command = Command::new(programs::bin_dir().unwrap().join(program));
        command.env("NODES_DIR", &nodes).stdin(File::open(&input).unwrap()).spawn().unwrap()
    };
    for moment in 0..40 {
        assert!(start("member-join").wait().unwrap().success());
        let mut leave = start("member-leave");
        thread::sleep(Duration::from_micros(moment * 250));
        leave.kill().unwrap();
        leave.wait().unwrap();
        assert!(read_all(&nodes).unwrap().1.is_empty());
    }
    assert!(start("member-leave").wait().unwrap().success());
    assert!(read_all(&nodes).unwrap().0.is_empty());
}

/// A small file system mounted over a directory; unmounted when dropped.
struct Mount {
    path: PathBuf,
}

impl Mount {
    /// Mounts it; `None` if mounting is not allowed. Then the test is skipped with a message, but fails in CI.
    fn over(path: &Path) -> Option<Mount> {
        if !nix::unistd::geteuid().is_root() {
            assert!(std::env::var_os("CI").is_none(), "mounting needs root");
            eprintln!("SKIPPED: mounting needs root");
            return None;
        }
        let mount = Mount { path: path.to_owned() };
        mount.call("mount", &["-t", "tmpfs", "-o", "size=256k", "rollcall-test"]);
        Some(mount)
    }

    fn call(&self, program: &str, arguments: &[&str]) {
        assert!(Command::new(program).args(arguments).arg(&self.path).status().unwrap().success());
    }

    fn fill(&self) -> PathBuf {
        let filler = self.path.join("filler");
        let mut file = OpenOptions::new().write(true).create_new(true).open(&filler).unwrap();
        while file.write_all(&[0; 512]).is_ok() {}
        filler
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.path).status();
    }
}

/// A balancer whose records, configuration, state and log are on a separate file system.
fn on_a_small_disk() -> Option<(Cluster, Mount)> {
    if !programs::are_all_here() {
        return None;
    }
    let mut cluster = Cluster::new().unwrap();
    let mount = Mount::over(cluster.balancer.directory())?;
    fs::create_dir(cluster.balancer.nodes_dir()).unwrap();
    cluster.start_balancer().unwrap();
    cluster.add("s1").unwrap();
    cluster.wait_for_servers(&["s1"], SOON).unwrap();
    cluster.wait_for_up("s1", SOON).unwrap();
    assert_eq!(cluster.balancer.reconcile().unwrap(), 0);
    // The caller's variables are dropped in reverse order, so the mount goes first. Only then can the cluster's
    // directory be removed.
    Some((cluster, mount))
}

fn is_served(cluster: &Cluster) -> bool {
    Client::fresh(cluster.front()).get("/").is_ok_and(|answer| answer.status == 200)
}

/// Truncates a file to free its space.
fn empty(file: &Path) {
    OpenOptions::new().write(true).truncate(true).open(file).unwrap();
}

#[test]
fn a_full_disk_loses_nothing_and_the_next_run_after_it_does_the_work() {
    let Some((mut cluster, mount)) = on_a_small_disk() else { return };
    let before = fs::read(cluster.balancer.config()).unwrap();
    let [answer, health, listed] =
        ["members", "health", "listed"].map(|name| cluster.balancer.directory().join("state").join(name));
    [&answer, &health, &listed].into_iter().for_each(|file| empty(file));
    let filler = mount.fill();
    cluster.add("s2").unwrap();
    let agent = cluster.balancer.agent.as_ref().unwrap();
    agent.wait_for_alive(cluster.run(), 3, SOON).unwrap();
    assert_eq!(cluster.balancer.reconcile().unwrap(), 4);
    assert_eq!(fs::metadata(&answer).unwrap().len(), 0);
    assert_eq!(fs::read(cluster.balancer.config()).unwrap(), before);
    assert_eq!(records(&cluster), ["balancer", "s1"]);
    assert!(is_served(&cluster));
    fs::remove_file(filler).unwrap();
    assert_eq!(cluster.balancer.reconcile().unwrap(), 0, "{}", cluster.balancer.log());
    cluster.wait_for_servers(&["s1", "s2"], Duration::ZERO).unwrap();
    // There is nothing else to do, and no space for Serf's output. The error must be the disk's, not Serf's.
    cluster.stop("s2").unwrap();
    let log = cluster.run().path().join("roomy.log");
    cluster.balancer.set_env("ROLLCALL_LOG", &log);
    [&answer, &health, &listed].into_iter().for_each(|file| empty(file));
    let filler = mount.fill();
    assert_eq!(cluster.balancer.reconcile().unwrap(), 4);
    let log = fs::read_to_string(log).unwrap();
    assert!(log.contains("members': it contains only part of the list (is the disk full?)"), "{log}");
    fs::remove_file(filler).unwrap();
    assert_eq!(cluster.balancer.reconcile().unwrap(), 0, "{}", cluster.balancer.log());
    cluster.wait_for_servers(&["s1"], Duration::ZERO).unwrap();
}

#[test]
fn a_read_only_disk_loses_nothing_and_the_next_run_after_it_does_the_work() {
    let Some((mut cluster, mount)) = on_a_small_disk() else { return };
    mount.call("mount", &["-o", "remount,ro"]);
    cluster.add("s2").unwrap();
    let agent = cluster.balancer.agent.as_ref().unwrap();
    agent.wait_for_alive(cluster.run(), 3, SOON).unwrap();
    assert_eq!(cluster.balancer.reconcile().unwrap(), 4);
    assert_eq!(records(&cluster), ["balancer", "s1"]);
    assert!(is_served(&cluster));
    mount.call("mount", &["-o", "remount,rw"]);
    assert_eq!(cluster.balancer.reconcile().unwrap(), 0, "{}", cluster.balancer.log());
    cluster.wait_for_servers(&["s1", "s2"], Duration::ZERO).unwrap();
}
