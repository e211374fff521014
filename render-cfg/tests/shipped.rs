//! The shipped template, on a real HAProxy with real connections.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use support::haproxy::{HaProxy, check, check_spared, free_address, is_there, request, serve};
use support::{Bed, SHIPPED, until};

/// A bed with the shipped template and addresses of its own.
struct Shipped {
    bed: Bed,
    web: SocketAddr,
    stats: SocketAddr,
}

impl Shipped {
    fn new() -> Shipped {
        let bed = Bed::new(&std::fs::read_to_string(SHIPPED).unwrap());
        Shipped { bed, web: free_address(), stats: free_address() }
    }

    fn settings(&self) -> Vec<String> {
        let socket = self.bed.path("socket");
        vec![
            format!("bind={}", self.web),
            format!("stats_bind={}", self.stats),
            format!("admin_socket={}", socket.display()),
            "user=".to_owned(),
            "group=".to_owned(),
        ]
    }

    /// Renders with these settings too, and expects this exit code and that HAProxy has nothing to say.
    #[track_caller]
    fn render(&self, more: &[&str], code: i32) -> String {
        let settings = self.settings();
        let arguments: Vec<&str> = settings
            .iter()
            .map(String::as_str)
            .chain(more.iter().copied())
            .flat_map(|s| ["--set", s])
            .collect();
        self.bed.render(&arguments).ends(code);
        let (taken, said) = check(&self.bed.path("out"));
        assert!(taken && !said.contains("WARNING") && !said.contains("ALERT"), "{said}");
        self.bed.read("out")
    }

    fn start(&self, more: &[&str], code: i32) -> HaProxy {
        self.render(more, code);
        HaProxy::start(&self.bed.path("out"), &self.bed.path("socket"))
    }

    fn backend(&self, name: &str, address: SocketAddr, tags: &[(&str, &str)]) {
        let port = address.port().to_string();
        let tags = [&[("role", "backend"), ("port", &port)], tags].concat();
        self.bed.node(name, &address.ip().to_string(), &tags);
    }
}

#[test]
fn the_defaults_pass_the_check_without_a_warning_and_leave_no_blank_lines_behind() {
    if !is_there() {
        return;
    }
    let bed = Bed::new(&std::fs::read_to_string(SHIPPED).unwrap());
    bed.node("s1", "10.0.0.1", &[("role", "backend")]);
    bed.render(&[]).quietly();
    let (taken, said) = check(&bed.path("out"));
    assert!(taken && !said.contains("WARNING") && !said.contains("ALERT"), "{said}");
    let text = bed.read("out");
    assert!(!text.contains("\n\n\n") && !text.contains(" \n") && text.ends_with("version\n"), "{text}");
}

