//! One run of a program: how long it takes from the call to its end, and its peak memory.
//!
//! The kernel reports a process's peak memory only to its parent, as the largest of all its children. So this program
//! runs itself as the parent of one child (`--peak-of`). The memory that a child had before its exec counts too, so
//! that parent is kept smaller than any of the four programs.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use harness::{Error, Result};
use nix::sys::resource::{UsageWho, getrusage};

const PEAK_OF: &str = "--peak-of";

/// A command that is run repeatedly.
#[derive(Debug)]
pub struct TimedRun {
    command: Command,
}

impl TimedRun {
    /// A program with arguments.
    pub fn new<A: AsRef<OsStr>>(
        program: impl AsRef<OsStr>,
        arguments: impl IntoIterator<Item = A>,
    ) -> TimedRun {
        let mut command = Command::new(program);
        command.args(arguments).stdout(Stdio::null());
        TimedRun { command }
    }

    /// A run of an existing command.
    pub fn of(mut command: Command) -> TimedRun {
        command.stdout(Stdio::null());
        TimedRun { command }
    }

    /// Sets a variable.
    pub fn env(mut self, key: &str, value: impl AsRef<OsStr>) -> TimedRun {
        self.command.env(key, value);
        self
    }

    /// Sets a variable for the next runs.
    pub fn set_env(&mut self, key: &str, value: impl AsRef<OsStr>) {
        self.command.env(key, value);
    }

    /// Makes any other change to the command.
    pub fn with(mut self, change: impl FnOnce(&mut Command) -> &mut Command) -> TimedRun {
        change(&mut self.command);
        self
    }

    /// Runs it with this file as stdin (or none); returns how long it took. It must succeed; its errors go to stderr.
    pub fn time(&mut self, input: Option<&Path>) -> Result<Duration> {
        self.command.stdin(stdin(input)?);
        let start = Instant::now();
        let status = self.command.status();
        let took = start.elapsed();
        match status {
            Ok(status) if status.success() => Ok(took),
            Ok(status) => Err(self.failed(status.to_string())),
            Err(err) => Err(self.failed(err.to_string())),
        }
    }

    /// Runs it as `time` does; returns its stdout.
    pub fn printed(&mut self) -> Result<Vec<u8>> {
        let output = self.command.stdin(Stdio::null()).stdout(Stdio::piped()).output();
        self.command.stdout(Stdio::null());
        match output {
            Ok(output) if output.status.success() => Ok(output.stdout),
            Ok(output) => Err(self.failed(output.status.to_string())),
            Err(err) => Err(self.failed(err.to_string())),
        }
    }

    /// Runs it under a profiling tool; returns what the tool wrote to `output`. That path is added to the tool's last
    /// argument if the argument ends with `=`, and otherwise follows it.
    pub fn under(
        &self,
        tool: &Path,
        arguments: &[&str],
        output: &Path,
        input: Option<&Path>,
    ) -> Result<String> {
        let mut command = Command::new(tool);
        let (last, first) = arguments.split_last().unwrap_or((&"", &[]));
        let mut last = OsString::from(last);
        if last.as_encoded_bytes().ends_with(b"=") {
            last.push(output);
            command.args(first).arg(last);
        } else {
            command.args(first).arg(last).arg(output);
        }
        command.arg(self.command.get_program()).args(self.command.get_args());
        command.envs(self.command.get_envs().filter_map(|(key, value)| Some((key, value?))));
        let status = command.stdin(stdin(input)?).stdout(Stdio::null()).status();
        match status {
            Ok(status) if status.success() => fs::read_to_string(output).map_err(system("read", output)),
            Ok(status) => Err(self.failed(status.to_string())),
            Err(err) => Err(self.failed(err.to_string())),
        }
    }

    /// Runs it as `time` does; returns its peak resident memory, in KiB.
    pub fn peak(&self, input: Option<&Path>) -> Result<u64> {
        let itself = env::current_exe().map_err(|err| self.failed(err.to_string()))?;
        let mut command = Command::new(itself);
        command.arg(PEAK_OF).arg(self.command.get_program()).args(self.command.get_args());
        let set = self.command.get_envs().filter_map(|(key, value)| Some((key, value?)));
        let output = command.envs(set).stdin(stdin(input)?).stderr(Stdio::inherit()).output();
        let output = output.map_err(|err| self.failed(err.to_string()))?;
        let kib = String::from_utf8_lossy(&output.stdout).trim().parse().ok();
        kib.filter(|_| output.status.success()).ok_or_else(|| self.failed(output.status.to_string()))
    }

    fn failed(&self, status: String) -> Error {
        let command = format!("{:?}", self.command);
        Error::Command { command, status, output: "see above".to_owned() }
    }
}

fn stdin(input: Option<&Path>) -> Result<Stdio> {
    let Some(path) = input else { return Ok(Stdio::null()) };
    File::open(path).map(Stdio::from).map_err(system("open", path))
}

/// Makes an error of a system error: `cannot VERB 'PATH': reason`.
pub fn system(verb: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let object = path.display().to_string();
    move |err| Error::System { verb, object, err }
}

/// The resident memory of a process, in KiB.
pub fn resident(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    kib.ok_or_else(|| Error::Unfit("the process has ended".to_owned()))
}

/// If this program was called as the parent of one child, runs the child and prints its peak memory.
pub fn watch_peak() -> Option<ExitCode> {
    let mut arguments = env::args_os().skip(1);
    if arguments.next()? != PEAK_OF {
        return None;
    }
    let program: OsString = arguments.next()?;
    let status = Command::new(program).args(arguments).stdout(Stdio::null()).status();
    if !status.is_ok_and(|status| status.success()) {
        return Some(ExitCode::FAILURE);
    }
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).ok()?;
    println!("{}", usage.max_rss());
    Some(ExitCode::SUCCESS)
}
