//! The container engine and compose, called by their command lines.

use std::env;
use std::process::Command;

use crate::run::error::{Error, Result, system};
use crate::run::programs;

/// True if an engine answers and compose is installed. If not, the test fails where `$CI` is set, and is skipped
/// elsewhere with a message on stderr.
pub fn is_here() -> bool {
    let engine = docker(&["version", "--format", "{{.Server.Version}}"]);
    match engine.and_then(|_| command_with(compose_command(), &["version"])) {
        Ok(_) => true,
        Err(err) if env::var_os("CI").is_some() => panic!("{err}"),
        Err(err) => {
            eprintln!("SKIPPED: no container engine: {}", err.to_string().lines().next().unwrap_or_default());
            false
        }
    }
}

/// Runs docker; returns its stdout.
pub fn docker(arguments: &[&str]) -> Result<String> {
    command_with(Command::new("docker"), arguments)
}

/// The command for compose: `$COMPOSE` if set, `docker-compose` (version 1) or `docker compose` (version 2).
pub(super) fn compose_command() -> Command {
    let named = env::var("COMPOSE").unwrap_or_default();
    let mut words = named.split_whitespace();
    if let Some(program) = words.next() {
        let mut command = Command::new(program);
        command.args(words);
        return command;
    }
    if programs::find("docker-compose").is_ok() {
        return Command::new("docker-compose");
    }
    let mut command = Command::new("docker");
    command.arg("compose");
    command
}

fn command_with(mut program: Command, arguments: &[&str]) -> Result<String> {
    program.args(arguments);
    command(program)
}

/// Runs a command; returns its stdout.
pub(super) fn command(mut command: Command) -> Result<String> {
    let shown = format!("{command:?}");
    let output = command.output().map_err(system("run", &shown))?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(stdout);
    }
    let said = stdout + &String::from_utf8_lossy(&output.stderr);
    Err(Error::Command { command: shown, status: output.status.to_string(), output: said.trim().to_owned() })
}
