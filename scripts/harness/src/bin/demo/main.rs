//! `demo`: Rollcall on one machine, with real Serf agents, a real HAProxy, real web servers and real requests,
//! all on loopback. `scripts/demo` installs and builds what it needs and runs it.
//!
//! Without a command it is a tour that ends with a verdict. `scale` shows servers that come and go with the load. `up`
//! keeps running, and the other commands send requests to it from another shell. However it ends, no process and no file
//! is left: see harness::run.

#![allow(unreachable_pub, reason = "a binary has no public items")]

mod backends;
mod control;
mod desk;
mod listener;
mod returning;
mod running_demos;
mod scale;
mod scaling;
mod status;
mod table;
mod tour;
mod tour_verdict;
mod up;
mod versions;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use harness::Error;
use harness::run::poll;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

use crate::scale::plan::Length;

const EXAMPLES: &str = "\
Examples:
  scripts/demo                 the tour: a minute, then a verdict; exit code 0 if all went well
  scripts/demo scale           two minutes at most: autoscale starts and stops servers with the load; then a verdict
  scripts/demo scale --full --chart scale.svg
                               the same in ten minutes, with autoscale's default windows, and a chart
  scripts/demo up              a balancer and two backends that stay up; Ctrl-C ends everything
  scripts/demo add             from a second shell: one more backend
  scripts/demo kill s1         kill -9 of s1's web app and Serf agent, as when its machine dies
  scripts/demo scale-to 5      starts or stops backends until there are five
  scripts/demo load 40         sends 40 requests a second from now on; `load 0` ends that
  scripts/demo status          the load, the backends with their state in Serf and HAProxy, and the addresses
  scripts/demo down            end everything

Environment:
  ROLLCALL_BIN     directory of member-join, member-leave, render-cfg, reload-haproxy, autoscale and autoscale-apply
                   (default: the directory of demo)
  ROLLCALL_KEEP=1  keeps the directory of the run (logs, configuration)

Exit status: 0 done; 1 it failed, or the verdict is bad; 2 wrong usage; 130 interrupted.";

/// Rollcall on one machine: real Serf, real HAProxy, real web servers, all on loopback
#[derive(Parser)]
#[command(name = "demo", after_help = EXAMPLES)]
struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// The demo's name, if several are up [default: the only one; for `up`: demo, demo2, ...]
    #[arg(long, global = true, value_name = "NAME", value_parser = running_demos::check_name)]
    name: Option<String>,
}

#[derive(Subcommand)]
enum Command {
    /// Show everything once, under load, with a verdict (the default command)
    Tour {
        /// The killed backend comes back under the same name, which Serf accepts only after up to a minute
        #[arg(long)]
        same_name: bool,
    },
    /// Let autoscale start and stop servers under a load that rises and falls, with a verdict
    Scale {
        /// autoscale's default windows (5 minutes) instead of shortened ones; takes ten minutes
        #[arg(long)]
        full: bool,
        /// Draw the load and the servers over time into this file, as SVG
        #[arg(long, value_name = "FILE", value_parser = scale::check_file)]
        chart: Option<PathBuf>,
        /// A run of less than a minute, for tests
        #[arg(long, hide = true, conflicts_with = "full")]
        short: bool,
    },
    /// Start a balancer and backends that run until Ctrl-C or `down`
    Up {
        /// How many backends to begin with
        #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(0..=50))]
        backends: u8,
        /// How many milliseconds each web server takes for an answer
        #[arg(long, value_name = "MS", default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=10_000))]
        delay: u16,
    },
    /// Start a backend
    Add {
        /// Its name [default: the next of s1, s2, ...]
        #[arg(value_parser = backends::check_name)]
        node: Option<String>,
    },
    /// Stop a backend in order: it leaves the cluster, drains and ends
    Stop {
        /// Its name
        #[arg(value_parser = backends::check_name)]
        node: String,
    },
    /// kill -9 of a backend's web app and Serf agent
    Kill {
        /// Its name
        #[arg(value_parser = backends::check_name)]
        node: String,
    },
    /// Tag a backend state=drain: it keeps its sessions and gets no new ones
    Drain {
        /// Its name
        #[arg(value_parser = backends::check_name)]
        node: String,
    },
    /// Start or stop backends until there are N; the newest are stopped first
    ScaleTo {
        /// How many
        #[arg(value_name = "N", value_parser = clap::value_parser!(u8).range(0..=50))]
        count: u8,
    },
    /// Send N requests a second to the demo that is up, until the next `load`; 0 ends them
    Load {
        /// Requests a second
        #[arg(value_name = "N", value_parser = clap::value_parser!(u16).range(0..=1000))]
        rate: u16,
    },
    /// Show the load, the backends and their state
    Status,
    /// End everything
    Down,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match run(args) {
        Ok(code) => code,
        Err(Error::Interrupted) => {
            eprintln!("demo: interrupted; everything it started has ended");
            ExitCode::from(130)
        }
        Err(err) => {
            eprintln!("demo: {err}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> harness::Result<ExitCode> {
    let name = args.name.as_deref();
    let ask = |request: &str| control::ask(name, request);
    let begin = || heed_signals().and_then(|()| versions::announce());
    match args.command.unwrap_or(Command::Tour { same_name: false }) {
        Command::Tour { same_name } => {
            begin()?;
            tour::run(same_name)
        }
        Command::Scale { full, chart, short } => {
            begin()?;
            scale::run(name, length(full, short), chart.as_deref())
        }
        Command::Up { backends, delay } => {
            begin()?;
            up::run(name, backends, Duration::from_millis(delay.into()))
        }
        Command::Add { node } => ask(format!("add {}", node.unwrap_or_default()).trim_end()),
        Command::Stop { node } => ask(&format!("stop {node}")),
        Command::Kill { node } => ask(&format!("kill {node}")),
        Command::Drain { node } => ask(&format!("drain {node}")),
        Command::ScaleTo { count } => ask(&format!("scale-to {count}")),
        Command::Load { rate } => ask(&format!("load {rate}")),
        Command::Status => ask("status"),
        Command::Down => ask("down"),
    }
}

fn length(full: bool, short: bool) -> Length {
    match (full, short) {
        (true, _) => Length::Full,
        (_, true) => Length::Short,
        _ => Length::Usual,
    }
}

/// The first signal ends the run in order, the second one at once.
fn heed_signals() -> harness::Result<()> {
    let flag = poll::interruption();
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        let at_once = flag::register_conditional_shutdown(signal, 130, flag.clone());
        let in_order = at_once.and_then(|_| flag::register(signal, flag.clone()));
        in_order.map_err(|err| Error::System { verb: "heed", object: signal.to_string(), err })?;
    }
    Ok(())
}
