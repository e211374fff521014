//! Services of TCP whose servers are real databases: HAProxy's checks find the right ones, and clients reach them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use common::replace::replace;
use nix::sys::signal::Signal;
use support::daemon::{Daemon, are_there, output, succeed, unprivileged, unprivileged_directory};
use support::haproxy::{free_address, is_there, serve};
use support::shipped::Shipped;
use support::tcp::{ask, connect, until_check, until_status};
use support::until;

/// Debian has the server in its package `redis-tools`, too, under this name. It acts as the name says by which it is
/// called. The package with the right name would also start a server.
const REDIS: &str = "redis-check-rdb";

/// Starts a Redis, as a replica of another one if there is one.
fn redis(shipped: &Shipped, name: &str, master: Option<SocketAddr>) -> (Daemon, SocketAddr) {
    let address = free_address();
    let mut server = Command::new(REDIS);
    server.arg0("redis-server").args([
        "--bind",
        &address.ip().to_string(),
        "--port",
        &address.port().to_string(),
    ]);
    server.args(["--save", "", "--protected-mode", "no", "--repl-diskless-sync-delay", "0"]);
    if let Some(master) = master {
        server.args(["--replicaof", &format!("{} {}", master.ip(), master.port())]);
    }
    server.current_dir(shipped.bed.scratch.path());
    let daemon = Daemon::start(&mut server, Signal::SIGKILL, &shipped.bed.path(&format!("{name}.log")));
    shipped.node(name, address, &[("role", "redis")]);
    until("a Redis", || (redis_cli(address, "ping") == "PONG").then_some(()));
    (daemon, address)
}

/// The answer to a command.
fn redis_cli(address: SocketAddr, command: &str) -> String {
    let mut client = Command::new("redis-cli");
    client.args(["-h", &address.ip().to_string(), "-p", &address.port().to_string()]);
    output(client.args(command.split(' ')))
}

/// The address of the Redis that a connection to this address reaches.
fn redis_at(address: SocketAddr) -> String {
    redis_cli(address, "config get bind").lines().last().unwrap_or_default().to_owned()
}

#[test]
fn redis_is_reached_by_its_role() {
    if !is_there() || !are_there(&[REDIS, "redis-cli"]) {
        return;
    }
    let (writes, reads, all) = (free_address(), free_address(), free_address());
    let shipped = Shipped::with(&format!(
        "services:\n  writes: {{mode: tcp, bind: '{writes}', role: redis, check: redis-master, shutdown_sessions: true}}\n  \
         reads: {{mode: tcp, bind: '{reads}', role: redis, check: redis-replica}}\n  \
         all: {{mode: tcp, bind: '{all}', role: redis, check: redis}}\n"
    ));
    let (_a, a) = redis(&shipped, "a", None);
    let (_b, b) = redis(&shipped, "b", Some(a));
    let haproxy = shipped.start(&[], 0);
    let until_roles = |master: &str, replica: &str| {
        for (service, good, bad) in [("writes", master, replica), ("reads", replica, master)] {
            until_status(&haproxy, service, bad, "DOWN");
            until_status(&haproxy, service, good, "UP");
            until_check(&haproxy, service, good, "L7OK");
            // A wrong role is an answer. Waiting for another one would delay each failover by the timeout.
            until_check(&haproxy, service, bad, "L7RSP");
        }
    };
    until_roles("a", "b");
    ["a", "b"].iter().for_each(|server| until_check(&haproxy, "all", server, "L7OK"));
    for (value, master, replica, names) in [("1", a, b, ["b", "a"]), ("2", b, a, ["a", "b"])] {
        assert_eq!(redis_at(writes), master.ip().to_string());
        assert_eq!(redis_at(reads), replica.ip().to_string());
        assert_eq!(redis_cli(writes, &format!("set key {value}")), "OK");
        until("the replica to follow", || (redis_cli(reads, "get key") == value).then_some(()));
        assert!(redis_cli(reads, "set key 3").starts_with("READONLY"));
        let session = connect(writes);
        assert_eq!(ask(&session, "ping"), "+PONG");
        assert_eq!(redis_cli(replica, "replicaof no one"), "OK");
        assert_eq!(redis_cli(master, &format!("replicaof {} {}", replica.ip(), replica.port())), "OK");
        until("the end of the old session", || ask(&session, "ping").is_empty().then_some(()));
        until_roles(names[0], names[1]);
    }
}

/// Two services of one role with this check, each with another user: the database knows only that of the first one. Its
/// nodes are the database and a web server.
fn with_users(check: &str, bind: SocketAddr, database: SocketAddr) -> Shipped {
    let (other, web) = (free_address(), free_address());
    let service =
        |bind, user| format!("{{mode: tcp, bind: '{bind}', role: db, check: {check}, check_user: {user}}}");
    let (good, bad) = (service(bind, "rollcall"), service(other, "stranger"));
    let shipped = Shipped::with(&format!("services:\n  good: {good}\n  bad: {bad}\n"));
    serve(web, |_| Some(String::new()));
    shipped.node("database", database, &[("role", "db")]);
    shipped.node("web", web, &[("role", "db")]);
    shipped
}

