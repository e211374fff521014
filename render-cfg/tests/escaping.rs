//! Hostile values, read back from a real HAProxy: each is one argument, and unchanged.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use support::{Bed, Ran, haproxy};

/// Every value without quotes, in double quotes, and in a comment, which it must not end.
const READ_BACK: &str = "\
global
    stats socket {{ vars.socket }} level admin
{%- for name, value in vars %}
    # {{ value }}
    {#- setenv itself refuses an empty value. #}
    setenv PLAIN_{{ name }} {% if value %}{{ value }}{% else %}empty{% endif %}
    setenv QUOTED_{{ name }} \"<{{ value }}>\"
{%- endfor %}
defaults
    timeout client 1s
    timeout server 1s
    timeout connect 1s
frontend unused
    bind {{ vars.bind }}
";

const HOSTILE: &[&str] = &[
    "",
    " ",
    "a b",
    "a  b ",
    "\"",
    "'",
    "\"; server evil 10.6.6.6:80 #",
    "x\nserver evil 10.6.6.6:80",
    "x\r\nserver evil 10.6.6.6:80",
    "# no comment",
    "$HOME",
    "${HOME}",
    "${HOME-none}",
    "$(id)",
    "%[env(HOME)]",
    "%%",
    "\\",
    "\\x20",
    "a\\",
    "\\\"",
    "é ☃ 𝄞",
    "\u{feff}\u{202e}",
    ".if true",
    "a,b;c|d&e<f>g(h)[i]{j}!k*l?m^n`o",
];

/// A text from a seed, with UTF-8 characters of all lengths.
fn random_text(seed: u64) -> String {
    let numbers = RandomState::new();
    let length = seed % 40;
    let character = |at| {
        let number = numbers.hash_one((seed, at));
        let range = [0x7f, 0x7ff, 0xffff, 0x10_ffff][(number % 4) as usize];
        char::from_u32((number >> 8) as u32 % range).filter(|c| *c != '\0').unwrap_or('"')
    };
    (0..length).map(character).collect()
}

#[test]
fn every_value_is_read_back_unchanged() {
    if !haproxy::is_there() {
        return;
    }
    let single = (1..=127u8).map(|byte| char::from(byte).to_string());
    let framed = (1..=0x24ff).filter_map(char::from_u32).step_by(7).map(|c| format!("a{c}b"));
    let hostile = HOSTILE.iter().map(|text| (*text).to_owned());
    let values: Vec<String> = single.chain(framed).chain(hostile).chain((0..200).map(random_text)).collect();
    let bed = Bed::new(READ_BACK);
    let socket = bed.path("socket");
    let mut command = bed.command(&["--output", "out"]);
    command.args(["--set", &format!("socket={}", socket.display())]);
    command.args(["--set", &format!("bind={}", haproxy::free_address())]);
    for (number, value) in values.iter().enumerate() {
        command.arg("--set").arg(format!("v{number}={value}"));
    }
    Ran::from(command.output().unwrap()).quietly();
    let (taken, said) = haproxy::check(&bed.path("out"));
    assert!(taken, "{said}");
    let running = haproxy::HaProxy::start(&bed.path("out"), &socket);
    for (number, value) in values.iter().enumerate() {
        let plain = if value.is_empty() { "empty".to_owned() } else { value.clone() };
        for (variable, wanted) in
            [(format!("PLAIN_v{number}"), plain), (format!("QUOTED_v{number}"), format!("<{value}>"))]
        {
            let shown = running.ask(&format!("show env {variable}"));
            let wanted = format!("{variable}={wanted}\n");
            assert!(shown.starts_with(wanted.as_bytes()), "{value:?}: {}", String::from_utf8_lossy(&shown));
        }
    }
}

#[test]
fn a_value_in_a_log_format_is_unchanged_with_the_filter() {
    if !haproxy::is_there() {
        return;
    }
    let bed = Bed::new(
        "global\n    stats socket {{ vars.socket }}\n\
         defaults\n    mode http\n    timeout client 5s\n    timeout server 1s\n    timeout connect 1s\n\
         frontend f\n    bind {{ vars.bind }}\n\
         \x20   http-request return status 200 content-type text/plain lf-string \"{{ vars.text | logformat }}\"\n",
    );
    let text = "100% %[env(HOME)] %ci $HOME \"quoted\" \\ {a} #";
    let address = haproxy::free_address();
    let socket = bed.path("socket");
    let settings =
        [format!("socket={}", socket.display()), format!("bind={address}"), format!("text={text}")];
    let settings: Vec<&str> = settings.iter().flat_map(|setting| ["--set", setting]).collect();
    bed.render(&settings).quietly();
    let _running = haproxy::HaProxy::start(&bed.path("out"), &socket);
    let answer = haproxy::request(address, "GET", "/", "").unwrap();
    assert_eq!(answer.split_once("\r\n\r\n").unwrap().1, text);
}

#[test]
fn no_tag_can_add_a_line_to_the_shipped_template() {
    let bed = Bed::new(&std::fs::read_to_string(support::SHIPPED).unwrap());
    for (balancer, address) in [("lb1", "10.0.0.3"), ("lb2", "10.0.0.4")] {
        bed.node(balancer, address, &[("role", "balancer")]);
    }
    let calm = bed.run(&["--set", "self=lb1"]).quietly();
    for (number, value) in HOSTILE.iter().filter(|value| !value.contains(char::is_control)).enumerate() {
        for tag in ["port", "weight", "maxconn", "backup", "state"] {
            bed.node(&format!("s{number}-{tag}"), "10.0.0.1", &[("role", "backend"), (tag, value)]);
        }
        bed.node(&format!("b{number}"), "10.0.0.2", &[("role", "balancer"), ("peer_port", value)]);
    }
    let ran = bed.run(&["--set", "self=lb1"]).ends(3);
    let lines = |text: &str| -> Vec<String> {
        text.lines()
            .map(str::trim)
            .filter(|line| !line.starts_with('#') && !line.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let (calm, hostile) = (lines(&calm), lines(&ran.out));
    let differs = |(a, b): &(&String, &String)| a != b && !a.starts_with("description ");
    assert_eq!(calm.len(), hostile.len(), "{}", ran.out);
    assert_eq!(calm.iter().zip(&hostile).find(differs), None);
    for (name, tag) in [("s0-port", "port"), ("b0", "peer_port")] {
        let comment = format!("    # {name} is left out: its tag '{tag}' is '', not 1 to 65535\n");
        assert!(ran.out.contains(&comment), "{}", ran.out);
    }
}
