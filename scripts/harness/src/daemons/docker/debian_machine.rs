//! A Debian machine: a container of docker/machine, whose first process is systemd.

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::spawn;
use std::time::Duration;

use crate::daemons::docker::container::Container;
use crate::daemons::docker::engine::docker;
use crate::run::error::{Error, Result, system};
use crate::run::poll;

/// How long systemd may take until all units have started. On an idle machine it takes two seconds.
const BOOT: Duration = Duration::from_secs(60);

/// A machine with its own systemd, address and files.
#[derive(Debug)]
pub struct Machine {
    /// Its host name.
    pub name: String,
    container: Container,
}

impl Machine {
    /// Starts a machine; `boot` waits for it.
    pub(super) fn start(image: &str, network: &str, name: &str) -> Result<Machine> {
        let id = docker(&[
            "run",
            "-d",
            "--hostname",
            name,
            "--network",
            network,
            "--network-alias",
            name,
            // What systemd needs: see docker/machine/README.md.
            "--cgroupns=private",
            "--cap-add",
            "SYS_ADMIN",
            "--security-opt",
            "seccomp=unconfined",
            "--security-opt",
            "apparmor=unconfined",
            "--tmpfs",
            "/run",
            "--tmpfs",
            "/tmp",
            image,
        ])?;
        Ok(Machine { name: name.to_owned(), container: Container::new(id.trim()) })
    }

    /// Waits until systemd has started everything; an error if a unit failed.
    pub fn boot(&self) -> Result<()> {
        let state = poll::until(BOOT, &format!("{} to boot", self.name), || {
            let state = self.run("systemctl is-system-running || :").unwrap_or_default();
            ["running", "degraded"].into_iter().find(|ended| state.trim() == *ended)
        })?;
        if state == "running" {
            return Ok(());
        }
        let failed = self.run("systemctl --failed --no-legend --plain")?;
        Err(Error::Unfit(format!("a unit of {} failed: {failed}", self.name)))
    }

    /// Stops all services in order, as `systemctl poweroff` does.
    pub fn shut_down(&self) -> Result<()> {
        docker(&["stop", "--time", "60", &self.container.id]).map(drop)
    }

    /// Ends it without any order.
    pub fn cut_power(&self) -> Result<()> {
        self.container.told(&["kill"])
    }

    /// Starts it again, with an empty /run; `boot` waits for it.
    pub fn power_on(&self) -> Result<()> {
        self.container.told(&["start"])
    }

    /// Runs a line of shell as root; returns its stdout.
    pub fn run(&self, line: &str) -> Result<String> {
        self.run_with(line, "")
    }

    /// Like `run`, with this stdin.
    pub fn run_with(&self, line: &str, stdin: &str) -> Result<String> {
        let shown = format!("{}# {line}", self.name);
        let mut command = Command::new("docker");
        command.args(["exec", "-i", &self.container.id, "sh", "-c", line]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(system("run", &shown))?;
        let (pipe, stdin) = (child.stdin.take(), stdin.to_owned());
        // The command may end before it has read everything.
        let writer = spawn(move || pipe.map(|mut pipe| pipe.write_all(stdin.as_bytes())));
        let output = child.wait_with_output().map_err(system("run", &shown))?;
        let _ = writer.join();
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return Ok(stdout);
        }
        let output_text = stdout + &String::from_utf8_lossy(&output.stderr);
        Err(Error::Command {
            command: shown,
            status: output.status.to_string(),
            output: output_text.trim().to_owned(),
        })
    }

    /// Copies a file to it.
    pub fn copy(&self, file: &Path, to: &str) -> Result<()> {
        docker(&["cp", &file.display().to_string(), &format!("{}:{to}", self.container.id)]).map(drop)
    }

    /// Its address, with this port.
    pub fn address(&self, port: u16) -> Result<SocketAddr> {
        let address = self.container.address()?;
        let missing = || Error::Unfit(format!("{} has no address", self.name));
        Ok((address.ok_or_else(missing)?, port).into())
    }

    /// The end of its journal, for a test that fails.
    pub fn journal(&self) -> String {
        self.run("journalctl --no-pager -n 60 -o short-precise").unwrap_or_default()
    }

    pub(super) fn remove(&self) {
        let _ = docker(&["rm", "-f", "-v", &self.container.id]);
    }
}
