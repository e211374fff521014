//! The member-leave program: lists that do not name every node. An agent that has just started prints them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use std::fs;
use std::path::PathBuf;

use assert_cmd::Command;
use common::replace::replace;
use support::*;

const POOL: [(&str, &str); 5] =
    [("s1", "backend"), ("s2", "backend"), ("s3", "backend"), ("s4", "backend"), ("s5", "backend")];

/// Five records, and what HAProxy finds of them.
struct Pool {
    fixture: Fixture,
    health: PathBuf,
}

impl Pool {
    fn with(health: &str) -> Pool {
        let fixture = Fixture::with(&POOL);
        let file = fixture.scratch.path().join("health");
        replace(&file, health.as_bytes(), 0o600).unwrap();
        Pool { fixture, health: file }
    }

    /// The program, reading a list of these members with their status.
    fn leave(&self, members: &[(&str, &str)]) -> Command {
        let members: Vec<_> = members.iter().map(|(name, status)| (*name, "backend", *status)).collect();
        let mut command = self.fixture.leave(&LIST);
        command.arg("--serving").arg(&self.health).write_stdin(list(&members));
        command
    }

    /// Makes the nodes that are missing from the list miss for ten more minutes.
    fn let_ten_minutes_pass(&self) {
        let file = self.fixture.nodes().join(".missing");
        let text = fs::read_to_string(&file).unwrap();
        let earlier = |number: &str| number.parse::<u64>().map(|since| (since - 600).to_string());
        let text: Vec<String> = text
            .split_inclusive([':', ',', '}'])
            .map(|part| {
                let (number, end) = part.split_at(part.len() - 1);
                earlier(number).map_or_else(|_| part.to_owned(), |number| number + end)
            })
            .collect();
        replace(&file, text.concat().as_bytes(), 0o640).unwrap();
    }
}

#[test]
fn nodes_that_are_missing_from_the_list_but_up_stay() {
    let pool = Pool::with("s1 up 10.0.0.1:3000\ns2 up 10.0.0.2:3000\ns3 starting 10.0.0.3:3000\n");
    let members = [("s1", "alive"), ("s4", "alive"), ("s5", "alive")];
    let kept = "member-leave: kept s2, s3: missing from Serf's list, but seen up\n";
    pool.leave(&members).arg("-v").assert().code(0).stderr(kept);
    assert_eq!(pool.fixture.names(), "s1 s2 s3 s4 s5");
}

#[test]
fn a_few_that_are_missing_and_down_go_at_once() {
    let pool = Pool::with("s1 up\ns2 down\ns3 down\ns4 up\ns5 up\n");
    pool.leave(&[("s1", "alive"), ("s4", "alive"), ("s5", "alive")]).assert().code(0).stderr("");
    assert_eq!(pool.fixture.names(), "s1 s4 s5");
}

#[test]
fn a_sudden_loss_of_most_of_the_pool_is_refused_for_five_minutes() {
    let pool = Pool::with("s1 up\ns2 down\ns3 down\ns4 down\ns5 up\n");
    let refused = "member-leave: cannot remove 4 of 5 records of role 'backend': their nodes are missing from the list, \
                   but no leave was reported, so the agent may see only a part of the cluster; if they are gone, remove \
                   them by name\n";
    pool.leave(&[("s1", "alive")]).assert().code(6).stderr(refused);
    assert_eq!(pool.fixture.names(), "s1 s2 s3 s4 s5");
    pool.let_ten_minutes_pass();
    let run = pool.leave(&[("s1", "alive")]).args(["--missing-for", "1h"]).assert();
    run.code(6);
    pool.leave(&[("s1", "alive")]).assert().code(6);
    assert_eq!(pool.fixture.names(), "s1 s5", "s5 is up");
    pool.leave(&[("s1", "alive")]).assert().code(0);
    assert_eq!(pool.fixture.records(), ["s1.json", "s5.json"]);
}

#[test]
fn allow_empty_believes_a_list_that_lacks_most_of_the_pool() {
    let pool = Pool::with("s1 up\ns5 up\n");
    pool.leave(&[("s1", "alive")]).arg("--allow-empty").assert().code(0).stderr("");
    assert_eq!(pool.fixture.names(), "s1 s5");
}

#[test]
fn most_of_the_pool_may_leave_at_once() {
    let pool = Pool::with("s1 up\ns2 up\ns3 up\ns4 up\ns5 up\n");
    let members = [("s1", "alive"), ("s2", "left"), ("s3", "left"), ("s4", "leaving"), ("s5", "left")];
    pool.leave(&members).assert().code(0).stderr("");
    assert_eq!(pool.fixture.records(), ["s1.json"]);
}

