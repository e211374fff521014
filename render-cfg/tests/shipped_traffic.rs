//! The shipped template under real HAProxy: requests, sessions, retries and limits.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use support::haproxy::{free_address, is_there, request, serve};
use support::shipped::Shipped;
use support::until;

#[test]
fn without_nodes_it_answers_503_and_serves_the_stats_page_and_metrics() {
    if !is_there() {
        return;
    }
    let shipped = Shipped::new();
    let haproxy = shipped.start(&[], 0);
    assert!(request(shipped.web, "GET", "/", "").unwrap().starts_with("HTTP/1.1 503 "));
    let page = request(shipped.stats, "GET", "/stats", "").unwrap();
    assert!(page.starts_with("HTTP/1.1 200 ") && !page.contains("action=\"disable\""), "{page}");
    // A node that announces the address of the stats page must not pass the health check.
    let checked = request(shipped.stats, "GET", "/healthz", "").unwrap();
    assert!(checked.starts_with("HTTP/1.1 503 "), "{checked}");
    assert!(request(shipped.stats, "GET", "/", "").unwrap().contains("location: /stats"));
    let build = std::process::Command::new(support::haproxy::program()).arg("-vv").output().unwrap();
    let has_exporter = String::from_utf8_lossy(&build.stdout).contains("+PROMEX");
    let metrics = request(shipped.stats, "GET", "/metrics", "").unwrap();
    assert_eq!(metrics.contains("haproxy_process_"), has_exporter, "{metrics}");
    let text = shipped.bed.read("out");
    let revision = text.lines().find_map(|line| line.trim().strip_prefix("description ")).unwrap();
    let info = String::from_utf8(haproxy.ask("show info")).unwrap();
    assert!(info.contains(&format!("\ndescription: {revision}\n")), "{info}");
}

#[test]
fn forwarding_headers_of_a_client_are_replaced() {
    if !is_there() {
        return;
    }
    let shipped = Shipped::new();
    let address = free_address();
    serve(address, |head| Some(head.to_lowercase()));
    shipped.backend("s1", address, &[]);
    let _haproxy = shipped.start(&[], 0);
    let forged = "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nForwarded: for=6.6.6.6\r\n";
    let head = request(shipped.web, "GET", "/", forged).unwrap();
    assert!(!head.contains("6.6.6.6"), "{head}");
    assert!(head.contains("\r\nx-forwarded-for: 127.0.0.1\r\n"), "{head}");
    assert!(head.contains(&format!("\r\nx-forwarded-port: {}\r\n", shipped.web.port())), "{head}");
    assert!(head.contains("\r\nx-forwarded-proto: http\r\n"), "{head}");
}

#[test]
fn a_session_stays_with_its_server_while_that_drains() {
    if !is_there() {
        return;
    }
    let shipped = Shipped::new();
    let addresses = [free_address(), free_address()];
    for (address, name) in addresses.into_iter().zip(["s1", "s2"]) {
        serve(address, move |_| Some(name.to_owned()));
        shipped.backend(name, address, &[]);
    }
    let body = |answer: &str| answer.rsplit("\r\n").next().unwrap().to_owned();
    let running = shipped.start(&[], 0);
    let answer = request(shipped.web, "GET", "/", "").unwrap();
    let cookie = answer.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
    let cookie = format!("Cookie: {}\r\n", cookie.split(';').next().unwrap());
    let first = body(&answer);
    drop(running);
    let draining = addresses[usize::from(first == "s2")];
    shipped.backend(&first, draining, &[("state", "drain")]);
    let _running = shipped.start(&[], 0);
    for _ in 0..6 {
        assert_eq!(body(&request(shipped.web, "GET", "/", &cookie).unwrap()), first);
        assert_ne!(body(&request(shipped.web, "GET", "/", "").unwrap()), first);
    }
}

#[test]
fn a_get_is_retried_when_its_server_dies_and_a_post_is_never_sent_twice() {
    if !is_there() {
        return;
    }
    let shipped = Shipped::new();
    let (gone, flaky) = (free_address(), free_address());
    let arrivals = Arc::new(AtomicUsize::new(0));
    serve(flaky, {
        let arrivals = Arc::clone(&arrivals);
        move |_| (arrivals.fetch_add(1, Ordering::SeqCst) % 2 == 1).then(|| "alive".to_owned())
    });
    shipped.backend("flaky", flaky, &[]);
    let running = shipped.start(&[], 0);
    assert!(request(shipped.web, "GET", "/", "").unwrap().ends_with("alive"));
    assert_eq!(arrivals.swap(0, Ordering::SeqCst), 2);
    for method in ["POST", "PATCH"] {
        assert!(request(shipped.web, method, "/", "").unwrap().starts_with("HTTP/1.1 502 "));
        assert_eq!(arrivals.swap(0, Ordering::SeqCst), 1);
    }
    drop(running);
    shipped.backend("gone", gone, &[]);
    arrivals.store(1, Ordering::SeqCst);
    let _running = shipped.start(&[], 0);
    for _ in 0..6 {
        let answer = request(shipped.web, "POST", "/", "").unwrap();
        arrivals.store(1, Ordering::SeqCst);
        assert!(answer.ends_with("alive"), "a request that no server has seen goes to another: {answer}");
    }
}

#[test]
fn a_client_beyond_the_limit_gets_429() {
    if !is_there() {
        return;
    }
    let shipped = Shipped::new();
    let _haproxy = shipped.start(&["rate_limit=5"], 0);
    let codes: Vec<bool> =
        (0..7).map(|_| request(shipped.web, "GET", "/", "").unwrap().starts_with("HTTP/1.1 429 ")).collect();
    assert_eq!(codes, [false, false, false, false, false, true, true]);
}

#[test]
fn several_balancers_become_peers_and_count_a_client_together() {
    if !is_there() {
        return;
    }
    let (one, two) = (Shipped::new(), Shipped::new());
    let peers = [("lb1", free_address()), ("lb2", free_address())];
    for shipped in [&one, &two] {
        assert!(!shipped.render(&["self=lb1"], 0).contains("peers"), "a balancer alone has no peers");
        for (name, address) in peers {
            let port = address.port().to_string();
            shipped.bed.node(name, &address.ip().to_string(), &[("role", "balancer"), ("peer_port", &port)]);
        }
        assert!(!shipped.render(&[], 0).contains("peers"), "without `self`");
        assert!(!shipped.render(&["self=lb3"], 0).contains("peers"), "`self` is not one of them");
    }
    let _first = one.start(&["self=lb1", "rate_limit=5"], 0);
    let second = two.start(&["self=lb2", "rate_limit=5"], 0);
    until("the other balancer to count the client", || {
        request(one.web, "GET", "/", "").unwrap();
        let table = String::from_utf8(second.ask("show table client_rates")).unwrap();
        table.contains("127.0.0.1").then_some(())
    });
}