/// Starts a PostgreSQL that knows two users from outside: one with a password for the checks, and one for queries.
fn postgresql(directory: &Path, address: SocketAddr) -> Daemon {
    let data = directory.join("data");
    let mut init = unprivileged("initdb");
    init.args(["--no-sync", "--no-instructions", "--auth=trust", "--username=postgres", "--locale=C", "-D"]);
    succeed(init.arg(&data).current_dir(directory));
    let rules =
        "local all all trust\nhost all rollcall 127.0.0.0/8 scram-sha-256\nhost all app 127.0.0.0/8 trust\n";
    replace(&data.join("pg_hba.conf"), rules.as_bytes(), 0o644).unwrap();
    let mut server = unprivileged("postgres");
    server.arg("-D").arg(&data).arg("-k").arg(directory).args(["-c", "fsync=off"]);
    server.args(["-h", &address.ip().to_string(), "-p", &address.port().to_string()]);
    let daemon = Daemon::start(server.current_dir(directory), Signal::SIGQUIT, &directory.join("log"));
    let users = "create role rollcall login password 'secret'; create role app login";
    until("PostgreSQL", || {
        let socket = directory.display().to_string();
        let mut client = Command::new("psql");
        client.args(["-h", &socket, "-p", &address.port().to_string(), "-U", "postgres", "-c", users]);
        client.output().unwrap().status.success().then_some(())
    });
    daemon
}

#[test]
fn postgresql_is_checked_with_its_user() {
    if !is_there() || !are_there(&["initdb", "postgres", "psql"]) {
        return;
    }
    let (front, address) = (free_address(), free_address());
    let directory = unprivileged_directory();
    let daemon = postgresql(directory.path(), address);
    let shipped = with_users("postgresql", front, address);
    let haproxy = shipped.start(&[], 0);
    until_check(&haproxy, "good", "database", "L7OK");
    for (service, server) in [("good", "web"), ("bad", "database")] {
        until_status(&haproxy, service, server, "DOWN");
    }
    let query = || {
        let mut client = Command::new("psql");
        client.args(["-h", &front.ip().to_string(), "-p", &front.port().to_string(), "-U", "app"]);
        output(client.args(["-d", "postgres", "-Atc", "select host(inet_server_addr()), 6 * 7"]))
    };
    assert_eq!(query(), format!("{}|42", address.ip()));
    drop(daemon);
    until_status(&haproxy, "good", "database", "DOWN");
    assert!(query().contains("server closed the connection"), "{}", query());
}

/// Starts a MariaDB with one user for the checks and one for queries, both without a password.
fn mariadb(directory: &Path, address: SocketAddr) -> Daemon {
    let data = format!("--datadir={}", directory.join("data").display());
    let mut install = unprivileged("mariadb-install-db");
    install.args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db", &data]);
    succeed(install.current_dir(directory));
    let users = "create user rollcall@'%';\ncreate user app@'%';\n";
    replace(&directory.join("users.sql"), users.as_bytes(), 0o644).unwrap();
    let mut server = unprivileged("mariadbd");
    server.args([
        "--no-defaults",
        &data,
        "--init-file=../users.sql",
        "--socket=../socket",
        "--skip-name-resolve",
    ]);
    server.args([&format!("--bind-address={}", address.ip()), &format!("--port={}", address.port())]);
    let daemon = Daemon::start(server.current_dir(directory), Signal::SIGKILL, &directory.join("log"));
    until("MariaDB", || mariadb_says(address, "select 1").eq("1").then_some(()));
    daemon
}

fn mariadb_says(address: SocketAddr, query: &str) -> String {
    let mut client = Command::new("mariadb");
    client.args(["--no-defaults", "-h", &address.ip().to_string(), "-P", &address.port().to_string()]);
    output(client.args(["-u", "app", "-BNe", query]))
}

#[test]
fn mysql_is_checked_with_its_user() {
    if !is_there() || !are_there(&["mariadb-install-db", "mariadbd", "mariadb"]) {
        return;
    }
    let (front, address) = (free_address(), free_address());
    let directory = unprivileged_directory();
    let daemon = mariadb(directory.path(), address);
    let shipped = with_users("mysql", front, address);
    let haproxy = shipped.start(&[], 0);
    until_check(&haproxy, "good", "database", "L7OK");
    for (service, server) in [("good", "web"), ("bad", "database")] {
        until_status(&haproxy, service, server, "DOWN");
    }
    let query = || mariadb_says(front, "select @@bind_address, 6 * 7");
    assert_eq!(query(), format!("{}\t42", address.ip()));
    drop(daemon);
    until_status(&haproxy, "good", "database", "DOWN");
    assert!(query().contains("Lost connection"), "{}", query());
}
