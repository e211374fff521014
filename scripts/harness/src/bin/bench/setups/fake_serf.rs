//! A program `serf` that answers `serf members -format=json` for more members than fit on a machine.
//!
//! Only Serf is not real here: ten thousand agents would need a hundred gigabytes. The output has Serf's exact form,
//! which a test compares with the output of a real agent. It is faster than Serf's program, which takes about 7 ms to
//! ask a real agent for a few members, so every figure measured with it is marked.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use common::node::{Node, Tags};
use common::replace::replace;
use harness::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::results::timed_run::system;

/// The protocol versions that Serf 0.9.4 prints.
const PROTOCOL: Protocol = Protocol { max: 5, min: 2, version: 5 };
const GOSSIP_PORT: u16 = 7946;

/// What `serf members -format=json` prints.
#[derive(Debug, Serialize, Deserialize)]
struct Answer {
    members: Vec<Member>,
}

// The fields are in Serf's order.
#[derive(Debug, Serialize, Deserialize)]
struct Member {
    name: String,
    addr: String,
    port: u16,
    tags: Tags,
    status: String,
    protocol: Protocol,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Protocol {
    max: u8,
    min: u8,
    version: u8,
}

/// The program, in a directory that must be first in its caller's `PATH`.
#[derive(Debug)]
pub struct FakeSerf {
    directory: PathBuf,
}

impl FakeSerf {
    /// Creates a directory and puts the program into it.
    pub fn new(directory: PathBuf) -> Result<FakeSerf> {
        fs::create_dir_all(&directory).map_err(system("make", &directory))?;
        let program = directory.join("serf");
        // A separate process writes it: the kernel does not execute a file that a forked process still holds open for
        // writing.
        let write = "printf '#!/bin/sh\necho >>\"%s\"\nexec cat \"%s\"\n' \"$1/asked\" \"$1/members.json\" >\"$1/serf\"";
        let status = Command::new("sh").args(["-c", write, "sh"]).arg(&directory).status();
        status.map_err(system("write", &program))?;
        fs::set_permissions(&program, Permissions::from_mode(0o755)).map_err(system("write", &program))?;
        let standin = FakeSerf { directory };
        standin.answer([])?;
        Ok(standin)
    }

    /// `PATH` with the program's directory first.
    pub fn path(&self) -> OsString {
        let mut path = self.directory.clone().into_os_string();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        path
    }

    /// Whether it was asked since the last call of this.
    pub fn was_asked(&self) -> bool {
        fs::remove_file(self.directory.join("asked")).is_ok()
    }

    /// Sets the members that it prints from now on, each with its status.
    pub fn answer<'n>(&self, members: impl IntoIterator<Item = (&'n Node, &'n str)>) -> Result<()> {
        let path = self.directory.join("members.json");
        let text = printed(&Answer { members: members.into_iter().map(member).collect() })?;
        replace(&path, text.as_bytes(), 0o600).map_err(system("write", &path))
    }
}

fn member((node, status): (&Node, &str)) -> Member {
    Member {
        name: node.name.clone(),
        addr: SocketAddr::new(node.address, GOSSIP_PORT).to_string(),
        port: GOSSIP_PORT,
        tags: Tags::clone(&node.tags),
        status: status.to_owned(),
        protocol: PROTOCOL,
    }
}

fn printed(answer: &Answer) -> Result<String> {
    if answer.members.is_empty() {
        return Ok("{\n  \"members\": null\n}\n".to_owned());
    }
    let text = serde_json::to_string_pretty(answer).map_err(|err| Error::Unfit(err.to_string()))?;
    Ok(text + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use harness::run::programs;

    #[test]
    fn it_prints_what_serf_prints() {
        for name in ["members", "members-none"] {
            let path = programs::shipped(&format!("common/tests/fixtures/serf/{name}.json"));
            let real = fs::read_to_string(path).unwrap();
            let answer = serde_json::from_str(&real).unwrap_or(Answer { members: Vec::new() });
            assert_eq!(printed(&answer).unwrap(), real);
        }
    }
}
