//! Shared by the tests: a nodes directory, the program set to use it, and its input.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use assert_cmd::Command;
use common::node::{Node, Tags};
use common::nodes_directory::NodesDir;
use tempfile::TempDir;

/// A nodes directory with records, and the program set to use it.
pub struct Fixture {
    pub scratch: TempDir,
}

impl Fixture {
    pub fn with(nodes: &[(&str, &str)]) -> Fixture {
        let fixture = Fixture { scratch: tempfile::tempdir().unwrap() };
        let mut dir = NodesDir::lock(&fixture.nodes(), Duration::from_secs(10)).unwrap();
        for (name, role) in nodes {
            let tags = Tags::from([("role".to_owned(), (*role).to_owned())]);
            dir.put(&Node::new(name, &address(name), tags).unwrap()).unwrap();
        }
        assert!(dir.finish().is_empty());
        fixture
    }

    pub fn nodes(&self) -> PathBuf {
        self.scratch.path().join("nodes")
    }

    pub fn leave(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_member-leave"));
        command.env_remove("SERF_EVENT").env("NODES_DIR", self.nodes()).args(arguments);
        command
    }

    pub fn records(&self) -> Vec<String> {
        let entries = fs::read_dir(self.nodes()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// The nodes that have a record.
    pub fn names(&self) -> String {
        let records = self.records();
        let names: Vec<&str> = records.iter().filter_map(|name| name.strip_suffix(".json")).collect();
        names.join(" ")
    }
}

pub const BACKENDS: [(&str, &str); 3] = [("s1", "backend"), ("s2", "backend"), ("s3", "backend")];
pub const LIST: [&str; 2] = ["--from", "serf-members"];

/// The address of a node: 10.0.0.1 for s1, 10.0.0.9 for a name without a number.
pub fn address(name: &str) -> String {
    let number: String = name.chars().filter(char::is_ascii_digit).collect();
    format!("10.0.0.{}", if number.is_empty() { "9" } else { &number })
}

/// The output of `serf members -format=json` for these members: name, role, status.
pub fn list(members: &[(&str, &str, &str)]) -> String {
    let entries: Vec<String> = members
        .iter()
        .map(|(name, role, status)| {
            let address = address(name);
            format!(
                r#"{{"name":"{name}","addr":"{address}:7946","tags":{{"role":"{role}"}},"status":"{status}"}}"#
            )
        })
        .collect();
    format!(r#"{{"members":[{}]}}"#, entries.join(","))
}

pub fn captured(name: &str) -> Vec<u8> {
    fs::read(format!("{}/../common/tests/fixtures/serf/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}
