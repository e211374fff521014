//! The shipped template with rare checks.
//!
//! The servers of a bench do not exist, or are all the same one. HAProxy checks a server that is down five times a
//! second. For ten thousand servers that is fifty thousand checks a second, which would hide everything else. So here
//! they are checked once a minute; the cost of checks is measured apart (`bench scale`).

use std::fs;
use std::path::PathBuf;

use common::replace::replace;
use harness::run::Run;
use harness::run::programs;
use harness::{Error, Result};

use crate::results::timed_run::system;

/// The checks of the shipped template, and those used here.
const CHECKS: [&str; 2] = ["inter 2s fastinter 100ms downinter 200ms", "inter 1m"];

/// What becomes of the one pool where there are shards.
const SHARDS: [[&str; 2]; 4] = [
    ["{%- set servers = (roles[role] or []) | server(port=port) %}\n", ""],
    ["    default_backend nodes\n", "    use_backend nodes-%[src,djb2,mod({{ vars.shards }})]\n"],
    [
        "backend nodes\n",
        "{% for shard, nodes in (roles[role] or []) | group_by(attribute=\"tags.shard\") %}\nbackend nodes-{{ shard }}\n",
    ],
    ["for server in servers %}", "for server in nodes | server(port=port) %}"],
];
/// Where the pool ends.
const AFTER: &str = "\n# Read-only.";

/// Writes it into the run's directory.
pub fn template(run: &Run) -> Result<PathBuf> {
    write(run, |text| replaced(text, CHECKS))
}

/// The same with a backend for each value of the tag `shard`, as docs/scale.md advises; `--set shards=N` sets how many.
pub fn in_shards(run: &Run) -> Result<PathBuf> {
    write(run, |text| shards(&replaced(text, CHECKS)?))
}

/// The shipped template with shards, and checks as they are.
pub fn checked_in_shards(run: &Run) -> Result<PathBuf> {
    write(run, shards)
}

fn shards(text: &str) -> Result<String> {
    let text = SHARDS.iter().try_fold(text.to_owned(), |text, pair| replaced(&text, *pair))?;
    replaced(&text, [AFTER, &format!("{{%- endfor %}}\n{AFTER}")])
}

fn write(run: &Run, change: impl FnOnce(&str) -> Result<String>) -> Result<PathBuf> {
    let (shipped, own) = (programs::shipped("render-cfg/templates/haproxy.cfg.tera"), run.join("template"));
    let text = fs::read_to_string(&shipped).map_err(system("read", &shipped))?;
    replace(&own, change(&text)?.as_bytes(), 0o600).map_err(system("write", &own))?;
    Ok(own)
}

/// The text with one place changed, which has to be there.
fn replaced(text: &str, [old, new]: [&str; 2]) -> Result<String> {
    if text.contains(old) {
        Ok(text.replacen(old, new, 1))
    } else {
        Err(Error::Unfit(format!("the shipped template has no '{}'", old.trim())))
    }
}
