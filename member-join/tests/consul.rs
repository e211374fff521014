//! The member-join program: the list of a service's instances from Consul.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use std::fs;

use assert_cmd::assert::Assert;
use serde_json::{Value, json};
use support::*;

fn captured_list(name: &str) -> Vec<u8> {
    fs::read(format!("{}/../common/tests/fixtures/consul/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// Instances of the service `web` on the node `docker1`, as Registrator registers them.
fn instances(services: &[Value]) -> String {
    let node = json!({ "Node": "docker1", "Address": "10.0.11.21", "Datacenter": "dc1" });
    let checks = json!([{ "CheckID": "serfHealth", "Status": "passing" }]);
    let entry = |service: &Value| json!({ "Node": node, "Service": service, "Checks": checks });
    Value::Array(services.iter().map(entry).collect()).to_string()
}

fn web(id: &str, port: u16) -> Value {
    json!({ "ID": id, "Service": "web", "Tags": [], "Address": "", "Meta": null, "Port": port })
}

fn join(fixture: &Fixture, role: &str, list: impl Into<Vec<u8>>) -> Assert {
    fixture.join(&["--from", "consul-service", "--role", role]).write_stdin(list).assert()
}

fn stderr(assert: &Assert) -> String {
    String::from_utf8(assert.get_output().stderr.clone()).unwrap()
}

#[test]
fn a_consul_service_is_a_whole_membership() {
    let fixture = Fixture::new();
    join(&fixture, "redis", captured_list("service.json")).code(0).stderr("");
    assert_eq!(fixture.records(), ["foobar-redis.json"]);
}

#[test]
fn registrators_ids_are_recorded_under_legal_names_that_stay_the_same() {
    let fixture = Fixture::new();
    let ids = ["docker1:shop_web_1:5000", "docker1:shop_web_2:5000", "docker1:dns:53:udp", "two words/x", ""];
    let list: Vec<Value> = ids.iter().zip(4000..).map(|(id, port)| web(id, port)).collect();
    join(&fixture, "web", instances(&list)).code(0).stderr("");
    let records = fixture.records();
    assert_eq!(records.len(), ids.len());
    assert!(records[1].starts_with("docker1-docker1_dns_53_udp--"), "{records:?}");
    for alone in &list {
        join(&fixture, "web", instances(std::slice::from_ref(alone))).code(0).stderr("");
    }
    assert_eq!(fixture.records(), records);
}

#[test]
fn a_list_without_a_wanted_role_is_reported() {
    let fixture = Fixture::new();
    let list = instances(&[web("web-1", 4003), web("web-2", 4007)]);
    let said = "member-join: passed over 2 members of role 'web': none has a wanted role (backend); see --role, or \
                ROLLCALL_ROLES\n";
    fixture
        .join(&["--from", "consul-service"])
        .write_stdin(list.clone())
        .assert()
        .code(0)
        .stdout("")
        .stderr(said);
    assert!(fixture.records().is_empty());
    join(&fixture, "web", list).code(0).stderr("");
    assert_eq!(fixture.records(), ["docker1-web-1.json", "docker1-web-2.json"]);
    join(&fixture, "backend", "[]").code(0).stderr("");
}

#[test]
fn an_odd_value_is_reported_and_left_out_alone() {
    let fixture = Fixture::new();
    let mut odd = web("a", 4003);
    odd["Meta"] = json!({ "note": "two\nlines", "zone": "z1" });
    odd["Tags"] = json!(["canary"]);
    odd["Weights"] = json!({ "Passing": 10, "Warning": 1 });
    let assert = join(&fixture, "web", instances(&[odd.clone(), web("b", 4007)])).code(3);
    assert_eq!(
        stderr(&assert),
        "member-join: cannot use tag 'note' of 'docker1-a': its value has a control character; the node is recorded \
         without it\n"
    );
    assert_eq!(fixture.records(), ["docker1-a.json", "docker1-b.json"]);
    let tags =
        "\"tags\":{\"port\":\"4003\",\"role\":\"web\",\"tags\":\"canary\",\"weight\":\"10\",\"zone\":\"z1\"}";
    assert!(fixture.record("docker1-a").contains(tags), "{}", fixture.record("docker1-a"));
    // Another role's values are not ours to report.
    let assert = join(&fixture, "other", instances(&[odd])).code(0);
    assert!(stderr(&assert).starts_with("member-join: passed over"), "{}", stderr(&assert));
}

#[test]
fn an_instance_without_an_ip_address_is_refused_by_name() {
    let fixture = Fixture::new();
    let mut named = web("docker1:db:1", 4003);
    named["Address"] = json!("db.internal");
    let assert = join(&fixture, "web", instances(&[named, web("b", 4007)])).code(3);
    assert_eq!(
        stderr(&assert),
        "member-join: cannot record 'docker1/docker1:db:1' of the list of consul services: its address 'db.internal' is \
         not an IP address; register the service with an IP address\n"
    );
    assert_eq!(fixture.records(), ["docker1-b.json"]);
    let mut odd = web("c", 4003);
    odd["Meta"] = json!({ "role": "two\nlines" });
    let assert = join(&fixture, "web", instances(&[odd])).code(3);
    assert!(
        stderr(&assert).contains("'docker1/c' of the list of consul services: its tag 'role' has a control")
    );
}

#[test]
fn the_catalog_is_not_taken_for_the_health_of_a_service() {
    let fixture = Fixture::new();
    let entry = json!({ "Node": "n1", "Address": "10.0.0.1", "ServiceID": "web", "ServiceName": "web", "ServicePort": 80 });
    let assert = join(&fixture, "web", json!([entry]).to_string()).code(3);
    assert!(
        stderr(&assert).contains("pass the JSON of `consul watch -type=service -service=NAME`"),
        "{}",
        stderr(&assert)
    );
    assert!(!fixture.nodes().exists());
}
