//! reload-haproxy: brings the running HAProxy to the configuration on disk, and proves it.
//!
//! It compares what HAProxy runs with the file and does the difference, so running it again is safe and
//! what an earlier run failed to do, this one does. Runs at once wait for each other; the last one's file
//! is what runs.

mod config;
mod decision;
mod haproxy;
pub mod offline;
mod output;
mod plan;
mod reconcile;
mod reload;
mod servers;
mod state;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use common::duration::duration;
use common::failure::{Code, Failure};
use common::messages::{MessageArgs, Messages};
use common::time_limit::TimeLimit;

use config::file::Config;
use config::sections::Layout;
use decision::Decision;
use haproxy::instance::{Hints, Instance};
use reconcile::Pass;
use reload::attempt::{Method, Unproven};
use reload::{attempt, health};
use state::note::State;
use state::rollback::Rollback;

/// Bring the running HAProxy to the configuration on disk, and prove it.
///
/// Does nothing if HAProxy runs the file already. If only `server` lines are others, changes the servers
/// through HAProxy's socket and reads them back. Otherwise checks the file, reloads in the way that the running
/// HAProxy supports, and waits until a new worker says that it runs the file. A file that HAProxy does not
/// take makes way for the last good one, and is tried again by the next run.
#[derive(Parser)]
#[command(version, after_help = EXIT_STATUS)]
struct Args {
    /// The configuration file
    #[arg(long, value_name = "FILE", default_value = "/etc/haproxy/haproxy.cfg")]
    config: PathBuf,
    /// HAProxy's stats socket; found in the configuration
    #[arg(long, value_name = "PATH")]
    stats_socket: Option<PathBuf>,
    /// The master's socket (haproxy -S); found on the master's command line
    #[arg(long, value_name = "PATH")]
    master_socket: Option<PathBuf>,
    /// HAProxy's pid file; believed only if the process is a HAProxy
    #[arg(long, value_name = "FILE")]
    pid_file: Option<PathBuf>,
    /// The HAProxy program; found in the running process
    #[arg(long, value_name = "PROGRAM")]
    haproxy: Option<PathBuf>,
    /// How to bring HAProxy to the file
    #[arg(long, value_enum, default_value = "auto")]
    method: Method,
    /// Reload even if HAProxy runs the file already
    #[arg(long)]
    force: bool,
    /// Say on stdout what would be done and why, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Say on stdout what runs, and whether that is the file
    #[arg(long, conflicts_with_all = ["force", "dry_run"])]
    status: bool,
    /// Say on stdout which servers HAProxy's own checks find up, a name on a line
    #[arg(long, conflicts_with_all = ["force", "dry_run", "status", "json"])]
    up: bool,
    /// Say on stdout as JSON what runs, or what was done
    #[arg(long)]
    json: bool,
    /// How long HAProxy may take to check the file, and again to load it
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = some_time)]
    timeout: Duration,
    /// How long to wait while another run reloads
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    lock_timeout: Duration,
    /// Where it is noted what was last proven loaded
    #[arg(long, value_name = "DIR", default_value = "/run/rollcall")]
    state_dir: PathBuf,
    #[command(flatten)]
    time_limit: TimeLimit,
    #[command(flatten)]
    messages: MessageArgs,
}

const EXIT_STATUS: &str = "\
Exit status:
  0  HAProxy runs the file         4  the file system said no
  1  something unforeseen          5  HAProxy said no, could not be reached, or did not prove
  2  called wrongly                   that it took the file; the next run tries again
                                   7  another run held the lock too long

Examples:
  reload-haproxy -v
  reload-haproxy --config /etc/haproxy/haproxy.cfg --dry-run -v
  reload-haproxy --status";

/// A file that goes on changing is loaded anew for so many times `--timeout`.
const SETTLING: u32 = 3;

/// Does what the command line says; gives the exit code.
pub fn main() -> ExitCode {
    let args = Args::parse();
    args.time_limit.start("reload-haproxy", &args.messages);
    let mut messages = Messages::open("reload-haproxy", &args.messages);
    let result = run(&args, &mut messages);
    messages.exit_code(result)
}

