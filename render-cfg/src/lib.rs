//! Renders haproxy.cfg from a template and the nodes directory, and installs it only after `--check`.
//!
//! The same input gives the same bytes, and equal bytes are not written again (`Output::is_current` has one exception).
//! So the text of the file changes only when the configuration does.

mod args;
mod check;
mod checking;
mod command;
mod context;
mod delivery;
mod environment;
pub mod escape;
pub mod excerpt;
mod filters;
mod kept;
mod min_nodes;
mod natural;
mod near;
mod on_failure;
mod output;
mod path_walk;
mod render;
mod rendering;
mod search;
mod services;
mod setting_path;
mod side_files;
mod template;
mod then;
mod truncate;
mod unused_vars;
mod values;
mod vars;
pub mod vars_files;
mod watch;

use std::process::ExitCode;

use clap::CommandFactory;
use common::command_line;
use common::failure::Failure;
use common::messages::Messages;

use args::{Args, PROGRAM};

/// The command line, for scripts/manuals.
pub fn command() -> clap::Command {
    Args::command()
}

/// Runs the program with the arguments of the process; returns its exit code.
pub fn main() -> ExitCode {
    command_line::run(PROGRAM, |args: &Args| (&args.time_limit, &args.messages), run)
}

fn run(mut args: Args, messages: &mut Messages) -> Result<(), Failure> {
    environment::add_settings(&mut args)?;
    unused_vars::warn_of_unused(&args, messages);
    if args.watching.watch {
        watch::watch(args, messages)
    } else {
        render::render_once(&args, messages).map(drop)
    }
}
