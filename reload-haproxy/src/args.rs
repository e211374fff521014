//! The command line, and what follows from it alone.
//!
//! `--method` has two values that are not a reload method: `auto` chooses one, `runtime` forbids a reload.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use common::duration::{duration, non_zero};
use common::failure::{Code, Failure};
use common::messages::MessageArgs;
use common::time_limit::TimeLimit;

use crate::haproxy::instance::Instance;
use crate::haproxy::locate::Hints;
use crate::haproxy::process::Process;
use crate::reload::method::{self, Method};

/// Make the running HAProxy use the configuration on disk, and prove that it does.
///
/// Does nothing if HAProxy already runs the file, and has loaded the files that it names as they are. If only `server`
/// lines differ, or certificates, maps and lists that the file names, changes these through HAProxy's socket and reads
/// them back. Otherwise checks the file, reloads with a method that the running
/// HAProxy supports, and waits until a new worker reports that it runs the file. If the reload fails, the last
/// good file is restored, and the next run tries the rejected one again.
#[derive(Parser)]
#[command(version, after_help = EXIT_STATUS)]
pub(crate) struct Args {
    /// The configuration file
    #[arg(long, value_name = "FILE", default_value = "/etc/haproxy/haproxy.cfg")]
    pub(crate) config: PathBuf,
    /// HAProxy's stats socket [default: the one in the configuration]
    #[arg(long, value_name = "PATH")]
    pub(crate) stats_socket: Option<PathBuf>,
    /// The master's socket (haproxy -S) [default: the one on its command line]
    #[arg(long, value_name = "PATH")]
    pub(crate) master_socket: Option<PathBuf>,
    /// HAProxy's pid file; ignored if the process is not a HAProxy
    #[arg(long, value_name = "FILE")]
    pub(crate) pid_file: Option<PathBuf>,
    /// The HAProxy program [default: the running one]
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) haproxy: Option<PathBuf>,
    /// How to apply the file
    #[arg(long, value_enum, default_value = "auto")]
    pub(crate) method: MethodChoice,
    /// Reload even if HAProxy already runs the file
    #[arg(long)]
    pub(crate) force: bool,
    /// Print what would be done and why, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Print what runs, and whether it is the file; exit with 5 if it is not
    #[arg(long, conflicts_with_all = ["force", "dry_run"])]
    pub(crate) status: bool,
    /// Print the names of the servers that HAProxy's checks find up, one a line
    #[arg(long, conflicts_with_all = ["force", "dry_run", "status", "json"])]
    pub(crate) up: bool,
    /// Print for each server its name, what HAProxy's checks find (up, down, starting or unknown), and its address
    #[arg(long, conflicts_with_all = ["force", "dry_run", "status", "up", "json"])]
    pub(crate) health: bool,
    /// Print as JSON what runs, or what was done
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) metrics: MetricsArgs,
    /// How long HAProxy may take to check the file, and again to load it
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = non_zero)]
    pub(crate) timeout: Duration,
    /// How long to wait for another run
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub(crate) lock_timeout: Duration,
    /// Where the state of earlier runs is kept
    #[arg(long, value_name = "DIR", default_value = "/run/rollcall")]
    pub(crate) state_dir: PathBuf,
    /// Write the paths of the files that the configuration names to this file, one a line
    #[arg(long, value_name = "FILE", conflicts_with_all = ["dry_run", "status", "up", "health"])]
    pub(crate) list_files: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) time_limit: TimeLimit,
    #[command(flatten)]
    pub(crate) messages: MessageArgs,
}

const EXIT_STATUS: &str = "\
Exit status:
  0  HAProxy runs the file         4  file system error
  1  unexpected error              5  HAProxy rejected the file, could not be reached, or did not
  2  wrong usage                      prove that it loaded the file; the next run tries again
                                   7  another run held the lock too long

Examples:
  reload-haproxy -v
  reload-haproxy --config /etc/haproxy/haproxy.cfg --dry-run -v
  reload-haproxy --status
  reload-haproxy --status --metrics";

