//! Several services on one balancer, by the setting `services` of the shipped template: real requests through a real
//! HAProxy.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use support::haproxy::{HaProxy, exchange, free_address, get, is_there, request, serve};
use support::shipped::Shipped;
use support::until;

const SHOP: &str = r#"
services:
  shop:
    hosts: [shop.example.org, "*.shop.example.org"]
  api:
    role: rest
    hosts: Shop.Example.Org.
    paths: [/api, /v2/]
  blog:
    tags: {service: blog}
    paths: /blog
  rest:
    tags: {service: other, level: "2"}
    role: others
"#;

/// A server of a service that answers with its name and the head of the request. It is up when this returns.
fn server(shipped: &Shipped, name: &str, tags: &[(&str, &str)]) {
    let address = free_address();
    let own = name.to_owned();
    serve(address, move |head| Some(format!("{own}\n{head}")));
    shipped.node(name, address, tags);
}

fn until_up(haproxy: &HaProxy, backend: &str, server: &str) {
    until("the server's first check", || {
        haproxy.stat_of(backend, server, "check_status").filter(|status| status.starts_with("L7OK"))
    });
}

#[test]
fn a_node_that_no_service_takes_is_reported() {
    let shipped =
        Shipped::with("services: {shop: {hosts: a}, api: {role: rest, hosts: b}, x: {tags: {zone: z}}}");
    for (name, tags) in [
        ("good", &[("service", "shop")][..]),
        ("by-role", &[("role", "rest"), ("service", "other")]),
        ("by-tag", &[("zone", "z"), ("service", "other")]),
        ("bare", &[("role", "balancer")]),
        ("s1", &[("service", "shpo")]),
        ("s2", &[("service", "shpo")]),
        ("s3", &[("service", "mail")]),
    ] {
        shipped.bed.node(name, "10.0.0.1", tags);
    }
    let ran = shipped.bed.render(&["--vars", "v.yaml"]).ends(0);
    let lines = "render-cfg: no service takes 's3', with the tag service=mail\n\
                 render-cfg: no service takes 's1' and 1 more, with the tag service=shpo; did you mean 'shop'?\n";
    assert_eq!(ran.err, lines);
}

#[test]
fn a_request_finds_its_service_by_host_and_path() {
    if !is_there() {
        return;
    }
    let shipped = Shipped::with(SHOP);
    server(&shipped, "s", &[("role", "backend"), ("service", "shop")]);
    server(&shipped, "a", &[("role", "rest")]);
    server(&shipped, "b", &[("service", "blog")]);
    server(&shipped, "r", &[("role", "others"), ("service", "other"), ("level", "2")]);
    // Each lacks one thing to be of a service.
    server(&shipped, "z", &[("role", "shop"), ("service", "no")]);
    server(&shipped, "x", &[("role", "others"), ("service", "other")]);
    server(&shipped, "y", &[("service", "other"), ("level", "2")]);
    let haproxy = shipped.start(&[], 0);
    for (backend, server) in [("shop", "s"), ("api", "a"), ("blog", "b"), ("rest", "r")] {
        until_up(&haproxy, backend, server);
        assert_eq!(haproxy.stat_of(backend, "x", "weight").or(haproxy.stat_of(backend, "y", "weight")), None);
        assert_eq!(haproxy.stat_of(backend, "z", "weight"), None);
    }
    for (host, path, wanted) in [
        ("shop.example.org", "/", "s"),
        ("SHOP.example.ORG:8080", "/", "s"),
        ("shop.example.org.", "/apiary", "s"),
        ("shop.example.org", "/api", "a"),
        ("shop.example.org", "/api?x=/", "a"),
        ("shop.example.org", "/api/v1", "a"),
        ("shop.example.org", "/v2", "a"),
        ("shop.example.org", "/blog", "s"),
        ("de.shop.example.org", "/api", "s"),
        ("de.shop.example.org", "/blog", "s"),
        ("a.de.shop.example.org", "/", "r"),
        ("other", "/blog/1", "b"),
        ("other", "/blogs", "r"),
        ("*.other", "/", "r"),
        ("[::1]:80", "/", "r"),
    ] {
        let answer = get(shipped.web, host, path);
        let name = answer.split_once("\r\n\r\n").unwrap().1.lines().next();
        assert_eq!(name, Some(wanted), "{host}{path}: {answer}");
    }
}

