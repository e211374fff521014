//! reload-haproxy: makes the running HAProxy use the configuration on disk, and proves that it does.
//!
//! The folders; each uses only those named before it (`state` and `reload` do not use each other):
//! `config` reads haproxy.cfg; `haproxy` finds the running HAProxy and asks it; `state` keeps what earlier runs
//! left in --state-dir; `reload` reloads and proves it; `servers` changes servers without a reload; `files` finds the
//! files that the configuration names, and changes them without a reload; `output` is what is printed. `decision`
//! chooses between them, `reconcile` does what it chose, `run` repeats that until the file on disk is the one that runs,
//! and `measure` collects metrics.

mod args;
mod config;
mod decision;
mod files;
mod haproxy;
mod measure;
pub mod offline;
mod output;
mod reconcile;
mod reload;
mod run;
mod servers;
mod settled;
mod state;

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
        "reload-haproxy",
        |args: &Args| (&args.time_limit, &args.messages),
        |args, messages| run::run(&args, messages),
    )
}