/// The values of `--method`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum MethodChoice {
    /// Server changes if nothing else has changed; otherwise the first reload method that HAProxy supports
    Auto,
    /// Changes through the stats socket only
    Runtime,
    /// `reload` on the master's socket (haproxy -W -S)
    Master,
    /// SIGUSR2 to the master (haproxy -W)
    Signal,
    /// A new process that takes over from the old one (haproxy -D, -sf)
    Classic,
}

/// The options for metrics.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct MetricsArgs {
    /// Print the status as metrics for Prometheus, with counters of earlier runs
    #[arg(long, requires = "status", conflicts_with = "json")]
    pub(crate) metrics: bool,
    /// Replace FILE by these metrics, after a run or with --status
    #[arg(long, value_name = "FILE", conflicts_with_all = ["dry_run", "up", "health"])]
    pub(crate) metrics_file: Option<PathBuf>,
    /// The directory of node records, to count them in the metrics
    #[arg(long, value_name = "DIR")]
    pub(crate) nodes: Option<PathBuf>,
    /// Count that a program has ended with this exit code; may be repeated
    #[arg(long, value_name = "PROGRAM=CODE", value_parser = ended, requires = "status")]
    pub(crate) ended: Vec<(String, u8)>,
}

impl MetricsArgs {
    /// Whether metrics are printed or written.
    pub(crate) fn are_wanted(&self) -> bool {
        self.metrics || self.metrics_file.is_some()
    }
}

/// Parses `PROGRAM=CODE`, for clap. The name becomes a label, so not everything is accepted.
fn ended(text: &str) -> Result<(String, u8), String> {
    let is_name = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    text.split_once('=')
        .filter(|(program, _)| is_name(program))
        .and_then(|(program, code)| Some((program.to_owned(), code.parse().ok()?)))
        .ok_or_else(|| "write it as render-cfg=3".to_owned())
}

impl MethodChoice {
    /// Whether servers may be changed without a reload.
    pub(crate) fn may_change_servers(self) -> bool {
        matches!(self, MethodChoice::Auto | MethodChoice::Runtime)
    }
}

impl Args {
    pub(crate) fn hints(&self) -> Hints {
        let name = self.haproxy.as_ref().and_then(|program| program.file_name());
        Hints {
            stats_socket: self.stats_socket.clone(),
            master_socket: self.master_socket.clone(),
            pid_file: self.pid_file.clone(),
            name: name.map_or_else(|| "haproxy".to_owned(), |name| name.to_string_lossy().into_owned()),
            // HAProxy is asked several times, and one that hangs answers none of them.
            patience: (self.timeout / 4).clamp(Duration::from_millis(100), Duration::from_secs(1)),
        }
    }

    /// Whether a run changes nothing.
    pub(crate) fn only_look(&self) -> bool {
        self.dry_run || self.status || self.up || self.health
    }

    /// The reload method: the one given on the command line, or the best one that the running HAProxy supports.
    /// `why` is the reason for the reload, used in the error.
    pub(crate) fn method(&self, instance: &Instance, why: &str) -> Result<Method, Failure> {
        match self.method {
            MethodChoice::Auto => method::supported(instance),
            MethodChoice::Runtime => {
                let line = format!(
                    "cannot change 'haproxy' without a reload: {why}; use --method auto to reload it"
                );
                Err(Failure::new(Code::Haproxy, line))
            }
            MethodChoice::Master => Ok(Method::Master),
            MethodChoice::Signal => Ok(Method::Signal),
            MethodChoice::Classic => Ok(Method::Classic),
        }
    }

    /// The program that checks the file: the one given, the running one, or the one on the PATH.
    pub(crate) fn program(&self, instance: &Instance) -> PathBuf {
        let running = || instance.main.as_ref().and_then(Process::program);
        self.haproxy.clone().or_else(running).unwrap_or_else(|| "haproxy".into())
    }
}
