//! autoscale: prints how many servers the traffic of a HAProxy backend needs, and why. It changes nothing.
//!
//! `balancers` asks HAProxy's sockets and returns a look. `sizing` decides from looks alone: it opens no file and reads no
//! clock, so it can be simulated. `state_file` keeps what it remembers between two runs. `output` is what is printed.
//! `apply` is the other program, autoscale-apply, which acts on the number.

pub mod apply;
mod args;
mod balancers;
mod clock;
mod output;
mod run;
pub mod sizing;
mod state_file;

use std::process::ExitCode;

use clap::CommandFactory;
use common::command_line;

use args::Args;

/// The command line, for scripts/manuals.
pub fn command() -> clap::Command {
    Args::command()
}

/// Runs the program with the arguments of the process; returns its exit code.
pub fn main() -> ExitCode {
    command_line::run(
        "autoscale",
        |args: &Args| (&args.time_limit, &args.messages),
        |args, messages| run::run(&args, messages),
    )
}
