//! A daemon of a run: started in the foreground with its output in a file, and stopped when it is dropped.
//!
//! Each daemon leads its own process group, so Ctrl-C on a terminal reaches only the run, which then stops its
//! daemons in the right order.

use std::fs::{self, File, OpenOptions};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};

use crate::run::error::{Error, Result, system};
use crate::run::guardian::Run;
use crate::run::process::{id, shown};

const PAUSE: Duration = Duration::from_millis(10);

/// A process that runs until it is stopped. When dropped, it gets SIGTERM, time to end, then SIGKILL.
#[derive(Debug)]
pub struct Daemon {
    name: String,
    child: Child,
    log: PathBuf,
    patience: Duration,
}

impl Daemon {
    /// Starts `command` with stdout and stderr appended to `NAME.log` in the run's directory.
    pub fn start(run: &Run, name: &str, mut command: Command) -> Result<Daemon> {
        let log = run.join(&format!("{name}.log"));
        let output = append(&log)?;
        let errors = output.try_clone().map_err(system("open", log.display()))?;
        run.adopt(&mut command).stdin(Stdio::null()).stdout(output).stderr(errors).process_group(0);
        let child = command.spawn().map_err(system("run", shown(&command)))?;
        Ok(Daemon { name: name.to_owned(), child, log, patience: Duration::from_secs(8) })
    }

    /// Sets how long it may take to end after SIGTERM; 8 s by default.
    pub fn with_patience(mut self, patience: Duration) -> Daemon {
        self.patience = patience;
        self
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its output so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// The path of its output.
    pub fn log_path(&self) -> &Path {
        &self.log
    }

    /// True while it has not ended.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Returns an error with the end of its output if it has ended. Used while waiting until it is ready.
    pub fn check(&mut self) -> Result<()> {
        match self.child.try_wait() {
            Ok(Some(status)) => Err(self.ended(status)),
            _ => Ok(()),
        }
    }

    /// Sends a signal to the process, not to its group. If it has ended, nothing happens.
    pub fn signal(&mut self, signal: Signal) {
        if self.is_running() {
            // It may have just ended. It is not reaped yet, so no other process has its id.
            let _ = kill(id(self.child.id()), signal);
        }
    }

    /// Waits for its end.
    pub fn wait(&mut self, within: Duration) -> Result<ExitStatus> {
        // Not poll::until: even an interrupted run must wait for its daemons.
        let deadline = Instant::now() + within;
        loop {
            match self.child.try_wait().map_err(system("wait for", &self.name))? {
                Some(status) => return Ok(status),
                None if Instant::now() < deadline => sleep(PAUSE),
                None => return Err(Error::Late { what: format!("the end of {}", self.name), within }),
            }
        }
    }

    /// Sends SIGTERM and waits. If that is not enough, it sends SIGKILL and returns `Late`.
    pub fn stop(&mut self) -> Result<ExitStatus> {
        self.signal(Signal::SIGTERM);
        self.wait(self.patience).inspect_err(|_| self.kill9())
    }

    /// Sends SIGKILL and waits for its end.
    pub fn kill9(&mut self) {
        // Fails only if it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn ended(&self, status: ExitStatus) -> Error {
        let log = self.log();
        let start = log.trim_end().rmatch_indices('\n').nth(9).map_or(0, |(at, _)| at + 1);
        let tail = log[start..].to_owned();
        Error::Ended { name: self.name.clone(), status: status.to_string(), log: self.log.clone(), tail }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // If SIGTERM fails, SIGKILL follows.
        let _ = self.stop();
    }
}

fn append(path: &Path) -> Result<File> {
    OpenOptions::new().append(true).create(true).open(path).map_err(system("open", path.display()))
}
