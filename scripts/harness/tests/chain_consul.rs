//! The manual's handler for Consul, run by a real Consul: what its services become in HAProxy.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use common::node::Node;
use common::records::read_all;
use common::replace::replace;
use harness::daemons::consul::Consul;
use harness::daemons::haproxy::{Haproxy, Mode};
use harness::network::subnet::Subnet;
use harness::run::Run;
use harness::run::{poll, process, programs};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(20);

const TEMPLATE: &str = "\
global
    description {{ revision }}
    stats socket SOCKET level admin
defaults
    timeout connect 1s
    timeout client 5s
    timeout server 5s
backend nodes
    balance roundrobin
{%- for node in roles[vars.role] or [] %}
    server {{ node.name }} {{ node.address | endpoint(port=node.tags.port) }}
{%- if node.tags.weight %} weight {{ node.tags.weight }}{% endif %}
{%- endfor %}
";

/// A Consul and a HAProxy, with the manual's handler between them.
struct Bed {
    haproxy: Haproxy,
    consul: Consul,
    nodes: PathBuf,
    path: String,
    _subnet: Subnet,
    // Last, because dropping it ends all that is left.
    run: Run,
}

impl Bed {
    fn start() -> Bed {
        let (run, subnet) = (Run::new().unwrap(), Subnet::claim().unwrap());
        let path = format!("{}:{}:/usr/sbin", programs::bin_dir().unwrap().display(), env!("PATH"));
        let (nodes, config, socket) = (run.join("nodes"), run.join("haproxy.cfg"), run.join("admin.sock"));
        let template = TEMPLATE.replace("SOCKET", &socket.display().to_string());
        replace(&run.join("template"), template.as_bytes(), 0o600).unwrap();
        replace(&run.join("handler"), handler(run.path()).as_bytes(), 0o700).unwrap();
        fs::create_dir(&nodes).unwrap();
        let mut render = Command::new(programs::bin_dir().unwrap().join("render-cfg"));
        render.arg("--template").arg(run.join("template")).arg("--nodes").arg(&nodes);
        process::output(&run, render.args(["--set", "role=web"]).arg("--output").arg(&config)).unwrap();
        let haproxy = Haproxy::start(&run, "haproxy", &config, Mode::MasterSocket, Some(&socket)).unwrap();
        let consul = Consul::start(&run, "docker1", subnet.next_host()).unwrap();
        Bed { haproxy, consul, nodes, path, _subnet: subnet, run }
    }

    fn register(&self, id: &str, port: u16, more: &Value) {
        let mut service = json!({ "id": id, "name": "web", "address": "127.0.0.1", "port": port });
        service.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.consul.register(&self.run, &service).unwrap();
    }

    /// Registers two instances with ids as Registrator makes them, and one with a host name as its address.
    fn register_as_registrator(&self) {
        let weighted = json!({ "tags": ["v2", "zone=a"], "weights": { "passing": 10, "warning": 3 } });
        self.register("docker1:shop_web_1:5000", 4003, &weighted);
        self.register("docker1:shop_web_2:5000:udp", 4007, &json!({ "meta": { "note": "two\nlines" } }));
        self.register("named", 4008, &json!({ "address": "db.internal" }));
    }

    fn records(&self) -> Vec<Node> {
        read_all(&self.nodes).unwrap().0
    }

    /// Waits until the records and HAProxy's servers are those whose names have these beginnings.
    fn wait_for(&self, beginnings: &[&str]) {
        let are = |names: Vec<String>| {
            names.len() == beginnings.len()
                && names.iter().zip(beginnings).all(|(name, start)| name.starts_with(start))
        };
        let servers = || {
            let in_service = self
                .haproxy
                .servers()
                .unwrap_or_default()
                .into_iter()
                .filter(|server| !server.is_in_maintenance());
            let mut names: Vec<String> = in_service.map(|server| server.name).collect();
            names.sort();
            names
        };
        let what = format!("records and servers {beginnings:?}");
        let is_so = || are(self.records().into_iter().map(|node| node.name).collect()) && are(servers());
        poll::until(SOON, &what, || is_so().then_some(())).unwrap_or_else(|err| {
            panic!(
                "{err}: {:?}, {:?}\n{}",
                self.records(),
                servers(),
                fs::read_to_string(self.run.join("consul-watch.log")).unwrap()
            )
        });
    }
}

/// The handler in member-join's manual, with the paths of this run.
fn handler(run: &Path) -> String {
    let manual = fs::read_to_string(programs::shipped("member-join/README.md")).unwrap();
    let lines = manual.lines().skip_while(|line| *line != "    #!/bin/sh");
    let lines: Vec<&str> = lines.map_while(|line| line.strip_prefix("    ")).collect();
    let (run, config) = (run.display(), "/etc/haproxy/haproxy.cfg");
    assert!(lines.len() > 8 && lines.last() == Some(&"exit 0"), "{lines:?}");
    let handler = lines
        .join("\n")
        .replace("/nodes", &format!("{run}/nodes"))
        .replace(config, &format!("{run}/haproxy.cfg"));
    let handler = handler.replace("/etc/rollcall/haproxy.cfg.tera", &format!("{run}/template"));
    handler.replace(
        "&& reload-haproxy",
        &format!("&& reload-haproxy --config {run}/haproxy.cfg --state-dir {run}/state"),
    )
}

#[test]
fn the_manuals_handler_serves_what_registrator_registers_and_drops_what_leaves() {
    if !programs::are_here(&["haproxy", "consul"]) {
        return;
    }
    let bed = Bed::start();
    bed.register_as_registrator();
    let handler = format!("{} web", bed.run.join("handler").display());
    let mut watch = bed.consul.watch(&bed.run, "web", &handler, &bed.path).unwrap();
    bed.wait_for(&["docker1-docker1_shop_web_1_5000--", "docker1-docker1_shop_web_2_5000_udp--"]);
    let records = bed.records();
    let tags: Vec<String> = records[0].tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
    assert_eq!(tags, ["port=4003", "role=web", "tags=v2", "weight=10", "zone=a"]);
    let log = watch.log();
    assert!(
        log.contains("member-join: cannot use tag 'note' of 'docker1-docker1_shop_web_2_5000_udp--"),
        "{log}"
    );
    assert!(
        log.contains(
            "member-join: cannot record 'docker1/named' of the list of consul services: its address"
        ),
        "{log}"
    );

    bed.register("plain", 4009, &json!({}));
    bed.wait_for(&[
        "docker1-docker1_shop_web_1_5000--",
        "docker1-docker1_shop_web_2_5000_udp--",
        "docker1-plain",
    ]);
    bed.consul.deregister(&bed.run, "docker1:shop_web_1:5000").unwrap();
    bed.wait_for(&["docker1-docker1_shop_web_2_5000_udp--", "docker1-plain"]);
    bed.consul.maintain(&bed.run, "docker1:shop_web_2:5000:udp").unwrap();
    bed.wait_for(&["docker1-plain"]);
    assert!(watch.is_running(), "{}", watch.log());
}
