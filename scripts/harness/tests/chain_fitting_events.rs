//! An event that fits the records asks for no list of the members, and one that changes nothing starts nothing else.
//! Everything odd asks for the list.
//!
//! Serf is real. A program `serf` before it in the `PATH` counts the questions.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::{Duration, SystemTime};

use common::replace::replace;
use harness::cluster::local_cluster::{Cluster, SOON};
use harness::daemons::webapp::WebApp;
use harness::run::programs;
use nix::sys::signal::Signal;

/// A balancer whose questions to Serf are counted, after a whole run.
struct Balancer {
    cluster: Cluster,
    calls: PathBuf,
}

impl Balancer {
    /// Serves s1 and s2.
    fn serving() -> Option<Balancer> {
        let mut cluster = Cluster::serving(&["s1", "s2"]).unwrap()?;
        let directory = cluster.run().path().join("counting");
        let calls = directory.join("calls");
        fs::create_dir(&directory).unwrap();
        let serf = programs::find("serf").unwrap();
        // A process of its own writes it, because a program that is open for writing cannot be executed.
        let write = "printf '#!/bin/sh\\necho >>\"%s\"\\nexec \"%s\" \"$@\"\\n' \"$1/calls\" \"$2\" >\"$1/serf\" && chmod +x \"$1/serf\"";
        let written = Command::new("sh").args(["-c", write, "sh"]).arg(&directory).arg(serf).status();
        assert!(written.unwrap().success());
        let mut path = directory.into_os_string();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap());
        cluster.balancer.set_env("PATH", path);
        cluster.balancer.set_env("SERF_SELF_NAME", "balancer");
        let balancer = Balancer { cluster, calls };
        balancer.whole_run();
        Some(balancer)
    }

    fn whole_run(&self) {
        assert_eq!(self.cluster.balancer.reconcile().unwrap(), 0, "{}", self.log());
        assert_eq!(self.asked(), 1, "{}", self.log());
    }

    /// How often Serf was asked since the last call of this.
    fn asked(&self) -> usize {
        let calls = fs::read_to_string(&self.calls).unwrap_or_default().lines().count();
        let _ = fs::remove_file(&self.calls);
        calls
    }

    /// Calls the handler, which must end with 0; returns how often Serf was asked.
    fn handle(&self, event: &str, payload: &str) -> usize {
        assert_eq!(self.cluster.balancer.handle(event, payload).unwrap(), 0, "{event}: {}", self.log());
        self.asked()
    }

    /// Makes the record of a member old, as if a minute had passed.
    fn let_pass(&self, name: &str) {
        let record = self.cluster.balancer.nodes_dir().join(format!("{name}.json"));
        fs::File::open(record).unwrap().set_modified(SystemTime::now() - Duration::from_secs(61)).unwrap();
    }

    fn log(&self) -> String {
        self.cluster.balancer.log()
    }

    fn line(&self, name: &str) -> String {
        line(name, self.cluster.backends[name].address, "")
    }

    /// The weight of a server; `None` if HAProxy does not have it.
    fn weight(&self, name: &str) -> Option<u32> {
        let servers = self.cluster.servers().unwrap();
        servers.into_iter().find(|server| server.name == name).map(|server| server.weight)
    }
}

fn line(name: &str, address: Ipv4Addr, more: &str) -> String {
    format!("{name}\t{address}\tbackend\trole=backend,port=3000{more}\n")
}

#[test]
fn events_that_fit_are_served_without_a_list() {
    let Some(balancer) = Balancer::serving() else { return };
    let address = balancer.cluster.net.next_host();
    let _app = WebApp::start(balancer.cluster.run(), "s3", address).unwrap();
    let join = line("s3", address, "");
    assert_eq!(balancer.handle("member-join", &join), 0, "{}", balancer.log());
    balancer.cluster.wait_for_up("s3", SOON).unwrap();
    balancer.let_pass("s3");
    assert_eq!(balancer.handle("member-update", &line("s3", address, ",weight=7")), 0, "{}", balancer.log());
    assert_eq!(balancer.weight("s3"), Some(7));
    balancer.let_pass("s3");
    assert_eq!(balancer.handle("member-leave", &join), 0, "{}", balancer.log());
    assert_eq!(balancer.weight("s3"), None);
    // It has left already, perhaps because a list came first.
    assert_eq!(balancer.handle("member-leave", &join), 0, "{}", balancer.log());
    // A member of a role that is not recorded.
    let other = format!("db\t{address}\tdatabase\trole=database\n");
    assert_eq!(balancer.handle("member-join", &other), 0, "{}", balancer.log());
}

#[test]
fn an_event_that_changes_nothing_starts_nothing_else() {
    let Some(mut balancer) = Balancer::serving() else { return };
    let directory = balancer.cluster.balancer.directory().to_owned();
    let template = directory.join("template");
    programs::copy(&programs::shipped("render-cfg/templates/haproxy.cfg.tera"), &template).unwrap();
    balancer.cluster.balancer.set_env("ROLLCALL_TEMPLATE", &template);
    balancer.whole_run();
    let config = balancer.cluster.balancer.config();
    let inode = || fs::metadata(&config).unwrap().ino();
    let before = inode();
    let text = fs::read_to_string(&template).unwrap() + "# edited\n";
    replace(&template, text.as_bytes(), 0o640).unwrap();
    for event in ["member-join", "member-update"] {
        assert_eq!(balancer.handle(event, &balancer.line("s1")), 0, "{}", balancer.log());
        assert_eq!(inode(), before, "{event} has rendered: {}", balancer.log());
    }
    // The next whole run does what the template asks for.
    balancer.whole_run();
    assert_ne!(inode(), before);
}

