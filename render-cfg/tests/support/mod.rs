//! Shared by the tests: a nodes directory for the program, and a HAProxy that ends with its test.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

pub mod daemon;
pub mod dice;
pub mod haproxy;
pub mod pool;
pub mod shipped;
pub mod tcp;
pub mod watcher;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use common::node::{Node, Tags};
use common::replace::replace;
use tempfile::TempDir;

/// The template that is shipped.
pub const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/templates/haproxy.cfg.tera");
/// One server line for each node.
pub const SERVERS: &str = "{% for node in nodes %}server {{ node.name }} {{ node.address }}\n{% endfor %}";

/// The exit code and the output of a run.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Ran {
    pub fn from(output: Output) -> Ran {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Asserts the exit code.
    #[track_caller]
    pub fn ends(self, code: i32) -> Ran {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    /// Asserts success with an empty stderr, and returns stdout.
    #[track_caller]
    pub fn quietly(self) -> String {
        let ran = self.ends(0);
        assert_eq!(ran.err, "");
        ran.out
    }
}

/// A directory with nodes, a template and an output.
pub struct Bed {
    pub scratch: TempDir,
}

/// The record of a node without tags.
pub fn record(name: &str, address: &str) -> String {
    String::from_utf8(Node::new(name, address, Tags::new()).unwrap().pack()).unwrap()
}

impl Bed {
    /// With this template.
    pub fn new(template: &str) -> Bed {
        let bed = Bed { scratch: tempfile::tempdir().unwrap() };
        fs::create_dir(bed.path("nodes")).unwrap();
        bed.write("t.tera", template);
        bed
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        replace(&self.path(name), text.as_bytes(), 0o644).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Puts a node's record into the directory.
    pub fn node(&self, name: &str, address: &str, tags: &[(&str, &str)]) {
        let tags: Tags = tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let record = Node::new(name, address, tags).unwrap().pack();
        replace(&self.path(&format!("nodes/{name}.json")), &record, 0o640).unwrap();
    }

    /// The program with this bed's template and nodes.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_render-cfg"));
        command.current_dir(self.scratch.path()).env("NODES_DIR", self.path("nodes"));
        command.args(["--template", "t.tera"]).args(arguments);
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Ran {
        Ran::from(self.command(arguments).output().unwrap())
    }

    /// Renders to the file `out`.
    pub fn render(&self, arguments: &[&str]) -> Ran {
        self.run(&[&["--output", "out"], arguments].concat())
    }

    /// Renders with these settings in `v.yaml`. Asserts that they are refused in one line, with this place and reason,
    /// and that the output is kept.
    pub fn assert_refused(&self, vars: &str, place: &str, reason: &str) {
        self.write("v.yaml", vars);
        self.write("out", "old");
        let err = self.render(&["--vars", "v.yaml"]).ends(2).err;
        let start = format!("render-cfg: cannot use 'v.yaml:{place}': ");
        assert!(err.starts_with(&start) && err.contains(reason) && err.lines().count() == 1, "{vars}: {err}");
        assert_eq!(self.read("out"), "old");
    }

    /// All files beside the output except those of the bed itself.
    pub fn leftovers(&self) -> Vec<String> {
        names(self.scratch.path())
            .into_iter()
            .filter(|name| !["nodes", "t.tera", "out", ".out.lock"].contains(&&**name))
            .collect()
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

/// Waits until `look` returns something, at most 20 seconds.
#[track_caller]
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Reports that a test was skipped; fails in CI.
pub fn skip(why: &str) {
    assert!(std::env::var_os("CI").is_none(), "{why}");
    eprintln!("SKIPPED: {why}");
}

/// Runs a script as root in a new mount namespace, so that its mounts end with it.
pub fn in_own_mounts(bed: &Bed, script: &str) -> Option<Ran> {
    let run = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-euc", script]).current_dir(bed.scratch.path());
        command.env("R", env!("CARGO_BIN_EXE_render-cfg")).env("NODES_DIR", bed.path("nodes")).output()
    };
    match run("mkdir -p mnt && mount -t tmpfs none mnt") {
        Ok(output) if output.status.success() => Some(Ran::from(run(script).unwrap())),
        _ => {
            skip("mounting is not allowed here");
            None
        }
    }
}
