//! autoscale-apply: makes the number of servers the number that `autoscale` wants, by one command at most.
//!
//! `setup` is the command line and the settings. `ask` runs `autoscale`. `decision` is the pure half: it decides from
//! values alone, and runs nothing. `engine` runs the command. `notes` is what is remembered from one look to the next.
//! `look` is one look: it asks, decides, and acts. scripts/autoscale-run runs this program repeatedly.

mod ask;
mod decision;
mod dry_run;
mod engine;
mod look;
mod notes;
mod running;
mod setup;
mod state_directory;

use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::CommandFactory;
use common::command_line;
use common::failure::{Code, Failure};
use common::messages::{MessageArgs, Messages};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

use setup::args::Args;

const PROGRAM: &str = "autoscale-apply";

/// 128 plus SIGTERM, as in a shell. All scripts end with this after a signal.
const AFTER_SIGNAL: u8 = 143;

/// The command line, for scripts/manuals.
pub fn command() -> clap::Command {
    Args::command()
}

/// Runs the program with the arguments of the process; returns its exit code.
pub fn main() -> ExitCode {
    let args: Args = match command_line::parse(PROGRAM) {
        Ok(args) => args,
        Err(code) => return code,
    };
    let logs = logs(&args);
    args.time_limit.start(PROGRAM, &logs);
    let mut messages = Messages::open(PROGRAM, &logs);
    let is_interrupted = Arc::default();
    let result =
        heed_signals(&is_interrupted).and_then(|()| look::look(&args, &is_interrupted, &mut messages));
    let (asked, result) = match result {
        Ok(code) => (code, Ok(())),
        Err(failure) => (0, Err(failure)),
    };
    let own = messages.exit_code(result);
    match asked {
        _ if is_interrupted.load(Ordering::SeqCst) => ExitCode::from(AFTER_SIGNAL),
        0 => own,
        // `autoscale` has reported why.
        code => ExitCode::from(code),
    }
}

/// Where messages go. A dry run logs nothing. --log-state may be in the state directory, so that is created first. If that
/// fails, it is reported later, when the lock is taken.
fn logs(args: &Args) -> MessageArgs {
    if args.dry_run {
        return MessageArgs { verbose: args.messages.verbose, ..MessageArgs::default() };
    }
    let _ = state_directory::make(&args.state_dir);
    args.messages.clone()
}

/// Sets the flag at a signal that asks to end.
fn heed_signals(is_interrupted: &Arc<AtomicBool>) -> Result<(), Failure> {
    let install = |signal| flag::register(signal, Arc::clone(is_interrupted)).map(|_| ());
    let failed =
        |err: io::Error| Failure::new(Code::Unforeseen, format!("cannot install signal handlers: {err}"));
    [SIGTERM, SIGINT, SIGHUP].into_iter().try_for_each(install).map_err(failed)
}
