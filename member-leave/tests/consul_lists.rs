//! The member-leave program: Consul's lists, whole ones and those of a Consul that has lost a part of its data.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use common::replace::replace;
use serde_json::{Value, json};
use support::*;

const POOL: [(&str, &str); 5] =
    [("n-1", "backend"), ("n-2", "backend"), ("n-3", "backend"), ("n-4", "backend"), ("n-5", "backend")];
const ALL_UP: &str = "n-1 up\nn-2 up\nn-3 up\nn-4 up\nn-5 up\n";

/// Five records, and a list from Consul.
struct Pool(Fixture);

impl Pool {
    fn new() -> Pool {
        Pool(Fixture::with(&POOL))
    }

    /// Runs the program on a list with these instances, while HAProxy finds what `health` says. Returns the exit code and
    /// the nodes that have a record.
    fn after(&self, health: &str, instances: &[Value]) -> (i32, String) {
        let file = self.0.scratch.path().join("health");
        replace(&file, health.as_bytes(), 0o600).unwrap();
        let mut command = self.0.leave(&["--from", "consul-service"]);
        command.arg("--serving").arg(&file).write_stdin(Value::from(instances).to_string());
        let code = command.output().unwrap().status.code().unwrap();
        (code, self.0.names())
    }
}

fn instance(id: usize) -> Value {
    with_check(id, "service:web", "passing")
}

fn with_check(id: usize, check: &str, status: &str) -> Value {
    json!({
        "Node": { "Node": "n", "Address": format!("10.0.0.{id}") },
        "Service": { "ID": id.to_string(), "Service": "backend", "Port": 3000 },
        "Checks": [
            { "CheckID": "serfHealth", "Status": if check == "serfHealth" { status } else { "passing" } },
            { "CheckID": check, "Status": status }
        ]
    })
}

#[test]
fn an_instance_that_was_deregistered_goes_at_once_although_it_is_up() {
    let pool = Pool::new();
    assert_eq!(pool.after(ALL_UP, &[1, 2, 3].map(instance)), (0, "n-1 n-2 n-3".to_owned()));
    assert_eq!(pool.after(ALL_UP, &[1, 3].map(instance)), (0, "n-1 n-3".to_owned()));
    assert_eq!(pool.after(ALL_UP, &[3].map(instance)), (0, "n-3".to_owned()), "one of two");
}

#[test]
fn a_consul_that_has_lost_its_data_takes_nobody_out_who_serves_while_it_gets_them_back() {
    let all = "n-1 n-2 n-3 n-4 n-5".to_owned();
    let pool = Pool::new();
    assert_eq!(pool.after(ALL_UP, &[]), (6, all.clone()));
    for count in 1..=5 {
        let list: Vec<Value> = (1..=count).map(instance).collect();
        let code = if count < 3 { 6 } else { 0 };
        assert_eq!(pool.after(ALL_UP, &list), (code, all.clone()), "{count} of 5");
    }
    assert_eq!(pool.after(ALL_UP, &[1, 2, 4, 5].map(instance)), (0, "n-1 n-2 n-4 n-5".to_owned()), "again");
}

#[test]
fn an_instance_that_does_not_come_back_goes_once_it_is_down() {
    let pool = Pool::new();
    assert_eq!(pool.after(ALL_UP, &[1, 2].map(instance)).0, 6);
    let down = ALL_UP.replace("n-5 up", "n-5 down");
    assert_eq!(pool.after(&down, &[1, 2, 3].map(instance)), (0, "n-1 n-2 n-3 n-4".to_owned()));
}

#[test]
fn an_instance_whose_health_is_not_known_waits_after_an_empty_list() {
    let pool = Pool::new();
    assert_eq!(pool.after("", &[]).0, 6);
    assert_eq!(pool.after("", &[1, 2, 3].map(instance)), (0, "n-1 n-2 n-3 n-4 n-5".to_owned()));
}

#[test]
fn half_of_four_is_not_believed() {
    let pool = Pool::new();
    assert_eq!(pool.after(ALL_UP, &[1, 2, 3, 4].map(instance)).0, 0);
    assert_eq!(pool.after(ALL_UP, &[1, 2].map(instance)), (6, "n-1 n-2 n-3 n-4".to_owned()));
}

#[test]
fn a_critical_check_takes_an_instance_out_and_lost_gossip_only_if_it_is_down() {
    let pool = Pool::new();
    let list = [
        instance(1),
        with_check(2, "service:web", "critical"),
        with_check(3, "_service_maintenance:web", "critical"),
        with_check(4, "serfHealth", "critical"),
        with_check(5, "serfHealth", "critical"),
    ];
    let health = ALL_UP.replace("n-5 up", "n-5 down");
    assert_eq!(pool.after(&health, &list), (0, "n-1 n-4".to_owned()));
}

#[test]
fn a_service_without_a_healthy_instance_keeps_all() {
    let pool = Pool::new();
    let list = [1, 2, 3, 4, 5].map(|id| with_check(id, "service:web", "critical"));
    assert_eq!(pool.after(ALL_UP, &list), (6, "n-1 n-2 n-3 n-4 n-5".to_owned()));
}
