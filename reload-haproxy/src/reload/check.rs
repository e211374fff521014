//! Checks the file with `haproxy -c`, as the running HAProxy would read it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::config::file::Config;
use crate::haproxy::instance::Instance;
use crate::haproxy::process::Process;
use common::command;
use common::failure::{Code, Failure};
use common::messages::Messages;

/// Runs `haproxy -c` on the files of the running process, with its environment. Returns how long it took,
/// which is about how long HAProxy takes to load them.
pub(crate) fn check(
    config: &Config,
    instance: &Instance,
    program: &Path,
    timeout: Duration,
    messages: &mut Messages,
) -> Result<Duration, Failure> {
    let start = Instant::now();
    let mut command = command_like(instance.main.as_ref(), program);
    command.arg("-c");
    for file in files(config, instance.main.as_ref()) {
        command.arg("-f").arg(file);
    }
    let outcome = command::run(&mut command, timeout);
    let outcome = outcome.map_err(|err| {
        Failure::new(
            Code::Haproxy,
            format!("cannot run '{}': {err}; name it with --haproxy", program.display()),
        )
    })?;
    let refusal = match outcome.status {
        Some(status) if status.success() => return Ok(start.elapsed()),
        Some(_) => "haproxy -c rejects it; see its messages above".to_owned(),
        None => format!("haproxy -c did not end within {timeout:?}; see --timeout"),
    };
    log_messages(&outcome.words, messages);
    Err(cannot_load(config, &refusal))
}

pub(crate) fn cannot_load(config: &Config, reason: &str) -> Failure {
    let path = config.path.display();
    Failure::new(
        Code::Haproxy,
        format!("cannot load '{path}': {reason}; the running configuration stays in service"),
    )
}

/// Logs HAProxy's messages, one line each.
pub(crate) fn log_messages(words: &str, messages: &mut Messages) {
    for line in words.lines().filter(|line| !line.trim().is_empty()) {
        messages.warn(format!("haproxy: {line}"));
    }
}

/// A command with the environment and directory of `process`, if that is trusted.
pub(crate) fn command_like(process: Option<&Process>, program: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir("/");
    if let Some(process) = process.filter(|process| process.is_trusted()) {
        let environment = process.environment();
        if !environment.is_empty() {
            command.env_clear().envs(environment);
        }
        command.current_dir(process.directory());
    }
    command
}

/// The files that the process was started on, or the configuration alone.
fn files(config: &Config, process: Option<&Process>) -> Vec<PathBuf> {
    match process {
        Some(process) if process.is_trusted() && process.runs(&config.path) => {
            process.files().into_iter().map(Path::to_owned).collect()
        }
        _ => vec![config.path.clone()],
    }
}
