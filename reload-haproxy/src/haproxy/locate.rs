//! Finds HAProxy's main process: the master, or the one process of a HAProxy without a master.
//!
//! The process that answers at the stats socket counts first, then the pid file, then all HAProxy processes that
//! were started on the file. A master is known by its children.

use std::path::{Path, PathBuf};
use std::time::Duration;

use common::failure::{Code, Failure};
use common::regular_file;

use crate::config::file::Config;
use crate::haproxy::process::Process;

pub(crate) const PID_FILE_MAX: u64 = 4096;

/// The options that help to find the running HAProxy.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hints {
    pub(crate) stats_socket: Option<PathBuf>,
    pub(crate) master_socket: Option<PathBuf>,
    pub(crate) pid_file: Option<PathBuf>,
    /// The name of the program, if it is not `haproxy`.
    pub(crate) name: String,
    /// How long a socket may take to answer a question.
    pub(crate) patience: Duration,
}

/// The main process, and whether it is a master. `answering` is the process that answers at the stats socket.
pub(crate) fn locate(
    config: &Config,
    hints: &Hints,
    answering: Option<Process>,
) -> Result<(Option<Process>, bool), Failure> {
    let (main, is_master) = match answering {
        // A master answers at its own socket only: here it is a worker, or one process alone.
        Some(known) => match known.master(&hints.name) {
            Some(master) => (master, true),
            None => (known, false),
        },
        None => match from_pid_file(hints)
            .map_or_else(|| by_command_line(config, hints), |known| Ok(Some(known)))?
        {
            Some(known) => {
                let main = known.master(&hints.name).unwrap_or(known);
                let is_master = main.has_children(&hints.name);
                (main, is_master)
            }
            None => return Ok((None, false)),
        },
    };
    if main.runs(&config.path) { Ok((Some(main), is_master)) } else { Err(other_files(config, &main)) }
}

/// The process that the pid file names, if it is a HAProxy.
fn from_pid_file(hints: &Hints) -> Option<Process> {
    let bytes = regular_file::read(hints.pid_file.as_ref()?, PID_FILE_MAX).ok()?;
    String::from_utf8_lossy(&bytes)
        .split_whitespace()
        .find_map(|word| Process::find(word.parse().ok()?, &hints.name))
}

/// The one HAProxy that was started on the file, if there is one. The command line of another user's process
/// proves nothing.
fn by_command_line(config: &Config, hints: &Hints) -> Result<Option<Process>, Failure> {
    let mut tops = tops(&config.path, &hints.name);
    tops.retain(Process::is_trusted);
    let masters: Vec<&Process> = tops.iter().filter(|process| process.has_children(&hints.name)).collect();
    match &masters[..] {
        // Without a master, several processes are one HAProxy and its predecessors; the youngest serves.
        [] => Ok(tops.last().cloned()),
        [master] => Ok(Some((*master).clone())),
        _ => Err(several_running(config, &masters)),
    }
}

/// The processes without a HAProxy parent that were started on the file, the oldest first.
pub(crate) fn tops(config: &Path, name: &str) -> Vec<Process> {
    let all = Process::all(name);
    let is_top = |process: &&Process| !all.iter().any(|other| other.pid == process.parent);
    all.iter().filter(is_top).filter(|process| process.runs(config)).cloned().collect()
}

/// The master's socket, from its command line: `-S PATH[,OPTION...]`.
pub(crate) fn master_socket(main: &Process) -> Option<PathBuf> {
    let value = main.option("-S").into_iter().next_back()?.to_str()?;
    let path = value.split(',').next()?;
    let path = path.strip_prefix("unix@").unwrap_or(path);
    // A TCP address is not used: any user may have taken the port.
    path.contains('/').then(|| main.directory().join(path))
}

fn other_files(config: &Config, main: &Process) -> Failure {
    let files: Vec<String> = main.files().iter().map(|file| file.display().to_string()).collect();
    let line = format!(
        "cannot reload '{}': HAProxy {} was started on '{}'; give that with --config, or another --stats-socket",
        config.path.display(),
        main.pid,
        files.join("', '")
    );
    Failure::new(Code::Haproxy, line)
}

fn several_running(config: &Config, masters: &[&Process]) -> Failure {
    let pids: Vec<String> = masters.iter().map(|process| process.pid.to_string()).collect();
    let line = format!(
        "cannot choose between HAProxys: masters {} all run '{}'; choose one with --pid-file or --stats-socket",
        pids.join(", "),
        config.path.display()
    );
    Failure::new(Code::Haproxy, line)
}
