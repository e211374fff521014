//! The captured lists of a Consul, and entries that hold anything.

mod tags;

use serde_json::{Value, json};

use super::*;

fn fixture(name: &str) -> Vec<Member> {
    let path = format!("{}/tests/fixtures/consul/{name}", env!("CARGO_MANIFEST_DIR"));
    parse(&std::fs::read(path).unwrap()).unwrap()
}

/// An instance `web` of the node `n1`, with fields of its service replaced.
fn instance(fields: Value) -> Value {
    let mut service = json!({ "ID": "web", "Service": "web", "Address": "", "Port": 80 });
    for (key, value) in fields.as_object().unwrap() {
        service[key] = value.clone();
    }
    json!({ "Node": { "Node": "n1", "Address": "10.0.0.1" }, "Service": service, "Checks": [{ "Status": "passing" }] })
}

fn read(entries: &[Value]) -> Vec<Member> {
    parse(json!(entries).to_string().as_bytes()).unwrap()
}

fn one(entry: Value) -> Member {
    let mut members = read(&[entry]);
    assert_eq!(members.len(), 1);
    members.remove(0)
}

fn node(member: &Member) -> &Node {
    member.node.as_ref().unwrap()
}

fn refusal_of(entry: Value) -> String {
    one(entry).node.unwrap_err().to_string()
}

fn left_out(member: &Member) -> Vec<String> {
    member.left_out.iter().map(ToString::to_string).collect()
}

#[test]
fn instances_become_nodes_with_port_and_role() {
    let members = fixture("service.json");
    let node = node(&members[0]);
    assert_eq!((node.name.as_str(), node.role.as_str()), ("foobar-redis", "redis"));
    assert_eq!(node.address.to_string(), "10.1.10.12");
    assert_eq!((node.tags["port"].as_str(), node.tags["tags"].as_str()), ("8000", "primary"));
}

#[test]
fn tags_and_role_come_from_metadata_and_the_service_address_takes_precedence() {
    let members = fixture("service.json");
    let node = node(&members[1]);
    assert_eq!((node.name.as_str(), node.role.as_str()), ("foobaz-redis-2", "backend"));
    assert_eq!(node.address.to_string(), "10.1.10.99");
    assert_eq!(node.tags["weight"], "20");
}

#[test]
fn an_instance_with_a_critical_check_is_not_in_service() {
    assert_eq!(fixture("service.json").len(), 2);
}

#[test]
fn lost_gossip_is_told_from_a_critical_check_of_the_instance() {
    let with = |id: &str, checks: Value| {
        let mut entry = instance(json!({ "ID": id }));
        entry["Checks"] = checks;
        entry
    };
    let gossip = json!({ "CheckID": "serfHealth", "Status": "critical" });
    let own = json!({ "CheckID": "service:web", "Status": "critical" });
    let list = json!([
        with("lost", json!([gossip, { "CheckID": "service:web", "Status": "passing" }])),
        with("both", json!([gossip, own])),
        with("own", json!([own])),
        with("good", json!([{ "CheckID": "serfHealth", "Status": "passing" }])),
        17
    ]);
    let departed = parse_departed(list.to_string().as_bytes()).unwrap();
    let of = |name: &str| departed.get(name).copied();
    assert_eq!((of("n1-lost"), of("n1-good")), (Some(Departure::Failed), None));
    assert_eq!([of("n1-both"), of("n1-own")], [Some(Departure::OutOfService); 2]);
    assert!(parse_departed(b"[{\"Node\":\"n1\"}]").is_err(), "the catalog");
}

#[test]
fn a_real_list_gives_a_legal_name_to_every_id_and_leaves_out_only_what_cannot_serve() {
    let members = fixture("watch.json");
    let good: Vec<&str> =
        members.iter().filter(|member| member.node.is_ok()).map(|m| m.name.as_str()).collect();
    let beginnings = [
        "docker1-a_b__--",
        "docker1-docker1_dns_53_udp--",
        "docker1-docker1_shop_web_1_5000--",
        "docker1-web",
        "docker1-zero",
        "ip-10-0-0-1-e--",
    ];
    assert_eq!(good.len(), beginnings.len(), "{good:?}");
    assert!(good.iter().zip(beginnings).all(|(name, beginning)| name.starts_with(beginning)), "{good:?}");
    let refused: Vec<String> =
        members.iter().filter_map(|m| m.node.as_ref().err()).map(|err| err.to_string()).collect();
    assert_eq!(
        refused,
        [
            "cannot record 'docker1/_nomad-task-0a1b-group-web app/x-http' of the list of consul services: its address \
             'db.internal' is not an IP address; register the service with an IP address",
            "cannot record 'ext node/e' of the list of consul services: its address 'host.example' is not an IP address; \
             register the service with an IP address",
        ]
    );
    let warning = members.iter().find(|member| member.name.contains("shop_web")).unwrap();
    let tags: Vec<String> = node(warning).tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
    assert_eq!(tags, ["port=4003", "role=web", "tags=v2", "version=3", "weight=0", "zone=a"]);
}