#[test]
fn zero_nodes_answer_503_and_the_stats_page_and_the_metrics_are_there() {
    if !is_there() {
        return;
    }
    let shipped = Shipped::new();
    let haproxy = shipped.start(&[], 0);
    assert!(request(shipped.web, "GET", "/", "").unwrap().starts_with("HTTP/1.1 503 "));
    let page = request(shipped.stats, "GET", "/stats", "").unwrap();
    assert!(page.starts_with("HTTP/1.1 200 ") && !page.contains("action=\"disable\""), "{page}");
    // A node that announces the page's own address must not pass the health check there.
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
fn tags_decide_how_a_node_is_served_and_a_bad_one_leaves_out_that_node_alone() {
    if !is_there() {
        return;
    }
    let shipped = Shipped::new();
    let address = free_address();
    serve(address, |_| Some("hello".to_owned()));
    shipped.backend("good", address, &[]);
    // Each at an address of its own: HAProxy warns about two servers with one cookie.
    shipped.backend("weighty", free_address(), &[("weight", "20"), ("maxconn", "7")]);
    shipped.backend("spare", free_address(), &[("backup", "true")]);
    shipped.backend("leaving", free_address(), &[("state", "drain"), ("weight", "20")]);
    shipped.backend("bad", address, &[("weight", "heavy")]);
    let haproxy = shipped.start(&[], 3);
    let stat = |server: &str, column: &str| haproxy.stat(server, column);
    assert_eq!(stat("good", "weight").as_deref(), Some("1"));
    assert_eq!(stat("weighty", "weight").as_deref(), Some("20"));
    assert_eq!(stat("weighty", "slim").as_deref(), Some("7"));
    assert_eq!(stat("spare", "bck").as_deref(), Some("1"));
    assert_eq!(stat("leaving", "weight").as_deref(), Some("0"));
    assert_eq!(stat("bad", "weight"), None);
    until("the first check", || stat("good", "check_status").filter(|status| status == "L7OK"));
    assert!(request(shipped.web, "GET", "/", "").unwrap().ends_with("hello"));
}

#[test]
fn of_two_nodes_at_one_address_the_second_is_left_out_and_named() {
    if !is_there() {
        return;
    }
    let shipped = Shipped::new();
    let address = free_address();
    shipped.backend("old", address, &[]);
    shipped.backend("same", address, &[]);
    shipped.backend("third", free_address(), &[]);
    let text = shipped.render(&[], 3);
    assert!(text.contains("    # same is left out: it serves the same address as 'old'\n"), "{text}");
    assert!(text.contains("    server old ") && text.contains("    server third "), "{text}");
    let ran = shipped.bed.render(&["--diff", "--set", "role=other"]).ends(0);
    assert!(ran.err.is_empty(), "nodes that are not served are no duplicates");
}

#[test]
fn what_a_client_says_about_itself_is_not_believed() {
    if !is_there() {
        return;
    }
    let shipped = Shipped::new();
    let address = free_address();
    serve(address, |head| Some(head.to_lowercase()));
    shipped.backend("s1", address, &[]);
    let _haproxy = shipped.start(&[], 0);
    let lies = "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nForwarded: for=6.6.6.6\r\n";
    let head = request(shipped.web, "GET", "/", lies).unwrap();
    assert!(!head.contains("6.6.6.6"), "{head}");
    assert!(head.contains("\r\nx-forwarded-for: 127.0.0.1\r\n"), "{head}");
    assert!(head.contains(&format!("\r\nx-forwarded-port: {}\r\n", shipped.web.port())), "{head}");
    assert!(head.contains("\r\nx-forwarded-proto: http\r\n"), "{head}");
}

#[test]
fn a_session_stays_with_its_server_even_when_that_one_drains() {
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
fn a_get_survives_a_server_that_dies_under_it_and_a_post_is_never_sent_twice() {
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
        assert!(!shipped.render(&[], 0).contains("peers"), "it does not know which of them it is");
        assert!(!shipped.render(&["self=lb3"], 0).contains("peers"), "it is none of them");
    }
    let _first = one.start(&["self=lb1", "rate_limit=5"], 0);
    let second = two.start(&["self=lb2", "rate_limit=5"], 0);
    until("the other balancer to hear of the client", || {
        request(one.web, "GET", "/", "").unwrap();
        let table = String::from_utf8(second.ask("show table client_rates")).unwrap();
        table.contains("127.0.0.1").then_some(())
    });
}

#[test]
fn the_cookies_key_need_not_stand_on_a_command_line() {
    let shipped = Shipped::new();
    let key = |more: &[&str]| {
        let set = more.iter().flat_map(|setting| ["--set", setting]);
        let mut command = shipped.bed.command(&set.collect::<Vec<_>>());
        let text = command.env("ROLLCALL_COOKIE_KEY", "s3cret").output().unwrap().stdout;
        let text = String::from_utf8(text).unwrap();
        let line = text.lines().find_map(|line| line.trim().strip_prefix("dynamic-cookie-key "));
        line.unwrap().to_owned()
    };
    assert_eq!(key(&[]), "s3cret");
    assert_eq!(key(&["cookie_key=another"]), "another");
}

#[test]
fn every_setting_passes_the_check() {
    if !is_there() {
        return;
    }
    let shipped = Shipped::new();
    shipped.bed.node("app1", "fd00::1", &[("role", "app")]);
    let text = shipped.render(
        &[
            "role=app",
            "balancer_role=lb",
            "port=8080",
            "user=root",
            "group=root",
            "chroot=/",
            "socket_group=root",
            "maxconn=500",
            "hard_stop_after=10s",
            "log=/dev/log",
            "balance=random",
            "cookie=APP",
            "cookie_key=s3cret key",
            "check_path=/up?a=b c",
            "check_host=example.org",
        ],
        0,
    );
    for line in [
        "    server app1 [fd00::1]:8080 check\n",
        "    log /dev/log local0\n",
        "    user root\n",
        "    chroot /\n",
        "    maxconn 500\n",
        "    hard-stop-after 10s\n",
        "    balance random\n",
        "    dynamic-cookie-key s3cret\\x20key\n",
        " mode 660 group root level admin expose-fd listeners\n",
    ] {
        assert!(text.contains(line), "{line}{text}");
    }
}

#[test]
fn a_state_file_is_named_only_if_it_is_wished_for_and_loaded_then() {
    if !is_there() {
        return;
    }
    let shipped = Shipped::new();
    shipped.backend("s1", free_address(), &[]);
    let address = free_address();
    shipped.backend("s2", address, &[]);
    assert!(!shipped.render(&[], 0).contains("state-file"));
    // As reload-haproxy leaves it.
    let path = shipped.bed.path("servers.state");
    shipped.bed.write("servers.state", "1\n# A comment.\n");
    shipped.render(&[&format!("state_file={}", path.display())], 0);
    let row = format!("0 nodes 0 s2 {} 0 0 1 1 0 1 0 0 6 0 0 0 - {} -", address.ip(), address.port());
    shipped.bed.write("servers.state", &format!("1\n{row}\n"));
    let (taken, said) = check(&shipped.bed.path("out"));
    assert!(taken && said.contains("nodes/s2 is DOWN, changed from server-state"), "{said}");
}

#[test]
fn a_template_of_ones_own_needs_five_lines() {
    if !is_there() {
        return;
    }
    let manual = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let after = manual.split_once("```jinja\n").unwrap().1;
    let bed = Bed::new(after.split_once("```").unwrap().0);
    let role = [("role", "backend")];
    bed.node("s1", "10.0.0.1", &role);
    bed.node("s2", "fd00::2", &role);
    bed.render(&[]).quietly();
    let (taken, said) = check(&bed.path("out"));
    assert!(taken, "{said}");
    let text = bed.read("out");
    assert!(
        text.contains("\n    server s1 10.0.0.1:3000 check\n    server s2 [fd00::2]:3000 check\n"),
        "{text}"
    );
}

#[test]
fn haproxy_says_the_same_without_the_systems_certificates() {
    if !is_there() {
        return;
    }
    let bed = Bed::new("");
    let server = |options: &str| format!("listen l\n    server s 127.0.0.1:1 {options}\n");
    let limits = "    mode tcp\n    timeout connect 1s\n    timeout client 1s\n    timeout server 1s\n";
    let spared = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/check.cfg"));
    let client = |line: &str| format!("global\n    httpclient.ssl.{line}\n{}", server(""));
    for (text, is_right) in [
        (server("ssl verify required ca-file @system-ca"), Some(true)),
        (server("ssl verify required"), Some(false)),
        (server("ssl verify none"), Some(true)),
        (client("ca-file @system-ca"), Some(true)),
        (client("verify required"), Some(true)),
        (client("verify none"), Some(true)),
        // 2.6 refuses it, later ones only say so.
        (client("ca-file /nonexistent"), None),
        (client("verify required\n    httpclient.ssl.ca-file /nonexistent"), None),
        (format!("server s 127.0.0.1:1\n{}", server("")), Some(false)),
        (server("nonsense"), Some(false)),
    ] {
        bed.write("cfg", &format!("{text}    bind 127.0.0.1:1\n{limits}"));
        let without_pid = |said: String| said.split(['(', ')']).step_by(2).collect::<String>();
        let config = bed.path("cfg");
        let ((taken, said), (taken_spared, said_spared)) = (check(&config), check_spared(spared, &config));
        assert_eq!((taken, taken), (taken_spared, is_right.unwrap_or(taken)), "{text}{said}{said_spared}");
        assert_eq!(without_pid(said), without_pid(said_spared), "{text}");
    }
}
