//! Any tags in every template that is shipped, or that the manual shows: HAProxy must accept the file, and every member
//! with harmless tags must be in it.
//!
//! FUZZ_ROUNDS is the number of random pools for each template (4 by default), FUZZ_SEED the random seed.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use std::str::FromStr;

use support::dice::Dice;
use support::{Bed, SHIPPED, haproxy};

/// Frames an example that is only a part of a file.
const FRAME: &str = "defaults\n    mode http\n    timeout connect 5s\n    timeout client 30s\n    timeout server 30s\n\
                     frontend other\n    bind 127.0.0.1:8081\n";

/// Values that are wrong in some place, or that mean something to HAProxy or to Tera.
const HOSTILE: &[&str] = &[
    "",
    " ",
    "a b",
    "-1",
    "0",
    "65536",
    "99999999999999999999",
    "1e3",
    "0x50",
    "http",
    "3000 weight 5",
    "80,81",
    "a/b",
    "..",
    "%[src]",
    "${HOME}",
    "$(id)",
    "\"",
    "'",
    "\\",
    "\\x20",
    "#",
    "{{ 1 }}",
    "{% raw %}",
    "é",
    "☃",
    "\u{feff}",
    "a:b",
    "a.b",
    "-",
    "none",
    "true",
    "maint",
    ".if",
    "server",
    "backend x",
    "rollcall-0000000000000000",
    "zone_a",
    "A",
    "3601",
    "1",
    "256",
    "257",
];

/// Names of members that mean something to HAProxy, or to who sorts them.
const NAMES: &[&str] =
    &["server", "0", "00", "a.b", "default-server", "nodes", "BACKEND", "none", "s-1", "s01"];

const KEYS: &[&str] = &[
    "port",
    "zone",
    "check_port",
    "weight",
    "maxconn",
    "backup",
    "state",
    "version",
    "slow",
    "shard",
    "service",
    "peer_port",
    "x-y",
];

/// Values of tags.
trait Values {
    fn hostile(&mut self) -> String;
}

impl Values for Dice {
    /// A value that a record may hold: no control characters.
    fn hostile(&mut self) -> String {
        if self.roll(4) > 0 {
            return self.pick(HOSTILE).to_owned();
        }
        let ranges = [0x5f, 0x7ff, 0xffff, 0x10_ffff];
        let mut character = || {
            let range = ranges[self.roll(ranges.len())];
            char::from_u32(0x20 + self.roll(range) as u32).filter(|c| !c.is_control()).unwrap_or('"')
        };
        (0..12).map(|_| character()).collect()
    }
}

fn setting<T: FromStr>(name: &str, default: T) -> T {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// A pool of 1 to 30 members. Returns the harmless ones; the first one is always harmless.
fn fill(bed: &Bed, dice: &mut Dice) -> Vec<String> {
    let mut harmless = Vec::new();
    bed.node("lb1", "10.9.0.1", &[("role", "balancer"), ("port", "3000"), ("zone", "a")]);
    for number in 0..=dice.roll(30) {
        let name = match dice.roll(4) {
            0 if number > 0 => format!("{}.{number}", dice.pick(NAMES)),
            _ => format!("s{number}"),
        };
        let is_harmless = number == 0 || dice.roll(2) == 0;
        let mut tags: Vec<(&str, String)> = vec![("role", "backend".to_owned())];
        if is_harmless {
            let zone = if number == 0 { "a" } else { dice.pick(&["a", "b", "a.b"]) };
            tags.extend([("port", (1 + dice.roll(65_535)).to_string()), ("zone", zone.to_owned())]);
            tags.extend([("check_port", "3000".to_owned()), ("version", "1.2-rc1".to_owned())]);
            tags.push(("shard", dice.roll(10).to_string()));
            harmless.push(name.clone());
        } else {
            tags.extend(
                KEYS.iter()
                    .filter(|_| dice.roll(3) == 0)
                    .map(|key| (*key, String::new()))
                    .collect::<Vec<_>>(),
            );
            tags.iter_mut().skip(1).for_each(|(_, value)| *value = dice.hostile());
        }
        let tags: Vec<(&str, &str)> = tags.iter().map(|(key, value)| (*key, value.as_str())).collect();
        let address = if number % 3 == 0 { format!("fd00::{number:x}") } else { format!("10.0.0.{number}") };
        bed.node(&name, &address, &tags);
    }
    harmless
}

/// The examples in a document that begin with ```jinja.
fn examples(document: &str) -> Vec<String> {
    let path = format!("{}/{document}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    let blocks = text.split("```jinja\n").skip(1).map(|after| after.split_once("```").unwrap().0);
    let whole =
        |block: &str| if block.starts_with("defaults") { block.to_owned() } else { [FRAME, block].concat() };
    blocks.map(whole).collect()
}

/// Renders random pools, and checks the results.
fn throw_at(template: &str, settings: &[&str]) {
    if !haproxy::is_there() {
        return;
    }
    let (rounds, seed) = (setting("FUZZ_ROUNDS", 4), setting("FUZZ_SEED", 1));
    let check = format!("{} -c -f {{}}", haproxy::program());
    for round in 0..rounds {
        let bed = Bed::new(template);
        let harmless = fill(&bed, &mut Dice(seed + round));
        let ran = bed.render(&[&["--check", &check][..], settings].concat());
        let context = format!("FUZZ_SEED={} FUZZ_ROUNDS=1: {}\n{template}", seed + round, ran.err);
        assert!(matches!(ran.code, Some(0 | 3)), "{context}");
        let text = bed.read("out");
        for name in harmless {
            let server = format!("server {name} ");
            assert!(text.lines().any(|line| line.trim_start().starts_with(&server)), "{name} {context}");
        }
        let again = bed.render(&[&["--check", &check][..], settings].concat());
        assert_eq!(
            (again.code, bed.read("out")),
            (ran.code, text),
            "a second run changes nothing: {context}"
        );
    }
}

#[test]
fn the_shipped_template_survives_any_tag() {
    let template = std::fs::read_to_string(SHIPPED).unwrap();
    throw_at(&template, &["--set", "user=", "--set", "group=", "--set", "self=lb1"]);
}

#[test]
fn the_services_of_the_shipped_template_survive_any_tag() {
    let template = std::fs::read_to_string(SHIPPED).unwrap();
    let vars = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/templates/services.yaml");
    let settings =
        ["--vars", vars, "--set", "user=", "--set", "group=", "--set", "self=lb1", "--set", "zone=a"];
    throw_at(&template, &settings);
}

#[test]
fn every_example_survives_any_tag() {
    for name in ["lab", "shards"] {
        let path = format!("{}/examples/{name}.cfg.tera", env!("CARGO_MANIFEST_DIR"));
        throw_at(&std::fs::read_to_string(path).unwrap(), &[]);
    }
}

#[test]
fn every_example_in_the_manual_survives_any_tag() {
    let examples = [examples("README.md"), examples("../docs/scale.md")].concat();
    assert_eq!(examples.len(), 4, "an example was added, or is not found");
    examples.iter().for_each(|example| throw_at(example, &[]));
}

#[test]
fn a_template_that_judges_no_tag_survives_any_tag() {
    for name in ["zone", "number"] {
        let path = format!("{}/tests/templates/{name}.tera", env!("CARGO_MANIFEST_DIR"));
        throw_at(&std::fs::read_to_string(path).unwrap(), &[]);
    }
}
