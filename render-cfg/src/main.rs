//! Renders haproxy.cfg from a template and the nodes directory, and lets it go live only after a check.
//!
//! The same nodes give the same bytes, and equal bytes are not written again: whoever watches the file
//! sees it change when the configuration changes, and at no other time.

mod check;
mod check_file;
mod command;
mod context;
mod diff;
mod filters;
mod limits;
mod min_nodes;
mod output;
mod path_walk;
mod render;
mod server;
mod target;
mod template;
mod truncate;
mod watch;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use common::duration::duration;
use common::failure::Failure;
use common::messages::{MessageArgs, Messages};
use common::time_limit::TimeLimit;

use check::Check;
use min_nodes::Floor;
use watch::WatchArgs;

const PROGRAM: &str = "render-cfg";

/// Render haproxy.cfg from a template and the node records
///
/// The text goes to a file beside the output, is looked at by --check, and only then takes the output's
/// place. If it is the same as the output, nothing is written.
#[derive(Parser, Debug)]
#[command(name = PROGRAM, version, after_help = AFTER_HELP)]
struct Args {
    /// The template (Tera); see the manual for what it may use
    #[arg(long, value_name = "FILE")]
    template: PathBuf,
    /// Directory of the node records
    #[arg(long, value_name = "DIR", env = "NODES_DIR", default_value = "/nodes")]
    nodes: PathBuf,
    /// Where to write; - is stdout
    #[arg(long, value_name = "FILE", default_value = "-")]
    output: PathBuf,
    /// Command that must succeed on the new text before it goes live; {} is its path
    #[arg(long, value_name = "CMD", value_parser = Check::parse)]
    check: Option<Check>,
    /// How long the check may take
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = some_time)]
    check_timeout: Duration,
    /// Keep the output if fewer than N nodes (of ROLE) are usable; may be given more than once
    #[arg(long, value_name = "[ROLE=]N", value_parser = Floor::parse)]
    min_nodes: Vec<Floor>,
    /// Give the template a variable, vars.K; may be given more than once
    #[arg(long = "set", value_name = "K=V", value_parser = variable)]
    vars: Vec<(String, String)>,
    /// Print what would change in the output, and write nothing
    #[arg(long, conflicts_with = "dry_run")]
    diff: bool,
    /// Do everything but write, and say in one line what would be done
    #[arg(long)]
    dry_run: bool,
    /// How long to wait while another run writes the same output
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    lock_timeout: Duration,
    #[command(flatten)]
    watching: WatchArgs,
    #[command(flatten)]
    time_limit: TimeLimit,
    #[command(flatten)]
    messages: MessageArgs,
}

const AFTER_HELP: &str = "\
Exit status:
  0  done, or nothing to do
  1  something unforeseen
  2  called wrongly
  3  a record, a tag or the template is wrong; what was good has been rendered
  4  the file system said no
  5  the check said no
  6  fewer nodes than --min-nodes: the output stays
  7  another run held the lock for too long

With --watch: 0 when SIGTERM ended it, 2 called wrongly; SIGHUP makes it look at once.

Examples:
  render-cfg --template haproxy.cfg.tera --output /etc/haproxy/haproxy.cfg \\
             --check 'haproxy -c -f {}'
  the same with --watch --then reload-haproxy, as a service";

fn main() -> ExitCode {
    let args = Args::parse();
    args.time_limit.start(PROGRAM, &args.messages);
    let mut messages = Messages::open(PROGRAM, &args.messages);
    let result = run(args, &mut messages);
    messages.exit_code(result)
}

fn run(args: Args, messages: &mut Messages) -> Result<(), Failure> {
    if args.watching.watch { watch::watch(args, messages) } else { render::once(&args, messages).map(drop) }
}

/// Reads a length of time that is not zero: in none no check can be done, and without a pause none can look.
fn some_time(text: &str) -> Result<Duration, String> {
    let time = duration(text)?;
    if time.is_zero() { Err("it must be more than nothing".to_owned()) } else { Ok(time) }
}

/// Reads `K=V`; K can be written after `vars.` in a template.
fn variable(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write it as KEY=VALUE")?;
    let is_word = key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if key.is_empty() || !is_word || key.as_bytes()[0].is_ascii_digit() {
        return Err(format!("the key '{key}' is no name: letters, digits and '_', no digit first"));
    }
    Ok((key.to_owned(), value.to_owned()))
}