#[test]
fn everything_odd_asks_for_the_list() {
    let Some(balancer) = Balancer::serving() else { return };
    let elsewhere = balancer.cluster.net.next_host();
    let own = balancer.cluster.balancer.address();
    let weight = balancer.weight("s1");
    let cases = [
        ("empty input", "member-join", String::new()),
        ("empty input", "member-leave", String::new()),
        ("a line that was cut off", "member-join", balancer.line("s1") + "s2\t127"),
        ("a known member elsewhere", "member-join", line("s1", elsewhere, "")),
        (
            "a known member with other tags",
            "member-join",
            line("s1", balancer.cluster.backends["s1"].address, ",weight=9"),
        ),
        ("an update with another address", "member-update", line("s1", elsewhere, "")),
        ("twice in one event", "member-join", balancer.line("s1").repeat(2)),
        ("the agent has just started", "member-join", format!("balancer\t{own}\tbalancer\trole=balancer\n")),
        ("the agent stops", "member-leave", format!("balancer\t{own}\tbalancer\trole=balancer\n")),
        ("a failed member", "member-failed", balancer.line("s1")),
        ("a forgotten member", "member-reap", balancer.line("s1")),
    ];
    for (what, event, payload) in cases {
        assert_eq!(balancer.handle(event, &payload), 1, "{what}: {}", balancer.log());
        // The list has corrected what the event said.
        balancer.cluster.wait_for_servers(&["s1", "s2"], SOON).unwrap_or_else(|err| panic!("{what}: {err}"));
        assert_eq!(balancer.weight("s1"), weight, "{what}");
    }
    // It is not in the list, and stays until its server is down or it leaves.
    let unknown = line("s9", elsewhere, "");
    assert_eq!(balancer.handle("member-update", &unknown), 1, "{}", balancer.log());
    assert_eq!(balancer.handle("member-leave", &unknown), 1, "its record is new: {}", balancer.log());
    assert_eq!(balancer.cluster.balancer.handle("member-join", "../x\t127.0.0.1\tbackend\t\n").unwrap(), 3);
    assert_eq!(balancer.asked(), 1, "a member that cannot be recorded: {}", balancer.log());
    assert_eq!(balancer.handle("member-join", &balancer.line("s1")), 1, "after a run that failed");
    assert_eq!(balancer.handle("member-join", &balancer.line("s1")), 0, "{}", balancer.log());
}

#[test]
fn an_old_list_is_asked_for_again() {
    let Some(mut balancer) = Balancer::serving() else { return };
    balancer.cluster.balancer.set_env("ROLLCALL_LIST_AGE", "0");
    let line = balancer.line("s1");
    assert_eq!(balancer.handle("member-join", &line), 1, "{}", balancer.log());
    balancer.cluster.balancer.set_env("ROLLCALL_LIST_AGE", "2");
    assert_eq!(balancer.handle("member-join", &line), 0, "{}", balancer.log());
    // The note is in whole seconds. An event alone does not renew it.
    thread::sleep(Duration::from_secs(3));
    assert_eq!(balancer.handle("member-join", &line), 1, "{}", balancer.log());
    let note = balancer.cluster.balancer.directory().join("state/listed");
    for wrong in ["", "-5\n", "99999999\n", "1e3\n", "$(date)\n", "1 2\n"] {
        replace(&note, wrong.as_bytes(), 0o640).unwrap();
        assert_eq!(balancer.handle("member-join", &line), 1, "{wrong}: {}", balancer.log());
    }
    // A run that only records leaves the rest to others.
    for only_record in ["1", ""] {
        balancer.cluster.balancer.set_env("ROLLCALL_ONLY_RECORD", only_record);
        assert_eq!(balancer.handle("member-join", &line), 1, "{}", balancer.log());
        assert_eq!(balancer.handle("member-join", &line), 0, "{}", balancer.log());
    }
}

#[test]
fn what_a_run_left_undone_is_done_by_an_event_that_changes_nothing() {
    let Some(balancer) = Balancer::serving() else { return };
    let address = balancer.cluster.net.next_host();
    let _app = WebApp::start(balancer.cluster.run(), "s3", address).unwrap();
    let join = line("s3", address, "");
    // A run that is killed while HAProxy does not answer it.
    let haproxy = balancer.cluster.balancer.haproxy().unwrap();
    let worker = nix::unistd::Pid::from_raw(haproxy.worker_pid().unwrap() as i32);
    nix::sys::signal::kill(worker, Signal::SIGSTOP).unwrap();
    let mut handler = balancer.cluster.balancer.start_handler("member-join", &join).unwrap();
    let recorded = balancer.cluster.balancer.nodes_dir().join("s3.json");
    harness::run::poll::until(SOON, "the record", || recorded.exists().then_some(())).unwrap();
    let group = nix::unistd::Pid::from_raw(handler.id() as i32);
    nix::sys::signal::killpg(group, Signal::SIGKILL).unwrap();
    handler.wait().unwrap();
    nix::sys::signal::kill(worker, Signal::SIGCONT).unwrap();
    assert_eq!(balancer.asked(), 0);
    assert_eq!(balancer.handle("member-join", &join), 1, "{}", balancer.log());
    balancer.cluster.wait_for_up("s3", SOON).unwrap();
}
