//! Versions of a service and their shares: real requests through a real HAProxy.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use std::collections::BTreeMap;

use support::haproxy::{HaProxy, exchange, free_address, get, is_there, serve};
use support::shipped::Shipped;
use support::until;

/// The settings of a service with these shares and preferences.
fn settings(shares: &str) -> String {
    format!(
        "services: {{shop: {{cookie: false, versions: {shares}, prefer: {{header: X-Version, cookie: version}}}}}}"
    )
}

/// A server of this version that answers with its name.
fn server(shipped: &Shipped, name: &str, version: &str, tags: &[(&str, &str)]) {
    let address = free_address();
    let own = name.to_owned();
    serve(address, move |_| Some(own.clone()));
    shipped.node(name, address, &[&[("role", "shop"), ("version", version)], tags].concat());
}

fn until_up(haproxy: &HaProxy, backend: &str, servers: &[&str]) {
    for server in servers {
        until("the server's first check", || {
            haproxy.stat_of(backend, server, "check_status").filter(|status| status.starts_with("L7OK"))
        });
    }
}

/// How many of these requests each server answers.
fn counts(shipped: &Shipped, requests: usize) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for _ in 0..requests {
        let answer = get(shipped.web, "any", "/");
        *counts.entry(answer.rsplit("\r\n").next().unwrap().to_owned()).or_insert(0) += 1;
    }
    counts
}

#[test]
fn shares_hold_whatever_the_number_of_servers() {
    if !is_there() {
        return;
    }
    let shipped = Shipped::with(&settings("{v1: 90, v2: 10, v4: 0}"));
    for name in ["a1", "a2", "a3"] {
        server(&shipped, name, "v1", &[]);
    }
    server(&shipped, "b1", "v2", &[]);
    // None of these counts: a version that the file does not name, one with a share of 0, and a server that drains.
    server(&shipped, "c1", "v3", &[]);
    server(&shipped, "d1", "v4", &[]);
    server(&shipped, "e1", "v1", &[("state", "drain")]);
    let haproxy = shipped.start(&[], 0);
    until_up(&haproxy, "shop", &["a1", "a2", "a3", "b1", "c1", "d1"]);
    let counts = counts(&shipped, 400);
    let of = |name: &str| counts.get(name).copied().unwrap_or(0);
    assert!((38..=42).contains(&of("b1")), "a tenth of 400: {counts:?}");
    assert!(["a1", "a2", "a3"].iter().all(|name| (118..=122).contains(&of(name))), "{counts:?}");
    assert_eq!(counts.len(), 4, "{counts:?}");
}

#[test]
fn a_tester_chooses_a_version_by_header_or_cookie() {
    if !is_there() {
        return;
    }
    let shipped = Shipped::with(&settings("{v1: 100, v2: 0, v5: 0}"));
    server(&shipped, "old", "v1", &[]);
    server(&shipped, "new", "v2", &[]);
    let haproxy = shipped.start(&[], 0);
    until_up(&haproxy, "shop", &["old", "new"]);
    until_up(&haproxy, "shop.v2", &["new"]);
    for (header, wanted) in [
        ("", "old"),
        ("X-Version: v2\r\n", "new"),
        ("X-Version: v1\r\n", "old"),
        ("Cookie: a=b; version=v2\r\n", "new"),
        // It has no server, it is unknown, and it is a part of a name.
        ("X-Version: v5\r\n", "old"),
        ("X-Version: v9\r\n", "old"),
        ("X-Version: v\r\n", "old"),
    ] {
        let request = format!("GET / HTTP/1.1\r\nHost: any\r\nConnection: close\r\n{header}\r\n");
        let answer = exchange(shipped.web, &request).unwrap();
        assert!(answer.ends_with(&format!("\r\n{wanted}")), "{header}: {answer}");
    }
}

#[test]
fn a_backend_with_a_backup_server_does_not_use_leastconn() {
    let settings =
        "services: {shop: {}, own: {balance: leastconn, role: shop}, two: {role: shop, balance: roundrobin}}";
    for (vars, tags, wanted) in [
        ("{}", &[][..], [1, 0, 0]),
        ("{}", &[("backup", "yes")], [0, 1, 0]),
        (settings, &[], [1, 0, 1]),
        (settings, &[("backup", "yes")], [1, 2, 1]),
    ] {
        let shipped = Shipped::with(
            &vars.replace("shop: {}", "shop: {hosts: a}").replace("own: {", "own: {hosts: b, "),
        );
        for (name, tags) in [("a", &[][..]), ("b", tags)] {
            let role = if vars == settings { "shop" } else { "backend" };
            shipped.node(name, free_address(), &[&[("role", role)], tags].concat());
        }
        let text = shipped.render(&[], 0);
        let count = |balance: &str| text.matches(&format!("\n    balance {balance}\n")).count();
        assert_eq!(["leastconn", "random", "roundrobin"].map(count), wanted, "{text}");
    }
}

#[test]
fn a_tester_shares_the_limit_and_the_cookie_of_the_service() {
    let shipped = Shipped::with(
        "services: {shop: {versions: {v1: 1}, prefer: {header: X-V}, rate_limit: 5, cookie: C, slowstart: 9s}}",
    );
    server(&shipped, "s", "v1", &[]);
    let text = shipped.render(&[], 0);
    let (own, preferred) = text.split_once("\nbackend shop.v1\n").unwrap();
    let own = own.split_once("\nbackend shop\n").unwrap().1;
    for line in [
        "    cookie C insert ",
        "    http-request track-sc1 src table shop\n",
        " slowstart 9s\n",
        "    server s ",
    ] {
        assert!(own.contains(line) && preferred.contains(line), "{line}: {text}");
    }
    assert!(own.contains("stick-table") && !preferred.contains("stick-table"), "{text}");
}

/// The name, the weight and the rest of each server line.
fn servers(text: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| line.starts_with("    server "));
    lines.map(|line| format!("{} {}", &line[11..13], line.split_once("check ").unwrap().1)).collect()
}

#[test]
fn shares_are_those_of_servers_that_serve_together() {
    let vars = "{zone: a, services: {shop: {versions: {v1: 50, v2: 50}, zone_min: 2}}}";
    let shipped = Shipped::with(vars);
    for (name, version, zone, backup) in [
        ("a1", "v1", "a", "no"),
        ("a2", "v2", "a", "no"),
        ("a3", "v2", "a", "yes"),
        ("b1", "v1", "b", "no"),
        ("b2", "v1", "b", "no"),
        ("b3", "v2", "b", "no"),
    ] {
        let tags = [("role", "shop"), ("version", version), ("zone", zone), ("backup", backup)];
        shipped.node(name, free_address(), &tags);
    }
    let text = shipped.render(&[], 0);
    let (own, all) = text.split_once("\nbackend shop:zones\n").unwrap();
    assert_eq!(
        servers(own),
        [
            "a1 weight 256",
            "a2 weight 256",
            "a3 weight 256 backup",
            "b1 weight 128 backup",
            "b2 weight 128 backup",
            "b3 weight 256 backup"
        ]
    );
    assert_eq!(
        servers(all),
        [
            "a1 weight 171",
            "a2 weight 256",
            "a3 weight 256 backup",
            "b1 weight 171",
            "b2 weight 170",
            "b3 weight 256"
        ]
    );
}
