//! The files of `examples/`: each is rendered as it is, and HAProxy accepts it without a warning.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;

use support::haproxy::{check, is_there};
use support::{Bed, SHIPPED, names};

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");

/// A file, the tags of its nodes, and what the rendered text then has.
type Example = (&'static str, &'static [(&'static str, &'static str)], &'static str);

const NODES: [Example; 7] = [
    ("lab.cfg.tera", &[("role", "backend")], "\nlisten web\n    bind :80\n    server s1 "),
    ("services.yaml", &[("service", "api")], "\nbackend api\n"),
    ("patroni.yaml", &[("service", "postgres"), ("port", "5432")], "\nbackend primary\n"),
    ("redis.yaml", &[("service", "redis"), ("port", "6379")], "tcp-check expect string role:slave\n"),
    ("passthrough.yaml", &[("service", "mail"), ("port", "443")], "\nfrontend tcp:customers\n"),
    ("canary.yaml", &[("service", "shop"), ("version", "v2")], "\nbackend shop.v2\n"),
    ("shards.cfg.tera", &[("role", "backend"), ("shard", "7")], "\nbackend shard-7\n    server s1 "),
];

#[test]
fn every_example_is_accepted_without_a_warning() {
    if !is_there() {
        return;
    }
    let all: Vec<&str> = NODES.iter().map(|(name, _, _)| *name).collect();
    let mut there = names(Path::new(EXAMPLES));
    there.retain(|name| !all.contains(&&**name));
    assert!(there.is_empty(), "{there:?} have no test");
    for (name, tags, wanted) in &NODES {
        let text = fs::read_to_string(format!("{EXAMPLES}/{name}")).unwrap();
        for nodes in [0, 1, 3] {
            let rendered = render(name, &text, tags, nodes);
            assert!(nodes == 0 || rendered.contains(wanted), "{name}: {rendered}");
            let servers = rendered.lines().filter(|line| line.starts_with("    server s")).count();
            assert!(servers >= nodes, "{name}: {rendered}");
        }
    }
}

/// Renders an example with some nodes, and asserts that HAProxy accepts it.
fn render(name: &str, text: &str, tags: &[(&str, &str)], nodes: usize) -> String {
    let bed = Bed::new(text);
    for number in 1..=nodes {
        bed.node(&format!("s{number}"), &format!("10.0.0.{number}"), tags);
    }
    if name.ends_with(".tera") {
        bed.render(&[]).quietly();
    } else {
        certificate(&bed);
        bed.write("t.tera", &fs::read_to_string(SHIPPED).unwrap());
        let certificates = bed.path("certs").display().to_string();
        bed.write("v.yaml", &text.replace("/etc/haproxy/certs", &certificates));
        bed.render(&["--vars", "v.yaml", "--set", "user=", "--set", "group="]).quietly();
    }
    let (taken, said) = check(&bed.path("out"));
    assert!(taken && !said.contains("WARNING") && !said.contains("ALERT"), "{name}: {said}");
    bed.read("out")
}

/// A certificate and its key in the directory `certs`.
fn certificate(bed: &Bed) {
    fs::create_dir(bed.path("certs")).unwrap();
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]);
    openssl.args(["-keyout", "certs/a.pem.key", "-out", "certs/a.pem", "-subj", "/CN=shop.example.org"]);
    let output = openssl.current_dir(bed.scratch.path()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}