#[test]
fn a_service_without_servers_answers_503_alone_and_an_unknown_host_404() {
    if !is_there() {
        return;
    }
    let shipped = Shipped::with("services: {shop: {hosts: shop}, api: {hosts: api}}");
    server(&shipped, "a", &[("role", "api")]);
    let haproxy = shipped.start(&[], 0);
    until_up(&haproxy, "api", "a");
    for (host, status) in [("shop", "503"), ("api", "200"), ("other", "404")] {
        let answer = get(shipped.web, host, "/");
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{host}: {answer}");
    }
}

const OWN: &str = r#"
services:
  shop:
    hosts: shop
    rate_limit: 3
    request_headers: {X-Team: "100% shop", X-Secret: false}
    response_headers: {X-Frame-Options: DENY}
    maxconn: 7
    timeouts: {server: 100ms, queue: 3s}
    retries: 0
  api: {hosts: api, cookie: false, balance: random(2), check: tcp}
  own: {hosts: own, cookie: OWN, check_path: /ready?x=1, check_method: HEAD, slowstart: 5s}
"#;

#[test]
fn each_service_has_its_own_settings() {
    if !is_there() {
        return;
    }
    let shipped = Shipped::with(OWN);
    for name in ["shop", "api", "own"] {
        server(&shipped, name, &[("role", name)]);
    }
    let haproxy = shipped.start(&[], 0);
    until_up(&haproxy, "shop", "shop");
    until_up(&haproxy, "own", "own");
    assert_eq!(haproxy.stat_of("shop", "shop", "slim").as_deref(), Some("7"));
    until("a check by TCP", || {
        haproxy.stat_of("api", "api", "check_status").filter(|status| status == "L4OK")
    });
    let first = shipped.ask("shop", "X-Secret: 1\r\n");
    assert!(first.contains("x-team: 100% shop\r\n") && !first.contains("x-secret"), "{first}");
    assert!(first.contains("x-frame-options: deny\r\n"), "{first}");
    assert!(first.contains("set-cookie: srv_shop="), "{first}");
    assert!(!shipped.ask("api", "").contains("set-cookie"));
    assert!(shipped.ask("own", "").contains("set-cookie: own="));
    let is_refused = |_| get(shipped.web, "shop", "/").starts_with("HTTP/1.1 429");
    let refused: Vec<bool> = (0..4).map(is_refused).collect();
    assert_eq!(refused, [false, false, true, true], "one request came before");
    assert!(get(shipped.web, "api", "/").starts_with("HTTP/1.1 200"), "only the shop has a limit");
}

#[test]
fn settings_that_no_request_shows_are_lines() {
    let shipped = Shipped::with(OWN);
    let text = shipped.render_unchecked(&[], 0);
    for line in [
        "    balance random\\x282\\x29\n",
        "    timeout queue 3s\n",
        "    timeout server 100ms\n",
        "    retries 0\n",
        "    http-check send meth HEAD uri /ready\\x3fx=1 hdr Host localhost\n",
        "    default-server slowstart 5s\n",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
}

impl Shipped {
    /// The response in lower case.
    fn ask(&self, host: &str, headers: &str) -> String {
        let text = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}\r\n");
        exchange(self.web, &text).unwrap().to_lowercase()
    }
}

#[test]
fn without_the_setting_there_is_one_service() {
    if !is_there() {
        return;
    }
    let shipped = Shipped::new();
    server(&shipped, "s", &[("role", "backend")]);
    let haproxy = shipped.start(&[], 0);
    until_up(&haproxy, "nodes", "s");
    assert!(request(shipped.web, "GET", "/", "").unwrap().contains("\r\n\r\ns\n"));
    assert_eq!(shipped.bed.leftovers(), ["socket"], "no map is written");
}
