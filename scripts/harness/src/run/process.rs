//! Commands that run to their end, and the processes that carry the run's mark.

use std::fmt::Display;
use std::fs;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::run::error::{Error, Result, system};
use crate::run::guardian::Run;
use crate::run::poll;

const KILLED: Duration = Duration::from_secs(5);

/// Runs a command of the run to its end; returns its stdout, or an error with its output if it fails.
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

/// The exit code of a command that has ended; -1 if a signal ended it.
pub fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or(-1)
}

/// What a command that has ended has printed on stderr.
pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// True while that process runs. A zombie does not count.
pub fn is_running(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

/// The processes with a matching entry (`NAME=VALUE`) in their environment.
pub fn marked(is_mark: impl Fn(&[u8]) -> bool) -> Result<Vec<u32>> {
    let processes = fs::read_dir("/proc").map_err(system("list", "/proc"))?;
    let pids = processes.flatten().filter_map(|process| process.file_name().to_str()?.parse().ok());
    // A process that has ended in between has no environment.
    let environment = |pid: u32| fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    Ok(pids.filter(|pid| environment(*pid).split(|byte| *byte == 0).any(&is_mark)).collect())
}

/// Sends SIGKILL to every process with exactly this entry in its environment, until no such process is left.
pub fn kill_marked(mark: &str) -> Result<()> {
    let mut clean = 0;
    poll::until(KILLED, &format!("the end of all processes with {mark}"), || {
        let pids = marked(|entry| entry == mark.as_bytes()).unwrap_or_default();
        for pid in &pids {
            // It may have just ended.
            let _ = kill(id(*pid), Signal::SIGKILL);
        }
        // For an instant during an exec, a process has no environment.
        clean = if pids.is_empty() { clean + 1 } else { 0 };
        (clean == 3).then_some(())
    })
}

/// A process id in the type that system calls take.
pub(crate) fn id(pid: u32) -> Pid {
    Pid::from_raw(i32::try_from(pid).expect("Linux's process ids are below 2^22"))
}

/// The command line, for messages.
pub(super) fn shown(command: &Command) -> impl Display + use<> {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