fn run(args: &Args, messages: &mut Messages) -> Result<(), Failure> {
    let path = Config::resolve(&args.config)?;
    if args.dry_run || args.status || args.up {
        return look(args, &path, &State::look(&args.state_dir, &path));
    }
    let state = State::lock(&args.state_dir, &path, args.lock_timeout)?;
    let rollback = Rollback::new(&state, &path, args.lock_timeout);
    if rollback.due().is_some() {
        // Where no HAProxy runs, nobody can try it, and the next start needs the file that works.
        Instance::find(&Config::read(&path)?, &args.hints())?;
        rollback.try_again(messages)?;
    }
    match settle(args, &path, &state, messages) {
        Ok(()) => rollback.forget(),
        Err(unproven) => {
            let line = rollback.put_back(&unproven);
            Err(unproven.end(line))
        }
    }
}

/// Brings HAProxy to the file, until it is the one on disk that runs.
fn settle(args: &Args, path: &Path, state: &State, messages: &mut Messages) -> Result<(), Unproven> {
    let deadline = Instant::now() + SETTLING * args.timeout;
    let mut force = args.force;
    loop {
        // Read under the lock: runs that waited find the last file, and mostly nothing left to do.
        let config = Config::read(path)?;
        health::tidy(&config);
        let instance = Instance::find(&config, &args.hints())?;
        let text = config.text();
        let layout = Layout::read(&text);
        if Pass::new(args, &config, &layout, &instance, state).bring(std::mem::take(&mut force), messages)? {
            return Ok(());
        }
        if Instant::now() >= deadline {
            let line = "it changes faster than HAProxy loads it; run this again when it is at rest";
            let line = format!("cannot settle '{}': {line}", path.display());
            return Err(Failure::new(Code::Haproxy, line).into());
        }
    }
}

/// Says on stdout what runs, or what would be done.
fn look(args: &Args, path: &Path, state: &State) -> Result<(), Failure> {
    let config = Config::read(path)?;
    if args.up {
        return output::up::tell(Instance::seek(&config, &args.hints())?.as_ref());
    }
    let instance = Instance::find(&config, &args.hints())?;
    let text = config.text();
    let layout = Layout::read(&text);
    let pass = Pass::new(args, &config, &layout, &instance, state);
    if args.status {
        return pass.tell_status();
    }
    let rollback = Rollback::new(state, path, args.lock_timeout);
    let again =
        |refused: &Path| format!("'{}', which HAProxy did not take, is tried again", refused.display());
    let refused = rollback.due().map(|refused| Decision::Reload(again(refused)));
    pass.rehearse(refused.unwrap_or_else(|| pass.decide(args.force)))
}

impl Args {
    fn hints(&self) -> Hints {
        let name = self.haproxy.as_ref().and_then(|program| program.file_name());
        Hints {
            stats_socket: self.stats_socket.clone(),
            master_socket: self.master_socket.clone(),
            pid_file: self.pid_file.clone(),
            name: name.map_or_else(|| "haproxy".to_owned(), |name| name.to_string_lossy().into_owned()),
            // Several questions are asked, and one that stands still answers none.
            patience: (self.timeout / 4).clamp(Duration::from_millis(100), Duration::from_secs(1)),
        }
    }

    /// How to reload: as it was said, or as the running HAProxy supports it. `why` is what it is for.
    fn method(&self, instance: &Instance, why: &str) -> Result<Method, Failure> {
        match self.method {
            Method::Auto => attempt::supported(instance),
            Method::Runtime => {
                let line = format!("cannot change 'haproxy' while it runs: {why}; --method auto reloads it");
                Err(Failure::new(Code::Haproxy, line))
            }
            method => Ok(method),
        }
    }

    /// The program to check with: the one named, the one that runs, or the one on the PATH.
    fn program(&self, instance: &Instance) -> PathBuf {
        let running = || instance.main.as_ref().and_then(haproxy::process::Process::program);
        self.haproxy.clone().or_else(running).unwrap_or_else(|| "haproxy".into())
    }
}

fn some_time(text: &str) -> Result<Duration, String> {
    let time = duration(text)?;
    if time.is_zero() { Err("HAProxy needs some time".to_owned()) } else { Ok(time) }
}
