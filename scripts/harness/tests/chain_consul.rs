//! The manual's handler for Consul, run by a real Consul: what its services become in HAProxy.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use common::node::Node;
use common::records::read_all;
use common::replace::replace;
use harness::daemons::consul::Consul;
use harness::daemons::haproxy::{Haproxy, Mode};
use harness::network::subnet::Subnet;
use harness::run::daemon::Daemon;
use harness::run::{Run, poll, process, programs};
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

/// A Consul and a HAProxy, with scripts/consul-handler between them.
struct Bed {
    haproxy: Haproxy,
    consul: Consul,
    nodes: PathBuf,
    config: PathBuf,
    _subnet: Subnet,
    // Last, because dropping it ends all that is left.
    run: Run,
}

impl Bed {
    fn start() -> Bed {
        let (run, subnet) = (Run::new().unwrap(), Subnet::claim().unwrap());
        let (nodes, config, socket) = (run.join("nodes"), run.join("haproxy.cfg"), run.join("admin.sock"));
        let template = TEMPLATE.replace("SOCKET", &socket.display().to_string());
        replace(&run.join("template"), template.as_bytes(), 0o600).unwrap();
        fs::create_dir(&nodes).unwrap();
        let mut render = Command::new(programs::bin_dir().unwrap().join("render-cfg"));
        render.arg("--template").arg(run.join("template")).arg("--nodes").arg(&nodes);
        process::output(&run, render.args(["--set", "role=web"]).arg("--output").arg(&config)).unwrap();
        let haproxy = Haproxy::start(&run, "haproxy", &config, Mode::MasterSocket, Some(&socket)).unwrap();
        let consul = Consul::start(&run, "docker1", subnet.next_host()).unwrap();
        Bed { haproxy, consul, nodes, config, _subnet: subnet, run }
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

    /// Starts `consul watch` with the shipped handler.
    fn watch(&self) -> Daemon {
        let path = |name: &str| self.run.join(name).into_os_string();
        let environment = [
            ("ROLLCALL_BIN", programs::bin_dir().unwrap().into_os_string()),
            ("NODES_DIR", self.nodes.clone().into_os_string()),
            ("ROLLCALL_TEMPLATE", path("template")),
            ("ROLLCALL_CONFIG", self.config.clone().into_os_string()),
            ("ROLLCALL_STATE_DIR", path("state")),
            ("ROLLCALL_LOG", path("log")),
            ("ROLLCALL_HAPROXY", programs::find("haproxy").unwrap().into_os_string()),
            ("ROLLCALL_ROLES", "web".into()),
            ("ROLLCALL_MIN_NODES", "web=1".into()),
            ("ROLLCALL_SET", "role=web".into()),
            (
                "PATH",
                format!("{}:{}", programs::find("consul").unwrap().parent().unwrap().display(), env!("PATH"))
                    .into(),
            ),
        ]
        .map(|(key, value)| (key.to_owned(), value));
        self.consul
            .watch(&self.run, "web", &programs::shipped("scripts/consul-handler"), &environment)
            .unwrap()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.run.join("log")).unwrap_or_default()
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
        poll::until(SOON, &what, || is_so().then_some(()))
            .unwrap_or_else(|err| panic!("{err}: {:?}, {:?}\n{}", self.records(), servers(), self.log()));
    }
}

#[test]
fn the_handler_serves_what_registrator_registers_and_drops_what_leaves() {
    if !programs::are_here(&["haproxy", "consul"]) {
        return;
    }
    let bed = Bed::start();
    bed.register_as_registrator();
    let mut watch = bed.watch();
    bed.wait_for(&["docker1-docker1_shop_web_1_5000--", "docker1-docker1_shop_web_2_5000_udp--"]);
    let records = bed.records();
    let tags: Vec<String> = records[0].tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
    assert_eq!(tags, ["port=4003", "role=web", "tags=v2", "weight=10", "zone=a"]);
    let log = bed.log();
    assert!(log.contains("cannot use tag 'note' of 'docker1-docker1_shop_web_2_5000_udp--"), "{log}");
    assert!(
        log.contains("cannot record 'docker1/named' of the list of consul services: its address"),
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
