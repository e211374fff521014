//! The shipped template with rare checks.
//!
//! The servers of a bench do not exist, or are all the same server. HAProxy checks a server that is down five times a
//! second. For ten thousand servers that is fifty thousand checks a second, and their cost would hide everything
//! else. So here each server is checked once a minute. The cost of checks is measured separately (`bench scale`).

use std::fs;
use std::path::PathBuf;

use common::replace::replace;
use harness::run::Run;
use harness::run::programs;
use harness::{Error, Result};

use crate::results::timed_run::system;

/// The checks of the shipped template, and those used here.
const CHECKS: [&str; 2] = ["inter 2s fastinter 100ms downinter 200ms", "inter 1m"];

/// Replacements in the template that turn the one pool into shards.
const SHARDS: [[&str; 2]; 2] = [
    [
        "{%- set services = vars.services | services(nodes=nodes, roles=roles, role=role, port=port, balance=balance, zone=zone, binds=binds) %}",
        "{%- set shards = roles.backend | group_by(attribute=\"tags.shard\") %}\n\
         {%- set services = {\"routes\": none, \"tcp\": [], \"listeners\": [], \"http\": \
         [{\"name\": \"nodes-\" ~ shard, \"service\": \"nodes\", \"servers\": nodes | server(port=port)} \
         for shard, nodes in shards]} %}",
    ],
    ["    default_backend nodes\n", "    use_backend nodes-%[src,djb2,mod({{ vars.shards }})]\n"],
];

/// Writes the template into the run's directory.
pub fn template(run: &Run) -> Result<PathBuf> {
    write(run, |text| replaced(text, CHECKS))
}

/// Like `template`, with a backend for each value of the tag `shard`, as docs/scale.md advises; `--set shards=N` sets
/// how many.
pub fn in_shards(run: &Run) -> Result<PathBuf> {
    write(run, |text| shards(&replaced(text, CHECKS)?))
}

/// The shipped template with shards and its own checks.
pub fn checked_in_shards(run: &Run) -> Result<PathBuf> {
    write(run, shards)
}

fn shards(text: &str) -> Result<String> {
    SHARDS.iter().try_fold(text.to_owned(), |text, pair| replaced(&text, *pair))
}

fn write(run: &Run, change: impl FnOnce(&str) -> Result<String>) -> Result<PathBuf> {
    let (shipped, own) = (programs::shipped("render-cfg/templates/haproxy.cfg.tera"), run.join("template"));
    let text = fs::read_to_string(&shipped).map_err(system("read", &shipped))?;
    replace(&own, change(&text)?.as_bytes(), 0o600).map_err(system("write", &own))?;
    Ok(own)
}

/// The text with one replacement; an error if the old text is missing.
fn replaced(text: &str, [old, new]: [&str; 2]) -> Result<String> {
    if text.contains(old) {
        Ok(text.replacen(old, new, 1))
    } else {
        Err(Error::Unfit(format!("the shipped template has no '{}'", old.trim())))
    }
}
