//! The shipped template: its settings and tags, checked by a real HAProxy.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

use support::haproxy::{HaProxy, check, check_spared, free_address, is_there, request, serve};
use support::shipped::Shipped;
use support::{Bed, SHIPPED, until};

#[test]
fn the_defaults_pass_the_check_without_a_warning_and_leave_no_blank_lines() {
    if !is_there() {
        return;
    }
    let bed = Bed::new(&fs::read_to_string(SHIPPED).unwrap());
    bed.node("s1", "10.0.0.1", &[("role", "backend")]);
    bed.render(&[]).quietly();
    let (taken, said) = check(&bed.path("out"));
    assert!(taken && !said.contains("WARNING") && !said.contains("ALERT"), "{said}");
    let text = bed.read("out");
    assert!(!text.contains("\n\n\n") && !text.contains(" \n") && text.ends_with("version\n"), "{text}");
}

/// As root, HAProxy changes to the user of Debian's package and, from 3.4 on, into a directory of its own.
fn start_as_shipped(shipped: &Shipped, more: &str) -> HaProxy {
    let user = if nix::unistd::geteuid().is_root() { "haproxy" } else { "" };
    shipped.start(&[&format!("user={user}"), &format!("group={user}"), more], 0)
}

#[test]
fn every_version_starts_without_a_warning() {
    if !is_there() {
        return;
    }
    let shipped = Shipped::new();
    let address = free_address();
    serve(address, |_| None);
    shipped.backend("s1", address, &[]);
    for more in ["log=", "log=127.0.0.1:514", "log=/dev/log"] {
        let haproxy = start_as_shipped(&shipped, more);
        assert!(haproxy.ask("show info").starts_with(b"Name: HAProxy"));
        let said = haproxy.said();
        assert!(!said.contains("WARNING") && !said.contains("ALERT"), "{more}: {said}");
    }
}

#[test]
fn requests_are_logged_to_a_socket_in_the_file_system() {
    if !is_there() {
        return;
    }
    let shipped = Shipped::new();
    let path = shipped.bed.path("log");
    let log = UnixDatagram::bind(&path).unwrap();
    log.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    for (path, mode) in [(shipped.bed.scratch.path(), 0o755), (&path, 0o666)] {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }
    let _haproxy = start_as_shipped(&shipped, &format!("log={}", path.display()));
    request(shipped.web, "GET", "/logged", "").unwrap();
    until("the line of the request", || {
        let mut line = [0; 1024];
        let length = log.recv(&mut line).unwrap();
        String::from_utf8_lossy(&line[..length]).contains("/logged").then_some(())
    });
}

#[test]
fn tags_decide_how_a_node_is_served_and_an_invalid_one_leaves_out_only_its_node() {
    if !is_there() {
        return;
    }
    let shipped = Shipped::new();
    let address = free_address();
    serve(address, |_| Some("hello".to_owned()));
    shipped.backend("good", address, &[]);
    // Each has its own address: HAProxy warns about two servers with one cookie.
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
fn the_second_of_two_nodes_at_one_address_is_left_out_and_reported() {
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
    assert!(ran.err.is_empty(), "nodes that are not served do not count as duplicates");
}

#[test]
fn the_cookie_key_can_come_from_the_environment() {
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
            "readonly_socket=/run/haproxy/readonly.sock",
            "maxconn=500",
            "hard_stop_after=10s",
            "log=/dev/log",
            "balance=random",
            "cookie=APP",
            "cookie_key=s3cret key",
            "check_path=/up?a=b&c",
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
        "    stats socket /run/haproxy/readonly.sock mode 660 group root level user\n",
    ] {
        assert!(text.contains(line), "{line}{text}");
    }
}

#[test]
fn a_state_file_is_used_only_if_it_is_set() {
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
fn with_a_stats_file_all_have_guids_and_a_haproxy_before_3_0_says_what_it_needs() {
    if !is_there() {
        return;
    }
    let shipped = Shipped::new();
    // A guid has at most 127 characters, and this one has 128.
    let long = "x".repeat(122);
    for name in ["s1", "S-2.a_b", &long] {
        shipped.backend(name, free_address(), &[("weight", "2")]);
    }
    let text = shipped.render(&[], 0);
    assert!(!text.contains("guid") && !text.contains("stats-file") && !text.contains(".alert"), "{text}");
    shipped.bed.write("counters", "");
    let text =
        shipped.render_unchecked(&[&format!("stats_file={}", shipped.bed.path("counters").display())], 0);
    let guids: Vec<&str> =
        text.lines().filter_map(|line| line.split_once(" guid ")).map(|(_, guid)| guid).collect();
    let expected =
        ["frontend:web", "backend:nodes", "nodes:s1 weight 2", "nodes:S-2.a_b weight 2", "frontend:stats"];
    assert_eq!(sorted(&guids), sorted(&expected));
    let (taken, said) = check(&shipped.bed.path("out"));
    let alert = "the setting stats_file needs HAProxy 3.0 or later";
    assert!(taken != said.contains(alert) && !said.contains("WARNING"), "{said}");
    // One line, and not one more for each server.
    assert!(taken || said.matches("ALERT").count() == 2, "{said}");
}

fn sorted<'a>(words: &[&'a str]) -> Vec<&'a str> {
    let mut words = words.to_vec();
    words.sort_unstable();
    words
}

#[test]
fn the_template_in_the_manual_passes_the_check() {
    if !is_there() {
        return;
    }
    let manual = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
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
fn haproxy_reports_the_same_without_the_systems_certificates() {
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
        // 2.6 rejects it, later versions only warn.
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
