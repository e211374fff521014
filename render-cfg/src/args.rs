//! The command line. Other files import the options from here, so that nothing imports `main`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use common::duration::{duration, non_zero};
use common::messages::MessageArgs;
use common::time_limit::TimeLimit;

use crate::check::Check;
use crate::min_nodes::Floor;
use crate::on_failure::OnFailure;
use crate::then::Then;
use crate::vars::Var;
use crate::vars_files::VarsFile;

pub(crate) const PROGRAM: &str = "render-cfg";

/// Render haproxy.cfg from a template and the node records
///
/// The text is written to a file beside the output, checked by --check, and only then renamed over the
/// output. If it equals the output, nothing is written.
#[derive(Parser, Debug)]
#[command(name = PROGRAM, version, after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// The template (Tera); the manual lists its variables and filters
    #[arg(long, value_name = "FILE")]
    pub(crate) template: PathBuf,
    /// Directory of the node records
    #[arg(long, value_name = "DIR", env = "NODES_DIR", default_value = "/nodes")]
    pub(crate) nodes: PathBuf,
    /// File to write; - is stdout
    #[arg(long, value_name = "FILE", default_value = "-")]
    pub(crate) output: PathBuf,
    /// Command that must succeed before the new text is installed; {} is the path of the text
    #[arg(long, value_name = "CMD", value_parser = Check::parse)]
    pub(crate) check: Option<Check>,
    /// Environment variable with that command
    #[arg(long, value_name = "VARIABLE", conflicts_with = "check")]
    pub(crate) check_from: Option<String>,
    /// Check only the lines of servers that changed, and soon afterwards all: FILE keeps what was checked
    #[arg(long, value_name = "FILE")]
    pub(crate) check_changes: Option<PathBuf>,
    /// Time limit for the check
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = non_zero)]
    pub(crate) check_timeout: Duration,
    /// Keep the output if fewer than N nodes (of ROLE) are usable; may be repeated
    #[arg(long, value_name = "[ROLE=]N", value_parser = Floor::parse)]
    pub(crate) min_nodes: Vec<Floor>,
    /// Environment variable with such values, separated by blanks
    #[arg(long, value_name = "VARIABLE")]
    pub(crate) min_nodes_from: Option<String>,
    /// File of template variables (.json, .toml, .yaml), beneath --set; may be repeated, a later file wins
    #[arg(long = "vars", value_name = "FILE", value_parser = VarsFile::parse)]
    pub(crate) vars_files: Vec<VarsFile>,
    /// Environment variable with such files, separated by blanks and quoted as for a shell
    #[arg(long, value_name = "VARIABLE")]
    pub(crate) vars_from: Option<String>,
    /// Set the template variable vars.K; may be repeated
    #[arg(long = "set", value_name = "K=V", value_parser = Var::parse)]
    pub(crate) vars: Vec<Var>,
    /// Environment variable with K=V, separated by blanks and quoted as for a shell
    #[arg(long, value_name = "VARIABLE")]
    pub(crate) set_from: Option<String>,
    /// Print what would change in the output, but write nothing
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) diff: bool,
    /// Do everything except writing; print in one line what would be done
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// How long to wait for another run that writes the same output
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub(crate) lock_timeout: Duration,
    #[command(flatten)]
    pub(crate) watching: WatchArgs,
    #[command(flatten)]
    pub(crate) time_limit: TimeLimit,
    #[command(flatten)]
    pub(crate) messages: MessageArgs,
}

/// The options for watching.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct WatchArgs {
    /// Keep running, and render whenever the nodes directory, the template or a --vars file changes
    #[arg(long, conflicts_with_all = ["diff", "dry_run", "time_limit"])]
    pub(crate) watch: bool,
    /// How long to wait after a change for the next one
    #[arg(long, value_name = "TIME", default_value = "100ms", value_parser = duration, requires = "watch")]
    pub(crate) quiet_for: Duration,
    /// How long to wait at most after the first of many changes
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = duration, requires = "watch")]
    pub(crate) at_most: Duration,
    /// How often to render if no change was reported
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = non_zero, requires = "watch")]
    pub(crate) look_every: Duration,
    /// Command to run after each change of the output, repeated until it succeeds
    #[arg(long, value_name = "CMD", value_parser = Then::parse, requires = "watch")]
    pub(crate) then: Option<Then>,
    /// Run that command also at this interval, when nothing was rendered
    #[arg(long, value_name = "TIME", value_parser = non_zero, requires = "then")]
    pub(crate) then_every: Option<Duration>,
    /// List of files, one path a line: run that command also when one of them changes
    #[arg(long, value_name = "FILE", requires = "then")]
    pub(crate) then_files: Option<PathBuf>,
    /// Command to run after each render that failed; {} is the exit code that it would have ended with
    #[arg(long, value_name = "CMD", value_parser = OnFailure::parse, requires = "watch")]
    pub(crate) on_failure: Option<OnFailure>,
    /// Time limit for each of these commands
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = non_zero, requires = "watch")]
    pub(crate) then_timeout: Duration,
    /// Write a newline to this file descriptor when ready (s6); systemd needs no option
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(3..), requires = "watch")]
    pub(crate) ready_fd: Option<i32>,
}

const AFTER_HELP: &str = "\
Exit status:
  0  done, or nothing to do
  1  unexpected error
  2  wrong usage, or a wrong setting
  3  a record, a tag or the template is invalid; if the template is valid, the valid nodes are rendered
  4  file system error
  5  the check failed
  6  fewer nodes than --min-nodes: the output is kept
  7  another run held the lock for too long

With --watch: 0 after SIGTERM, 2 for wrong usage. SIGHUP makes it render at once.

Examples:
  render-cfg --template haproxy.cfg.tera --output /etc/haproxy/haproxy.cfg \\
             --check 'haproxy -c -f {}'
  the same with --watch --then reload-haproxy --then-every 15s, as a service";
