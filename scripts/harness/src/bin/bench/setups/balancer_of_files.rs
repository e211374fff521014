//! A HAProxy with a large map or many certificates, and runs of reload-haproxy on it.
//!
//! `$HAPROXY` names another HAProxy than the installed one. `$ROLLCALL_BASE` names a reload-haproxy of an earlier
//! state, with which this one is compared.

use std::cell::Cell;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use common::replace::replace;
use harness::cluster::single_haproxy::{HaproxyFixture, program};
use harness::daemons::haproxy::{Mode, ask};
use harness::daemons::tls::{Authority, Issued};
use harness::run::programs;
use harness::{Error, Result};

use crate::results::timed_run::{TimedRun, system};

/// After this, reload-haproxy relies on the times of a file.
const SETTLED: Duration = Duration::from_millis(300);

/// The balancer.
pub struct BalancerOfFiles {
    fixture: HaproxyFixture,
}

impl BalancerOfFiles {
    /// A HAProxy that answers from a map with this text.
    pub fn with_map(text: &str) -> Result<BalancerOfFiles> {
        let fixture = HaproxyFixture::empty();
        fixture.write_file("hosts.map", text);
        fixture.write_rules(&[
            "http-request return status 200 content-type text/plain lf-string %[path,map_str(DIR/hosts.map,none)]",
        ]);
        BalancerOfFiles { fixture }.started()
    }

    /// A HAProxy with a directory of this many certificates, those of `issued` again and again.
    pub fn with_certificates(count: usize, issued: &[Issued]) -> Result<BalancerOfFiles> {
        let fixture = HaproxyFixture::empty();
        let directory = fixture.file("certs");
        fs::create_dir(&directory).map_err(system("make", &directory))?;
        for (number, issued) in issued.iter().cycle().take(count).enumerate() {
            fixture.write_file(&certificate(number), issued.pem());
        }
        let bind = format!("bind {}:8443 ssl crt DIR/certs", fixture.subnet.host(1));
        fixture.write_rules(&[&bind, "http-request return status 200"]);
        BalancerOfFiles { fixture }.started()
    }

    fn started(mut self) -> Result<BalancerOfFiles> {
        self.fixture.start(Mode::MasterSocket);
        self.settle()?;
        Ok(self)
    }

    /// Waits until the files are old enough, and has reload-haproxy read them.
    pub fn settle(&self) -> Result<()> {
        thread::sleep(SETTLED);
        self.run(&[])?;
        self.run(&[]).map(drop)
    }

    /// Replaces a file.
    pub fn put(&self, name: &str, text: &str) -> Result<()> {
        let path = self.path(name);
        replace(&path, text.as_bytes(), 0o644).map_err(system("write", &path))
    }

    /// The path of a file.
    pub fn path(&self, name: &str) -> PathBuf {
        self.fixture.file(name)
    }

    /// How long reload-haproxy takes with these arguments.
    pub fn run(&self, arguments: &[&str]) -> Result<Duration> {
        self.run_of(&programs::bin_dir()?.join("reload-haproxy"), "state", arguments)
    }

    /// How long another reload-haproxy takes with nothing to do. It has a state of its own.
    pub fn run_base(&self, base: &Path) -> Result<Duration> {
        self.run_of(base, "base-state", &[])
    }

    fn run_of(&self, reload_haproxy: &Path, state: &str, arguments: &[&str]) -> Result<Duration> {
        let mut command = Command::new(reload_haproxy);
        command.arg("--config").arg(self.fixture.config()).arg("--state-dir").arg(self.fixture.file(state));
        command.arg("--haproxy").arg(program()).args(arguments);
        TimedRun::of(command).with(|command| self.fixture.run.adopt(command)).time(None)
    }

    /// How long reload-haproxy takes for changed files, without a reload.
    pub fn change(&self) -> Result<Duration> {
        let worker = self.fixture.haproxy().worker_pid()?;
        let took = self.run(&[])?;
        let is_same = self.fixture.haproxy().worker_pid()? == worker;
        if is_same { Ok(took) } else { Err(Error::Unfit("it was reloaded".to_owned())) }
    }

    /// Removes what reload-haproxy remembers of the host names of certificates.
    pub fn forget_hosts(&self) -> Result<()> {
        let state = self.path("state");
        for entry in fs::read_dir(&state).map_err(system("read", &state))?.flatten() {
            if entry.path().extension().is_some_and(|ending| ending == "hosts") {
                fs::remove_file(entry.path()).map_err(system("remove", &entry.path()))?;
            }
        }
        Ok(())
    }

    /// How long reload-haproxy takes to reload.
    pub fn reload(&self) -> Result<Duration> {
        self.run(&["--force", "--method", "master"])
    }

    /// How long HAProxy takes to answer these lines of commands, one after the other.
    pub fn answers(&self, lines: &[String]) -> Result<Duration> {
        let start = Instant::now();
        lines.iter().try_for_each(|line| self.answer(line).map(drop))?;
        Ok(start.elapsed())
    }

    /// How long HAProxy's master takes to list its processes, which shows whether it is being reloaded.
    pub fn masters_answer(&self) -> Result<Duration> {
        let socket = self.fixture.haproxy().master_socket();
        let socket = socket.ok_or_else(|| Error::Unfit("HAProxy has no master".to_owned()))?;
        let start = Instant::now();
        ask(socket, "show proc").map(|_| start.elapsed())
    }

    /// HAProxy's answer.
    pub fn answer(&self, line: &str) -> Result<String> {
        ask(&self.fixture.file("admin.sock"), line)
    }
}

/// The name of a certificate's file.
pub fn certificate(number: usize) -> String {
    format!("certs/site-{number:05}.pem")
}

/// Issues certificates for as many hosts.
pub fn issue(directory: &Path, count: usize) -> Vec<Issued> {
    let authority = Authority::new(directory);
    (0..count).map(|number| authority.issue(&format!("host-{number}.example"))).collect()
}

/// The reload-haproxy of an earlier state, if there is one to compare with.
pub fn base() -> Option<PathBuf> {
    env::var_os("ROLLCALL_BASE").map(PathBuf::from)
}

/// Counts up, so that each text differs from the one before.
#[derive(Debug, Default)]
pub struct Round(Cell<usize>);

impl Round {
    /// The last number.
    pub fn now(&self) -> usize {
        self.0.get()
    }

    /// The next number.
    pub fn next(&self) -> usize {
        self.0.set(self.0.get() + 1);
        self.0.get()
    }
}
