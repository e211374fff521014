//! Services of Redis in the shipped template: HAProxy finds the master and the replica of real Redis servers, also after
//! they have changed their roles.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use support::haproxy::{free_address, is_there};
use support::shipped::Shipped;
use support::{skip, until};

/// Debian has the server in its package `redis-tools`, too, under this name. It acts as the name says by which it is
/// called. The package with the right name would also start a server.
const PROGRAM: &str = "/usr/bin/redis-check-rdb";

/// A Redis server; ended when it is dropped.
struct Redis(Child);

impl Redis {
    fn start(shipped: &Shipped, address: SocketAddr) -> Redis {
        let program = shipped.bed.path("redis-server");
        if !program.exists() {
            symlink(PROGRAM, &program).unwrap();
        }
        let (ip, port) = (address.ip().to_string(), address.port().to_string());
        let mut command = Command::new(program);
        command.args(["--bind", &ip, "--port", &port, "--save", "", "--repl-diskless-sync-delay", "0"]);
        command.current_dir(shipped.bed.scratch.path()).stdin(Stdio::null()).stdout(Stdio::null());
        let server = Redis(command.spawn().unwrap());
        until("a Redis server", || (ask(address, &["ping"]) == "PONG").then_some(()));
        server
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The answer of the Redis server at this address.
fn ask(address: SocketAddr, words: &[&str]) -> String {
    let mut client = Command::new("redis-cli");
    client.args(["-h", &address.ip().to_string(), "-p", &address.port().to_string()]).args(words);
    String::from_utf8_lossy(&client.output().unwrap().stdout).trim().to_owned()
}

/// Makes one server the replica of another.
fn follow(replica: SocketAddr, master: SocketAddr) {
    let (ip, port) = (master.ip().to_string(), master.port().to_string());
    assert_eq!(ask(replica, &["replicaof", &ip, &port]), "OK");
}

#[test]
fn clients_reach_the_master_and_the_replica_by_their_roles() {
    if !is_there() {
        return;
    }
    if !Path::new(PROGRAM).exists() {
        skip("redis-tools is not installed");
        return;
    }
    let (master, replica, any) = (free_address(), free_address(), free_address());
    let shipped = Shipped::with(&format!(
        "services:\n  master: {{mode: tcp, bind: '{master}', role: redis, check: redis-master, shutdown_sessions: true}}\n  \
         replica: {{mode: tcp, bind: '{replica}', role: redis, check: redis-replica}}\n  \
         any: {{mode: tcp, bind: '{any}', role: redis, check: redis}}\n"
    ));
    let addresses = [free_address(), free_address()];
    let _servers = addresses.map(|address| Redis::start(&shipped, address));
    follow(addresses[1], addresses[0]);
    for (name, address) in ["a", "b"].iter().zip(addresses) {
        shipped.node(name, address, &[("role", "redis")]);
    }
    let haproxy = shipped.start(&[], 0);
    let is = |backend: &str, server: &str, wanted: &str| {
        haproxy.stat_of(backend, server, "status").as_deref() == Some(wanted)
    };
    let roles = |master: &str, replica: &str| {
        let found = is("master", master, "UP") && is("master", replica, "DOWN");
        (found && is("replica", replica, "UP") && is("replica", master, "DOWN")).then_some(())
    };
    until("both roles", || roles("a", "b"));
    assert!(is("any", "a", "UP") && is("any", "b", "UP"));
    assert_eq!(ask(master, &["set", "key", "1"]), "OK");
    assert_eq!(ask(replica, &["role"]).lines().next(), Some("slave"));
    assert_eq!(ask(addresses[1], &["replicaof", "no", "one"]), "OK");
    follow(addresses[0], addresses[1]);
    until("the new roles", || roles("b", "a"));
    assert_eq!(ask(master, &["set", "key", "2"]), "OK");
    assert_eq!(ask(addresses[1], &["get", "key"]), "2");
}
