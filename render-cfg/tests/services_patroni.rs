//! The example `patroni.yaml` with two real nodes of Patroni: writes follow the primary, and reads the replica.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::replace::replace;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::daemon::{Daemon, are_there, output, postgresql, unprivileged, unprivileged_directory};
use support::haproxy::{HaProxy, exchange, free_address, is_there};
use support::shipped::Shipped;
use support::tcp::{until_check, until_status};
use support::until;
use tempfile::TempDir;

const EXAMPLE: &str = include_str!("../examples/patroni.yaml");

/// A node: Patroni and its PostgreSQL, which is not Patroni's child. Both end when it is dropped.
struct Node {
    name: &'static str,
    directory: TempDir,
    address: SocketAddr,
    rest: SocketAddr,
    patroni: Option<Daemon>,
}

/// Starts a server that Patroni's nodes agree by.
fn etcd(directory: &Path) -> (Daemon, SocketAddr) {
    let (clients, peers) = (free_address(), format!("http://{}", free_address()));
    let url = format!("http://{clients}");
    let mut server = unprivileged("etcd");
    server.arg("--data-dir").arg(directory.join("etcd"));
    server.args([
        "--listen-client-urls",
        &url,
        "--advertise-client-urls",
        &url,
        "--listen-peer-urls",
        &peers,
    ]);
    server.args(["--initial-advertise-peer-urls", &peers, "--initial-cluster", &format!("default={peers}")]);
    let log = directory.join("etcd.log");
    (Daemon::start(server.current_dir(directory), Signal::SIGKILL, &log), clients)
}

/// The settings of a node, whose roles change as quickly as Patroni can: after a crash the other node takes over at once.
fn settings(name: &str, directory: &Path, etcd: SocketAddr, address: SocketAddr, rest: SocketAddr) -> String {
    let (programs, directory) = (postgresql().unwrap(), directory.display());
    let programs = programs.display();
    format!(
        "scope: db\nname: {name}\netcd3: {{host: '{etcd}'}}\nrestapi: {{listen: '{rest}', connect_address: '{rest}'}}\n\
         bootstrap:\n  \
           dcs: {{ttl: 20, loop_wait: 1, retry_timeout: 3, primary_start_timeout: 0, postgresql: {{parameters: {{fsync: 'off'}}}}}}\n  \
           initdb: [encoding: UTF8, auth: trust, no-sync]\n  \
           pg_hba: [host all all 127.0.0.0/8 trust, host replication all 127.0.0.0/8 trust]\n\
         postgresql:\n  listen: {address}\n  connect_address: {address}\n  data_dir: {directory}/data\n  \
           bin_dir: {programs}\n  pgpass: {directory}/pgpass\n  \
           parameters: {{unix_socket_directories: {directory}}}\n  \
           authentication: {{superuser: {{username: postgres}}, replication: {{username: replicator}}}}\n"
    )
}

impl Node {
    /// Starts a node, whose REST API has this port.
    fn start(name: &'static str, etcd: SocketAddr, port: u16) -> Node {
        let directory = unprivileged_directory();
        let address = free_address();
        let rest = SocketAddr::new(address.ip(), port);
        let file = directory.path().join("settings.yml");
        replace(&file, settings(name, directory.path(), etcd, address, rest).as_bytes(), 0o644).unwrap();
        let mut patroni = unprivileged("patroni");
        patroni.arg(file).current_dir(directory.path());
        let patroni = Some(Daemon::start(&mut patroni, Signal::SIGKILL, &directory.path().join("log")));
        Node { name, directory, address, rest, patroni }
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// Asks Patroni to make another node the primary.
    fn switch_to(&self, other: &Node) {
        let body = format!("{{\"leader\": \"{}\", \"candidate\": \"{}\"}}", self.name, other.name);
        let length = body.len();
        let head = format!("POST /switchover HTTP/1.1\r\nHost: db\r\nContent-Length: {length}\r\n");
        let answer = exchange(self.rest, &format!("{head}Connection: close\r\n\r\n{body}"));
        assert!(answer.as_ref().is_some_and(|answer| answer.contains("Successfully")), "{answer:?}");
    }

    /// Kills its PostgreSQL.
    fn crash(&self) {
        let file = fs::read_to_string(self.data().join("postmaster.pid")).unwrap();
        let id = file.lines().next().unwrap().parse().unwrap();
        kill(Pid::from_raw(id), Signal::SIGKILL).unwrap();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        drop(self.patroni.take());
        let mut stop = unprivileged("pg_ctl");
        // It may have ended already.
        let _ = stop.args(["stop", "-m", "immediate", "-D"]).arg(self.data()).output();
    }
}

/// The answer to a query, or the error.
fn psql(address: SocketAddr, query: &str) -> String {
    let mut client = Command::new("psql");
    client.args(["-h", &address.ip().to_string(), "-p", &address.port().to_string(), "-U", "postgres"]);
    output(client.args(["-qAtc", query]))
}

/// Waits until HAProxy knows both roles.
fn until_roles(haproxy: &HaProxy, primary: &Node, replica: &Node) {
    for (service, good, bad) in [("primary", primary, replica), ("replicas", replica, primary)] {
        until_check(haproxy, service, good.name, "L7OK");
        until_status(haproxy, service, good.name, "UP");
        until_status(haproxy, service, bad.name, "DOWN");
    }
}

/// Writes through one service, and reads it through the other one.
fn write_and_read(writes: SocketAddr, reads: SocketAddr, primary: &Node, replica: &Node, value: &str) {
    let written = psql(writes, &format!("insert into t values ({value}) returning host(inet_server_addr())"));
    assert_eq!(written, primary.address.ip().to_string());
    let query =
        "select host(inet_server_addr()), string_agg(v, '') from (select v from t order by v) all_of_t";
    let wanted = format!("{}|{}", replica.address.ip(), &"123"[..value.trim_matches('\'').parse().unwrap()]);
    until("the replica to follow", || (psql(reads, query) == wanted).then_some(()));
    let refused = psql(reads, "insert into t values ('4')");
    assert!(refused.contains("read-only transaction"), "{refused}");
}

#[test]
fn writes_follow_the_primary_of_patroni() {
    if !is_there() || !are_there(&["patroni", "etcd", "postgres", "psql"]) {
        return;
    }
    let (writes, reads) = (free_address(), free_address());
    let port = free_address().port() + 1000;
    let shipped = Shipped::with(
        &EXAMPLE
            .replace("\":5000\"", &format!("'{writes}'"))
            .replace("\":5001\"", &format!("'{reads}'"))
            .replace("8008", &port.to_string()),
    );
    let directory = unprivileged_directory();
    let (_etcd, etcd) = etcd(directory.path());
    let a = Node::start("a", etcd, port);
    until("the first node", || psql(a.address, "select pg_is_in_recovery()").eq("f").then_some(()));
    let b = Node::start("b", etcd, port);
    [&a, &b].iter().for_each(|node| shipped.node(node.name, node.address, &[("service", "postgres")]));
    let haproxy = shipped.start(&[], 0);
    until_roles(&haproxy, &a, &b);
    assert_eq!(psql(writes, "create table t (v text)"), "");
    write_and_read(writes, reads, &a, &b, "'1'");
    a.switch_to(&b);
    until_roles(&haproxy, &b, &a);
    write_and_read(writes, reads, &b, &a, "'2'");
    b.crash();
    until_roles(&haproxy, &a, &b);
    write_and_read(writes, reads, &a, &b, "'3'");
}
