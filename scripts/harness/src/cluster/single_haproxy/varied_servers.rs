//! Files of some hundred servers that differ from each other, and a check that HAProxy has exactly those of the file.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::collections::BTreeSet;
use std::fs;

use crate::cluster::single_haproxy::backend_servers::many;
use crate::cluster::single_haproxy::fixture::HaproxyFixture;
use crate::cluster::single_haproxy::outcome::assert_done;

/// Up to three hundred servers. From one round to the next some are removed or added, and some have another port or
/// weight.
pub fn varied(round: u32) -> String {
    let lines = many(300);
    let lines = lines.lines().enumerate().filter(|(n, _)| *n < 3 || !(n + round as usize).is_multiple_of(3));
    let line = |(n, line): (usize, &str)| match (n + round as usize) % 5 {
        0 => format!("{line} weight {}\n", round % 7 + 2),
        1 => format!("{}\n", line.replace(":9 ", &format!(":{} ", round % 7 + 10))),
        _ => format!("{line}\n"),
    };
    lines.map(line).collect()
}

/// Asserts that the worker has exactly the servers of the file, with their addresses and weights, and that a run
/// reports nothing to do.
#[track_caller]
pub fn assert_settled(fixture: &HaproxyFixture) {
    let file = fs::read_to_string(fixture.config()).unwrap();
    let servers = file.lines().filter(|line| line.starts_with("  server "));
    let wanted: BTreeSet<String> = servers
        .map(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            let weight = words.iter().position(|word| *word == "weight").map_or("1", |at| words[at + 1]);
            format!("{} {} {weight}", words[3], words[4])
        })
        .collect();
    let states = fixture.states().into_values().filter(|state| state["srv_admin_state"] != "1");
    let live: BTreeSet<String> = states
        .map(|state| {
            let [name, address, port, weight] =
                ["srv_name", "srv_addr", "srv_port", "srv_uweight"].map(|column| &state[column]);
            format!("{name} {address}:{port} {weight}")
        })
        .collect();
    assert!(live == wanted, "{:?}", live.symmetric_difference(&wanted).take(5).collect::<Vec<_>>());
    assert_done(&fixture.reload(&[]), "nothing to do");
}
