//! Shared by the tests: a nodes directory, the program set to use it, and its input.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use tempfile::TempDir;

/// A nodes directory, and the program set to use it.
pub struct Fixture {
    pub scratch: TempDir,
}

impl Fixture {
    pub fn new() -> Fixture {
        Fixture { scratch: tempfile::tempdir().unwrap() }
    }

    pub fn nodes(&self) -> PathBuf {
        self.scratch.path().join("nodes")
    }

    pub fn join(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_member-join"));
        command.env_remove("SERF_EVENT").env("NODES_DIR", self.nodes()).args(arguments);
        command
    }

    pub fn records(&self) -> Vec<String> {
        names(&self.nodes())
    }

    pub fn record(&self, name: &str) -> String {
        fs::read_to_string(self.nodes().join(format!("{name}.json"))).unwrap()
    }
}

pub fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

pub fn captured(name: &str) -> Vec<u8> {
    fs::read(format!("{}/../common/tests/fixtures/serf/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

pub const S1: &str = "s1\t172.18.0.3\tbackend\trole=backend,port=3000\n";
