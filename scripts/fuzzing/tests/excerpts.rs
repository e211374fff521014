//! HAProxy's verdict on the excerpt of a random configuration is its verdict on the whole, if the configuration before
//! it was accepted.
//!
//! FUZZ_PAIRS is the number of pairs (200 by default), FUZZ_SEED the random seed; `$HAPROXY` names another HAProxy than
//! the installed one.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::thread;

use common::replace::replace;
use harness::cluster::single_haproxy::program;
use render_cfg::excerpt::excerpt_from;
use support::{Dice, has_haproxy, setting};

/// After so many changes, one after the other, the next configuration is a simple one again.
const CHANGES: usize = 200;
const PROXIES: [&str; 3] = ["backend a", "backend b", "listen c"];
/// Lines of a proxy that say something about its servers. `{s}` is a server of any proxy.
const FRAME: [&str; 26] = [
    "balance roundrobin",
    "balance leastconn",
    "balance static-rr",
    "balance first",
    "hash-type consistent",
    "cookie C insert indirect nocache",
    "cookie C insert dynamic\n  dynamic-cookie-key k",
    "default-server inter 3s check",
    "default-server weight 7",
    "no option httpchk",
    "option httpchk GET /",
    "option allbackups",
    "option ssl-hello-chk",
    "use-server {s} if { src 10.0.0.1 }",
    "use-server {s} unless FALSE",
    "http-request deny if { nbsrv lt 1 }",
    "http-request set-header x %[nbsrv(b)]",
    "http-request deny if { srv_is_up({s}) }",
    "http-request deny if !{ srv_conn(a/{s}) lt 5 }",
    "server-template t 3 10.1.0.1:80 check",
    "default-server track a/{s}",
    "default-server sni srv_conn({s})",
    "mode log",
    ".if 0\n  backend d\n  .endif",
    "stick-table type ip size 1k expire 1m\n  stick on src",
    "# {s} is left out",
];
/// What follows the address of a server. HAProxy rejects some of them, always or with some frames.
const OPTIONS: [&str; 47] = [
    "",
    "",
    "",
    "",
    "",
    "check",
    "check",
    "check",
    "check inter 2s",
    "check fall 2 rise 3",
    "weight 0",
    "weight 256",
    "maxconn 9",
    "minconn 2 maxconn 9",
    "backup",
    "disabled",
    "cookie c1",
    "cookie c2",
    "id 1",
    "id 2",
    "id 07",
    "id 7",
    "id 0",
    "guid g1",
    "track {s}",
    "track a/{s}",
    "track b/{s} check",
    "ssl verify none",
    "ssl verify none sni srv_conn({s})",
    "ssl verify none sni srv_conn(a/{s})",
    "ssl verify none sni str(x)",
    "ssl verify required",
    "check-ssl verify none check",
    "check port 99999",
    "weight 257",
    "nonsense",
    "send-proxy",
    "proto h2",
    "slowstart 10s",
    "agent-check agent-port 5",
    "agent-check",
    "observe layer7",
    "check observe layer4 on-error mark-down",
    "check observe layer7",
    "rise 0 check",
    "ssl ca-file /nonexistent verify required",
    "redir http://x",
];
const ADDRESSES: [&str; 9] = [
    "10.0.0.1:80",
    "10.0.0.2:80",
    "10.0.0.3:81",
    "[fd00::1]:80",
    "10.0.0.1",
    "10.0.0.1:99999",
    "10.0.0.1:80-90",
    "/run/s.sock",
    "127.0.0.1:0",
];

/// A proxy as it is written. Servers and other lines are in one list, because their order counts.
type Proxy = Vec<String>;

fn server(dice: &mut Dice) -> String {
    let name = format!("s{}", 1 + dice.roll(40));
    let good = dice.roll(3) > 0;
    let address = ADDRESSES[dice.roll(if good { 4 } else { ADDRESSES.len() })];
    let options = fill(OPTIONS[dice.roll(OPTIONS.len())], dice);
    match dice.roll(40) {
        0 => format!("server \"{name}\" {address} {options}"),
        1 => format!("server {name} {address} {options} # why"),
        2 => format!(".if 0\n  server {name} {address} {options}\n  .endif"),
        3 => format!("server\t{name}  {address}\t{options} "),
        _ => format!("server {name} {address} {options}"),
    }
}

fn fill(line: &str, dice: &mut Dice) -> String {
    line.replace("{s}", &format!("s{}", 1 + dice.roll(40)))
}

fn frame_line(dice: &mut Dice) -> String {
    fill(FRAME[dice.roll(FRAME.len())], dice)
}

/// Proxies that HAProxy accepts.
fn simple_proxies() -> Vec<Proxy> {
    let server = |number: usize| format!("server s{number} 10.0.0.{number}:80 check");
    PROXIES.iter().map(|_| (1..=4).map(server).collect()).collect()
}