/// As where HAProxy has no socket.
#[test]
fn a_missing_node_whose_health_is_not_known_waits() {
    let pool = Pool::with("");
    let members = [("s1", "alive"), ("s2", "alive"), ("s3", "alive"), ("s4", "failed")];
    pool.leave(&members).assert().code(0).stderr("");
    assert_eq!(pool.fixture.names(), "s1 s2 s3 s5");
    pool.let_ten_minutes_pass();
    pool.leave(&members).args(["--missing-for", "1h"]).assert().code(0);
    assert_eq!(pool.fixture.names(), "s1 s2 s3 s5");
    pool.leave(&members).assert().code(0);
    assert_eq!(pool.fixture.records(), ["s1.json", "s2.json", "s3.json"]);
}

#[test]
fn a_node_that_was_listed_again_waits_from_the_beginning() {
    let pool = Pool::with("");
    let (all, some) =
        (POOL.map(|(name, _)| (name, "alive")), [("s1", "alive"), ("s2", "alive"), ("s3", "alive")]);
    pool.leave(&some).assert().code(0);
    pool.let_ten_minutes_pass();
    pool.leave(&all).assert().code(0);
    pool.leave(&some).assert().code(0);
    assert_eq!(pool.fixture.names(), "s1 s2 s3 s4 s5");
}

/// A container that was created again with its address. HAProxy finds the old server up, because it reaches the new
/// one.
#[test]
fn a_missing_node_whose_address_a_live_member_has_goes_at_once() {
    let pool = Pool::with("s1 up 10.0.0.1:3000\ns2 up 10.0.0.2:3000\n");
    let members = [("s2", "alive"), ("s3", "alive"), ("s4", "alive"), ("s5", "alive")];
    let text = list(&members.map(|(name, status)| (name, "backend", status)));
    let text = text.replacen("10.0.0.5:", "10.0.0.1:", 1);
    pool.leave(&[]).write_stdin(text).assert().code(0).stderr("");
    assert_eq!(pool.fixture.names(), "s2 s3 s4 s5");
}

#[test]
fn a_health_file_of_another_form_removes_nothing() {
    let pool = Pool::with("s1 up\ns2 UP\n");
    let run = pool.leave(&[("s1", "alive")]).assert().code(3);
    let stderr = String::from_utf8(run.get_output().stderr.clone()).unwrap();
    assert!(stderr.contains("line 2: 's2 UP' is not NAME FINDING ENDPOINT"), "{stderr}");
    assert_eq!(pool.fixture.names(), "s1 s2 s3 s4 s5");
}

#[test]
fn a_run_for_another_role_does_not_end_the_wait() {
    let pool = Pool::with("");
    let some = [("s1", "alive"), ("s2", "alive"), ("s3", "alive")];
    pool.leave(&some).assert().code(0);
    pool.let_ten_minutes_pass();
    pool.leave(&some).args(["--role", "balancer"]).assert().code(0);
    pool.leave(&some).assert().code(0);
    assert_eq!(pool.fixture.names(), "s1 s2 s3");
}

#[test]
fn all_of_the_pool_may_leave() {
    let pool = Pool::with("s1 up\n");
    pool.leave(&POOL.map(|(name, _)| (name, "left"))).assert().code(0).stderr("");
    assert!(pool.fixture.records().is_empty());
}

#[test]
fn a_list_with_an_entry_without_a_name_removes_nothing() {
    let pool = Pool::with("");
    let text = list(&[("s1", "backend", "alive")]).replace("]}", r#",{"name":7,"status":"alive"}]}"#);
    let refused =
        "member-leave: cannot remove records: an entry of the list cannot be read, and may be any of them\n";
    pool.leave(&[]).write_stdin(text).assert().code(3).stderr(refused);
    assert_eq!(pool.fixture.names(), "s1 s2 s3 s4 s5");
}

/// As scripts/reconcile says it while HAProxy does not answer.
#[test]
fn while_haproxy_cannot_be_asked_only_those_that_left_or_were_replaced_go() {
    let pool = Pool::with("* starting\n");
    let members = [("s1", "left"), ("s2", "failed"), ("s3", "alive"), ("s4", "failed")];
    let text =
        list(&members.map(|(name, status)| (name, "backend", status))).replacen("10.0.0.3:", "10.0.0.4:", 1);
    let said = "member-leave: kept s2: failed in Serf, and HAProxy cannot be asked\n\
                member-leave: kept s5: missing from Serf's list, and HAProxy cannot be asked\n\
                member-leave: removed s1\nmember-leave: removed s4\n";
    pool.leave(&[]).arg("-v").write_stdin(text).assert().code(0).stderr(said);
    assert_eq!(pool.fixture.names(), "s2 s3 s5");
}

#[test]
fn a_live_member_that_has_another_role_now_goes_although_it_is_up() {
    let pool = Pool::with("s1 up\ns2 up\ns3 up\ns4 up\ns5 up\n");
    let roles = [("s1", "backend"), ("s2", "spare"), ("s3", "spare"), ("s4", "spare"), ("s5", "spare")];
    let members = list(&roles.map(|(name, role)| (name, role, "alive")));
    pool.leave(&[]).write_stdin(members).assert().code(0).stderr("");
    assert_eq!(pool.fixture.names(), "s1");
}
