//! The scripts in a directory of their own, without a Serf agent and a running HAProxy: for tests of
//! settings, of unusual paths and of missing tools.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::replace::replace;

use crate::run::error::{Result, system};
use crate::run::programs;

/// A template for which HAProxy needs nothing; its value is shown as `description`.
const TEMPLATE: &str = "global
    description {{ vars.note }}
frontend f
    mode http
    timeout client 1s
    bind 127.0.0.1:1
";
/// The shipped scripts.
const SCRIPTS: [&str; 11] = [
    "scripts/reconcile",
    "scripts/serf-handler",
    "scripts/watch",
    "scripts/settings.sh",
    "scripts/lock.sh",
    "scripts/ask-members.sh",
    "scripts/consul-handler",
    "scripts/consul-members",
    "scripts/report.sh",
    "scripts/check.cfg",
    "docker/ha/lib/first-config",
];
/// The variables that name a path, and the path within the directory.
const PATHS: [(&str, &str); 5] = [
    ("NODES_DIR", "nodes"),
    ("ROLLCALL_TEMPLATE", "template"),
    ("ROLLCALL_CONFIG", "h.cfg"),
    ("ROLLCALL_STATE_DIR", "state"),
    ("ROLLCALL_LOG", "log"),
];

/// The directory; it is removed when this is dropped.
#[derive(Debug)]
pub struct LoneScripts {
    root: PathBuf,
    _scratch: tempfile::TempDir,
}

impl LoneScripts {
    /// Copies the scripts into a directory of this name.
    pub fn new(name: &str) -> Result<LoneScripts> {
        let scratch = tempfile::tempdir().map_err(system("make", "a directory"))?;
        let root = scratch.path().join(name);
        for part in ["nodes", "path", "scripts"] {
            fs::create_dir_all(root.join(part)).map_err(system("make", root.display()))?;
        }
        for script in SCRIPTS.map(programs::shipped) {
            let to = root.join("scripts").join(script.file_name().unwrap_or_default());
            programs::copy(&script, &to)?;
        }
        let template = root.join("template");
        replace(&template, TEMPLATE.as_bytes(), 0o600).map_err(system("write", template.display()))?;
        Ok(LoneScripts { root, _scratch: scratch })
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Makes a `PATH` that has only these tools.
    pub fn tools<'t>(&self, tools: impl IntoIterator<Item = &'t str>) -> Result<PathBuf> {
        let path = self.root.join("path");
        let made = fs::remove_dir_all(&path).and_then(|()| fs::create_dir(&path));
        made.map_err(system("make", path.display()))?;
        for tool in tools {
            symlink(programs::find(tool)?, path.join(tool)).map_err(system("link", tool))?;
        }
        Ok(path)
    }

    /// A script with all its files in the directory. No Serf agent answers it.
    pub fn script(&self, name: &str) -> Result<Command> {
        let mut command = Command::new(self.root.join("scripts").join(name));
        command.envs(PATHS.map(|(key, part)| (key, self.root.join(part))));
        command.env("ROLLCALL_BIN", programs::bin_dir()?).env("ROLLCALL_SET", "note=one");
        command.env("SERF_RPC_ADDR", "127.0.0.1:9").stdin(Stdio::null());
        Ok(command)
    }

    /// The log.
    pub fn log(&self) -> String {
        fs::read_to_string(self.root.join("log")).unwrap_or_default()
    }

    /// The log, which is removed.
    pub fn take_log(&self) -> String {
        let log = self.log();
        // Without a log there is nothing to remove.
        let _ = fs::remove_file(self.root.join("log"));
        log
    }

    /// The rendered configuration.
    pub fn config(&self) -> String {
        fs::read_to_string(self.root.join("h.cfg")).unwrap_or_default()
    }
}