/// Makes one to three changes, nearly always of servers.
fn change(proxies: &mut [Proxy], dice: &mut Dice) {
    for _ in 0..1 + dice.roll(3) {
        let at = dice.roll(proxies.len());
        let other = dice.roll(proxies.len());
        let lines = proxies[at].len();
        let line = dice.roll(lines.max(1));
        match dice.roll(12) {
            _ if lines == 0 => proxies[at].push(server(dice)),
            0 => proxies[at].insert(line, frame_line(dice)),
            1 | 2 => drop(proxies[at].remove(line)),
            3 => {
                let again = proxies[at][line].clone();
                proxies[at].push(again);
            }
            4 => {
                let moved = proxies[at].remove(line);
                proxies[other].push(moved);
            }
            5 => proxies[at].swap(0, line),
            6 | 7 if proxies[at][line].starts_with("server ") => proxies[at][line] = server(dice),
            _ => proxies[at].insert(line, server(dice)),
        }
    }
}

fn text(proxies: &[Proxy], dice: &mut Dice) -> String {
    let mut text = format!("global\n  description rollcall-{:016x}\n", dice.roll(9));
    text += "defaults\n  mode http\n  timeout connect 1s\n  timeout client 1s\n  timeout server 1s\n";
    text += "frontend f\n  bind 127.0.0.1:80\n  default_backend a\n";
    for (title, proxy) in PROXIES.iter().zip(proxies) {
        text += &format!("{title}\n");
        if title.starts_with("listen") {
            text += "  bind 127.0.0.1:81\n";
        }
        proxy.iter().for_each(|line| text += &format!("  {line}\n"));
    }
    text
}

/// Whether HAProxy accepts a configuration.
fn accepts(directory: &Path, config: &str) -> bool {
    let file = directory.join("haproxy.cfg");
    replace(&file, config.as_bytes(), 0o600).unwrap();
    let spared = concat!(env!("CARGO_MANIFEST_DIR"), "/../check.cfg");
    let mut command = Command::new(program());
    command.env("ROLLCALL_CHECK_CFG", spared).args(["-q", "-c", "-f", spared, "-f"]).arg(file);
    command.output().unwrap().status.success()
}

/// Checks pairs until as many of them have excerpts, and counts what happened.
fn check_pairs(pairs: usize, seed: u64) -> BTreeMap<&'static str, usize> {
    let scratch = tempfile::tempdir().unwrap();
    let accepts = |config: &str| accepts(scratch.path(), config);
    let (mut dice, mut counts) = (Dice(seed), BTreeMap::new());
    let mut count = |what| {
        let number: &mut usize = counts.entry(what).or_default();
        *number += 1;
        *number
    };
    let mut excerpts = 0;
    while excerpts < pairs {
        let mut old = simple_proxies();
        let mut old_text = text(&old, &mut dice);
        for _ in 0..CHANGES {
            let mut new = old.clone();
            change(&mut new, &mut dice);
            let new_text = text(&new, &mut dice);
            let Some(excerpt) = excerpt_from(&old_text, &new_text, 1) else {
                count("checked whole");
                if dice.roll(4) == 0 && accepts(&new_text) {
                    (old, old_text) = (new, new_text);
                }
                continue;
            };
            excerpts += 1;
            match (accepts(&excerpt), accepts(&new_text)) {
                (true, true) => {
                    count("accepted");
                    (old, old_text) = (new, new_text);
                }
                (false, false) => drop(count("refused")),
                (false, true) => drop(count("only the excerpt refused")),
                (true, false) => panic!(
                    "seed {seed}: only the excerpt is accepted:\n{old_text}\n---\n{new_text}\n---\n{excerpt}"
                ),
            }
        }
    }
    counts
}

#[test]
fn no_configuration_is_refused_whose_excerpt_is_accepted() {
    if !has_haproxy() {
        return;
    }
    let (pairs, seed) = (setting("FUZZ_PAIRS", 200_usize), setting("FUZZ_SEED", 1_u64));
    let threads = thread::available_parallelism().map_or(1, usize::from);
    println!("{pairs} pairs from seed {seed} on {}", program().display());
    let counts = thread::scope(|scope| {
        let each = pairs.div_ceil(threads);
        let run = |thread: usize| scope.spawn(move || check_pairs(each, seed + thread as u64 * 1_000_003));
        let threads: Vec<_> = (0..threads).map(run).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    let mut sum: BTreeMap<&str, usize> = BTreeMap::new();
    counts.iter().flatten().for_each(|(what, number)| *sum.entry(what).or_default() += number);
    println!("{sum:?}");
    let of = |what| sum.get(what).copied().unwrap_or_default();
    // Otherwise the generator would show nothing.
    assert!(of("accepted") * 5 > pairs && of("refused") * 20 > pairs, "{sum:?}");
    assert_eq!(of("only the excerpt refused"), 0, "such a change costs two checks");
}
