//! The command line. Whatever needs an option takes it from here, so that nothing imports `main`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use common::duration::{duration, non_zero};
use common::messages::MessageArgs;
use common::time_limit::TimeLimit;

use crate::check::Check;
use crate::min_nodes::Floor;
use crate::then::Then;

pub(crate) const PROGRAM: &str = "render-cfg";

/// Render haproxy.cfg from a template and the node records
///
/// The text goes to a file beside the output, is looked at by --check, and only then takes the output's
/// place. If it is the same as the output, nothing is written.
#[derive(Parser, Debug)]
#[command(name = PROGRAM, version, after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// The template (Tera); see the manual for what it may use
    #[arg(long, value_name = "FILE")]
    pub(crate) template: PathBuf,
    /// Directory of the node records
    #[arg(long, value_name = "DIR", env = "NODES_DIR", default_value = "/nodes")]
    pub(crate) nodes: PathBuf,
    /// Where to write; - is stdout
    #[arg(long, value_name = "FILE", default_value = "-")]
    pub(crate) output: PathBuf,
    /// Command that must succeed on the new text before it goes live; {} is its path
    #[arg(long, value_name = "CMD", value_parser = Check::parse)]
    pub(crate) check: Option<Check>,
    /// How long the check may take
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = non_zero)]
    pub(crate) check_timeout: Duration,
    /// Keep the output if fewer than N nodes (of ROLE) are usable; may be given more than once
    #[arg(long, value_name = "[ROLE=]N", value_parser = Floor::parse)]
    pub(crate) min_nodes: Vec<Floor>,
    /// Give the template a variable, vars.K; may be given more than once
    #[arg(long = "set", value_name = "K=V", value_parser = variable)]
    pub(crate) vars: Vec<(String, String)>,
    /// Print what would change in the output, and write nothing
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) diff: bool,
    /// Do everything but write, and say in one line what would be done
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// How long to wait while another run writes the same output
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub(crate) lock_timeout: Duration,
    #[command(flatten)]
    pub(crate) watching: WatchArgs,
    #[command(flatten)]
    pub(crate) time_limit: TimeLimit,
    #[command(flatten)]
    pub(crate) messages: MessageArgs,
}

/// The options about watching.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct WatchArgs {
    /// Go on, and render whenever the nodes directory or the template changes
    #[arg(long, conflicts_with_all = ["diff", "dry_run", "time_limit"])]
    pub(crate) watch: bool,
    /// How long to wait after a change for another one
    #[arg(long, value_name = "TIME", default_value = "100ms", value_parser = duration, requires = "watch")]
    pub(crate) quiet_for: Duration,
    /// How long to wait after the first of many changes
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = duration, requires = "watch")]
    pub(crate) at_most: Duration,
    /// How often to look without having been told of a change
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = non_zero, requires = "watch")]
    pub(crate) look_every: Duration,
    /// Command to run after each change of the output, again and again until it succeeds
    #[arg(long, value_name = "CMD", value_parser = Then::parse, requires = "watch")]
    pub(crate) then: Option<Then>,
    /// How long that may take
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = non_zero, requires = "watch")]
    pub(crate) then_timeout: Duration,
    /// Write a newline to this file descriptor when ready (s6); systemd is told by itself
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(3..), requires = "watch")]
    pub(crate) ready_fd: Option<i32>,
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

/// Reads `K=V`; K can be written after `vars.` in a template.
fn variable(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write it as KEY=VALUE")?;
    let is_word = key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if key.is_empty() || !is_word || key.as_bytes()[0].is_ascii_digit() {
        return Err(format!("the key '{key}' is no name: letters, digits and '_', no digit first"));
    }
    Ok((key.to_owned(), value.to_owned()))
}