#[test]
fn maintenance_of_a_service_or_of_its_node_takes_it_out() {
    for check in ["_service_maintenance:web", "_node_maintenance"] {
        let mut entry = instance(json!({}));
        entry["Checks"] = json!([{ "CheckID": check, "Status": "critical" }, { "Status": "passing" }]);
        assert!(read(&[entry]).is_empty(), "{check}");
    }
}

#[test]
fn fields_that_are_null_or_missing_are_empty() {
    let nulls = json!({ "Meta": null, "Tags": null, "Weights": null, "Address": null, "Port": null });
    let mut without_checks = instance(nulls);
    without_checks["Checks"] = Value::Null;
    let bare = json!({ "Node": { "Node": "n1", "Address": "10.0.0.1" }, "Service": { "ID": "web", "Service": "web" } });
    for entry in [without_checks, bare] {
        let member = one(entry);
        assert_eq!(*node(&member).tags, [("role".to_owned(), "web".to_owned())].into());
        assert!(member.left_out.is_empty());
    }
    let status = json!([{ "Status": null }, {}]);
    let mut entry = instance(json!({}));
    entry["Checks"] = status;
    assert!(one(entry).node.is_ok());
}

#[test]
fn an_instance_without_an_ip_address_is_refused_by_name_and_the_others_recorded() {
    let mut nowhere = instance(json!({ "ID": "b", "Address": null }));
    nowhere["Node"]["Address"] = json!("");
    let members = read(&[
        instance(json!({ "ID": "a", "Address": "db.internal" })),
        nowhere,
        instance(json!({ "ID": "c" })),
    ]);
    let err = |index: usize| members[index].node.as_ref().unwrap_err().to_string();
    assert!(
        err(0).starts_with("cannot record 'n1/a' of the list of consul services: its address 'db.internal'"),
        "{}",
        err(0)
    );
    assert!(
        err(1).contains("'n1/b'") && err(1).ends_with("register the service with an IP address"),
        "{}",
        err(1)
    );
    assert_eq!(node(&members[2]).name, "n1-c");
}

/// member-leave keeps the record of a member that is present but cannot be read now.
#[test]
fn an_entry_of_another_shape_is_known_by_its_key() {
    let mut entry = instance(json!({ "ID": "a:1" }));
    entry["Checks"] = json!(7);
    let member = one(entry);
    assert_eq!(member.name, record_name("n1", "a:1"));
    let err = member.node.unwrap_err().to_string();
    assert!(err.starts_with("cannot read entry 1 of the list of consul services: invalid type"), "{err}");
    assert!(read(&[json!(17), json!({}), Value::Null]).iter().all(|member| member.name.is_empty()));
}

#[test]
fn different_instances_with_one_key_are_all_rejected_in_every_order_with_one_error() {
    for ports in [[80, 80, 81], [80, 81, 80], [81, 80, 80]] {
        let mut entries = ports.map(|port| instance(json!({ "Port": port }))).to_vec();
        entries.push(instance(json!({ "ID": "b" })));
        let members = read(&entries);
        let names: Vec<&str> = members.iter().map(|member| member.name.as_str()).collect();
        assert_eq!((names, members[1].node.is_ok()), (vec!["n1-b", "n1-web"], false), "{ports:?}");
        let err = members[1].node.as_ref().unwrap_err().to_string();
        assert!(err.ends_with("two different members have that name"), "{err}");
    }
}

#[test]
fn entries_that_are_not_instances_are_reported_one_by_one() {
    let errors: Vec<String> = read(&[json!(5), json!("x")])
        .into_iter()
        .map(|member| member.node.unwrap_err().to_string())
        .collect();
    for (index, err) in errors.iter().enumerate() {
        let start = format!("cannot read entry {} of the list of consul services: invalid type", index + 1);
        assert!(err.starts_with(&start), "{err}");
    }
    assert_eq!(errors.len(), 2);
}

#[test]
fn a_list_without_instances_is_valid_and_other_json_is_not() {
    assert!(parse(b"null").unwrap().is_empty());
    assert!(parse(b"[]").unwrap().is_empty());
    assert!(
        parse(b"Error connecting to Consul agent").unwrap_err().to_string().contains("it begins with 'Error")
    );
    for other in [
        r#"{"members":null}"#,
        r#"{"web":["primary"]}"#,
        // /v1/catalog/service/web, and /v1/health/checks/web.
        r#"[{"Node":"n1","Address":"10.0.0.1","ServiceID":"web","ServiceName":"web","ServiceAddress":"","ServicePort":80}]"#,
        r#"[{"Node":"n1","CheckID":"service:web","Status":"passing","ServiceID":"web"}]"#,
    ] {
        let err = parse(other.as_bytes()).unwrap_err().to_string();
        assert!(err.contains("consul watch -type=service -service=NAME"), "{err}");
    }
}
