//! The fixture of a test of reload-haproxy: a configuration file, a HAProxy that runs it in any of its modes, and
//! runs of reload-haproxy on them.
//!
//! `$HAPROXY` names another HAProxy than the installed one.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use common::replace::replace;

use crate::cluster::single_haproxy::outcome::{Outcome, finish};
use crate::cluster::single_haproxy::tested_haproxy::program;
use crate::daemons::haproxy::{Haproxy, Mode};
use crate::network::subnet::Subnet;
use crate::run::Run;
use crate::run::programs;

/// The modes in which HAProxy can be reloaded.
pub const MODES: [Mode; 3] = [Mode::MasterSocket, Mode::MasterWorker, Mode::Classic];

/// A configuration file, and possibly a HAProxy that runs it.
#[derive(Debug)]
pub struct HaproxyFixture {
    /// The HAProxy that runs the file.
    pub haproxy: Option<Haproxy>,
    /// The addresses that the test uses.
    pub subnet: Subnet,
    /// The run, whose directory holds all files.
    pub run: Run,
}

/// A line for `global` that sets the file's revision to `number`.
pub fn revision(number: u32) -> String {
    format!("description rollcall-{number:016x}")
}

impl HaproxyFixture {
    /// A fixture whose file has the first revision, and a HAProxy that runs it.
    pub fn running(mode: Mode) -> HaproxyFixture {
        let mut fixture = HaproxyFixture::empty();
        fixture.write(&revision(1), "");
        fixture.start(mode);
        fixture
    }

    /// A fixture without a file.
    pub fn empty() -> HaproxyFixture {
        HaproxyFixture { haproxy: None, subnet: Subnet::claim().unwrap(), run: Run::new().unwrap() }
    }

    /// Starts a HAProxy on the file, and waits until its socket answers.
    pub fn start(&mut self, mode: Mode) {
        let admin = self.run.join("admin.sock");
        self.haproxy = Some(self.start_program(&program(), "haproxy", mode, Some(&admin)));
    }

    /// Like `start`, with another program, under another name, or without a socket in the file.
    pub fn start_program(&self, program: &Path, name: &str, mode: Mode, admin: Option<&Path>) -> Haproxy {
        Haproxy::start_program(program, &self.run, name, &self.config(), mode, admin).unwrap()
    }

    /// The configuration file.
    pub fn config(&self) -> PathBuf {
        self.run.join("haproxy.cfg")
    }

    /// The address of the frontend.
    pub fn front(&self) -> SocketAddr {
        SocketAddr::new(self.subnet.host(1).into(), 8080)
    }

    /// Replaces the file by one with these lines in `global` and the frontend. The log tag depends on the lines,
    /// because a new revision alone is not a change.
    pub fn write(&self, global: &str, frontend: &str) {
        let tag: String = global.chars().take_while(|c| *c != '\n').filter(char::is_ascii_hexdigit).collect();
        let text = format!(
            "global\n  stats socket {} mode 660 level admin expose-fd listeners\n  hard-stop-after 5s\n  \
             log-tag x{tag}\n  {global}\n\
             defaults\n  mode http\n  timeout client 5s\n  timeout server 5s\n  timeout connect 1s\n  \
             option idle-close-on-response\n\
             frontend web\n  bind {}\n  http-request return status 200\n  {frontend}\n",
            self.run.join("admin.sock").display(),
            self.front(),
        );
        replace(&self.config(), text.as_bytes(), 0o644).unwrap();
    }

    /// Replaces the file by one without a socket for HAProxy. Its frontend is at this host of the subnet.
    pub fn write_without_socket(&self, host: u8, frontend: &str) {
        let text = format!(
            "defaults\n  mode http\n  timeout client 5s\n  timeout server 5s\n  timeout connect 5s\n\
             frontend web\n  bind {}:8080\n  http-request return status 200\n  {frontend}\n",
            self.subnet.host(host)
        );
        replace(&self.config(), text.as_bytes(), 0o644).unwrap();
    }

    /// Writes a shell script into the run's directory. A separate process writes it: otherwise a process that another
    /// test forks meanwhile would hold the file open, and the kernel does not execute a file that is open for
    /// writing.
    pub fn script(&self, name: &str, text: &str) -> PathBuf {
        let path = self.run.join(name);
        let write = "printf '#!/bin/sh\n%s\n' \"$1\" >\"$2\" && chmod 755 \"$2\"";
        let status = Command::new("sh").args(["-c", write, "sh", text]).arg(&path).status().unwrap();
        assert!(status.success(), "cannot write '{}'", path.display());
        path
    }

    /// A run of reload-haproxy.
    pub fn command(&self, arguments: &[&str]) -> Command {
        self.command_with(&program(), arguments)
    }

    /// Like `command`, with another program for the check.
    pub fn command_with(&self, haproxy: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(programs::bin_dir().unwrap().join("reload-haproxy"));
        command.arg("--config").arg(self.config()).arg("--state-dir").arg(self.run.join("state"));
        command.arg("--haproxy").arg(haproxy).arg("-v").args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        self.run.adopt(&mut command);
        command
    }

    /// Starts a run of reload-haproxy.
    pub fn start_reload(&self, arguments: &[&str]) -> Child {
        self.command(arguments).spawn().unwrap()
    }

    /// Runs reload-haproxy to its end.
    pub fn reload(&self, arguments: &[&str]) -> Outcome {
        finish(self.start_reload(arguments))
    }

    /// The HAProxy.
    pub fn haproxy(&self) -> &Haproxy {
        self.haproxy.as_ref().unwrap()
    }

    /// The process that serves requests.
    pub fn worker(&self) -> u32 {
        self.haproxy().worker_pid().unwrap()
    }

    /// The description in the running configuration, as a line for `global`.
    pub fn description(&self) -> String {
        format!("description {}", self.haproxy().description().unwrap())
    }
}

/// For each mode in which HAProxy can be reloaded: the mode, a fixture and the worker's process id.
pub fn every_mode() -> impl Iterator<Item = (Mode, HaproxyFixture, u32)> {
    MODES.into_iter().map(|mode| {
        let fixture = HaproxyFixture::running(mode);
        let worker = fixture.worker();
        (mode, fixture, worker)
    })
}
