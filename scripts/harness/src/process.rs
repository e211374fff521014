//! A daemon of a run: started in the foreground with its output in a file, and stopped when it goes out of
//! scope.
//!
//! Each is the leader of a process group of its own: Ctrl-C on a terminal reaches the run alone, which then
//! stops its daemons in the right order.

use std::fmt::Display;
use std::fs::{self, File, OpenOptions};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::error::system;
use crate::run::Run;
use crate::{Error, Result, poll};

const PAUSE: Duration = Duration::from_millis(10);
const KILLED: Duration = Duration::from_secs(5);

/// A process that runs until it is stopped. Dropped, it gets SIGTERM, time to end, then SIGKILL.
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

    /// Gives it another time to end after SIGTERM than 8 s.
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

    /// Where its output is.
    pub fn log_path(&self) -> &Path {
        &self.log
    }

    /// True while it has not ended.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// An error with the end of its output if it has ended; for waiting until it is ready.
    pub fn check(&mut self) -> Result<()> {
        match self.child.try_wait() {
            Ok(Some(status)) => Err(self.ended(status)),
            _ => Ok(()),
        }
    }

    /// Sends a signal to it, not to its group. Nothing happens if it has ended.
    pub fn signal(&mut self, signal: Signal) {
        if self.is_running() {
            // It may have ended this instant; it is not reaped yet, so its id is nobody else's.
            let _ = kill(id(self.child.id()), signal);
        }
    }

    /// Waits for its end.
    pub fn wait(&mut self, within: Duration) -> Result<ExitStatus> {
        // Not poll::until: an interrupted run waits for its daemons all the same.
        let deadline = Instant::now() + within;
        loop {
            match self.child.try_wait().map_err(system("wait for", &self.name))? {
                Some(status) => return Ok(status),
                None if Instant::now() < deadline => sleep(PAUSE),
                None => return Err(Error::Late { what: format!("the end of {}", self.name), within }),
            }
        }
    }

    /// SIGTERM, then the wait; SIGKILL if that is not enough, and `Late`.
    pub fn stop(&mut self) -> Result<ExitStatus> {
        self.signal(Signal::SIGTERM);
        self.wait(self.patience).inspect_err(|_| self.kill9())
    }

    /// SIGKILL, and its end awaited.
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
        // Whatever went wrong with the TERM, the KILL that follows it settles.
        let _ = self.stop();
    }
}

/// Runs a command of the run to its end; gives its stdout, or what it said if it fails.
pub fn output(run: &Run, command: &mut Command) -> Result<Vec<u8>> {
    run.adopt(command).stdin(Stdio::null());
    let output = command.output().map_err(system("run", shown(command)))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).trim().to_owned();
    Err(Error::Command {
        command: shown(command).to_string(),
        status: output.status.to_string(),
        output: said,
    })
}

/// True while that process runs; one that has ended and nobody has waited for does not.
pub fn is_running(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

/// The processes that have an entry (`NAME=VALUE`) in their environment which is looked for.
pub fn marked(is_mark: impl Fn(&[u8]) -> bool) -> Result<Vec<u32>> {
    let processes = fs::read_dir("/proc").map_err(system("list", "/proc"))?;
    let pids = processes.flatten().filter_map(|process| process.file_name().to_str()?.parse().ok());
    // One that has ended in between has no environment.
    let environment = |pid: u32| fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    Ok(pids.filter(|pid| environment(*pid).split(|byte| *byte == 0).any(&is_mark)).collect())
}

/// SIGKILL to every process that has exactly this entry in its environment, until there is none.
pub fn kill_marked(mark: &str) -> Result<()> {
    let mut clean = 0;
    poll::until(KILLED, &format!("the end of all with {mark}"), || {
        let pids = marked(|entry| entry == mark.as_bytes()).unwrap_or_default();
        for pid in &pids {
            // It may have ended by itself this instant.
            let _ = kill(id(*pid), Signal::SIGKILL);
        }
        // A process shows no environment for an instant while it becomes another program.
        clean = if pids.is_empty() { clean + 1 } else { 0 };
        (clean == 3).then_some(())
    })
}

/// A process id as the system's calls take it.
pub(crate) fn id(pid: u32) -> Pid {
    Pid::from_raw(i32::try_from(pid).expect("Linux's process ids are below 2^22"))
}

fn append(path: &Path) -> Result<File> {
    OpenOptions::new().append(true).create(true).open(path).map_err(system("open", path.display()))
}

fn shown(command: &Command) -> impl Display + use<> {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
