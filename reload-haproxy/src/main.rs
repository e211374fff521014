//! reload-haproxy: brings the running HAProxy to the configuration on disk, and proves it.
//!
//! It compares what HAProxy runs with the file and does the difference, so running it again is safe and
//! what an earlier run failed to do, this one does. Runs at once wait for each other; the last one's file
//! is what runs.

mod attempts;
mod change;
mod check;
mod command;
mod config;
mod decision;
mod difference;
mod instance;
mod layout;
mod line;
mod live;
mod note;
mod plan;
mod process;
mod proxy;
mod reload;
mod runtime;
mod settings;
mod socket;
mod successor;
mod version;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use common::lock::duration;
use common::talk::{Code, Failure, Talk, TalkArgs};

use change::Changes;
use config::Config;
use decision::{Decision, Facts};
use instance::{Hints, Instance, Worker};
use layout::Layout;
use note::{Note, Parked, State};
use reload::{Method, Reload, Taken};
use runtime::Runtime;

/// Bring the running HAProxy to the configuration on disk, and prove it.
///
/// Does nothing if HAProxy runs the file already. Otherwise checks the file, reloads in the way that the
/// running HAProxy supports, and waits until a new worker says that it runs the file.
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
    /// How to reload
    #[arg(long, value_enum, default_value = "auto")]
    method: Method,
    /// Reload even if HAProxy runs the file already
    #[arg(long)]
    force: bool,
    /// Say on stdout what would be done and why, and do nothing
    #[arg(long)]
    dry_run: bool,
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
    talk: TalkArgs,
}

const EXIT_STATUS: &str = "\
Exit status:
  0  HAProxy runs the file         4  the file system said no
  1  something unforeseen          5  HAProxy said no, could not be reached, or did not prove
  2  called wrongly                   that it took the file; the next run tries again
                                   7  another run held the lock too long

Examples:
  reload-haproxy -v
  reload-haproxy --config /etc/haproxy/haproxy.cfg --dry-run";

/// A file that goes on changing is loaded anew for so many times `--timeout`.
const SETTLING: u32 = 3;

fn main() -> ExitCode {
    let args = Args::parse();
    let mut talk = Talk::open("reload-haproxy", &args.talk);
    let result = run(&args, &mut talk);
    talk.end(result)
}

fn run(args: &Args, talk: &mut Talk) -> Result<(), Failure> {
    let path = Config::resolve(&args.config)?;
    if args.dry_run {
        return rehearse(args, &State::look(&args.state_dir, &path));
    }
    let state = State::lock(&args.state_dir, &path, args.lock_timeout)?;
    let deadline = Instant::now() + SETTLING * args.timeout;
    let mut force = args.force;
    loop {
        // Read under the lock: runs that waited find the last file, and mostly nothing left to do.
        let config = Config::read(&path)?;
        let instance = Instance::find(&config, &args.hints())?;
        if bring(args, &config, &instance, &state, std::mem::take(&mut force), talk)? {
            return Ok(());
        }
        if Instant::now() >= deadline {
            let line = "it changes faster than HAProxy loads it; run this again when it is at rest";
            return Err(Failure::new(Code::Haproxy, format!("cannot settle '{}': {line}", path.display())));
        }
    }
}

/// Brings HAProxy to the file as it was read; whether that still is the file.
fn bring(
    args: &Args,
    config: &Config,
    instance: &Instance,
    state: &State,
    is_forced: bool,
    talk: &mut Talk,
) -> Result<bool, Failure> {
    let text = config.text();
    let layout = Layout::read(&text);
    let worker = instance.worker();
    let runtime = worker.as_ref().and_then(|worker| args.runtime(instance, worker));
    let why = match decide(config, &layout, worker.as_ref(), runtime.as_ref(), state, is_forced) {
        Decision::Nothing(how) => {
            talk.say_idle(format!("nothing to do: {how}"));
            return keep(config, worker.as_ref(), state).map(|()| true);
        }
        Decision::Servers(found, different) => {
            match apply(config, &layout, &found, runtime.as_ref(), state, &different, talk)? {
                None => return Ok(!config.is_outdated()),
                Some(why) => format!("{different}, and {why}"),
            }
        }
        Decision::Reload(why) => why,
    };
    load(args, config, &layout, instance, state, &why, talk)
}

/// Keeps in mind that the worker runs the file.
fn keep(config: &Config, worker: Option<&Worker>, state: &State) -> Result<(), Failure> {
    let Some(worker) = worker else { return Ok(()) };
    state.remember(config, &state.note_about(worker).unwrap_or_default().renewed(config, worker))
}

/// Changes servers; gives the reason if they could not be changed.
fn apply(
    config: &Config,
    layout: &Layout,
    found: &Changes,
    runtime: Option<&Runtime>,
    state: &State,
    different: &str,
    talk: &mut Talk,
) -> Result<Option<String>, Failure> {
    let Some(runtime) = runtime else { return Ok(Some("its socket is not reached".to_owned())) };
    talk.say(format!("runtime: {different}"));
    state.begin(runtime.worker)?;
    let note = state.note_about(runtime.worker).unwrap_or_default().renewed(config, runtime.worker);
    match runtime.apply(found, layout, &note.parked) {
        Err(why) => Ok(Some(why)),
        Ok(parked) => {
            found.lines(&parked).iter().for_each(|line| talk.say(line));
            state.remember(config, &Note { parked, ..note }).map(|()| None)
        }
    }
}

/// Loads the file; whether it still is the file then.
fn load(
    args: &Args,
    config: &Config,
    layout: &Layout,
    instance: &Instance,
    state: &State,
    why: &str,
    talk: &mut Talk,
) -> Result<bool, Failure> {
    let method = args.method(instance, why)?;
    talk.say(format!("reload ({}): {why}", method.title()));
    let taken = reload(args, config, instance, method, talk)?;
    if !taken.is_proven || config.is_outdated() {
        return Ok(false);
    }
    talk.say(format!("worker {} runs '{}'", taken.worker.pid, config.path.display()));
    let is_unlike = args.runtime(instance, &taken.worker).is_some_and(|runtime| runtime.differs(layout));
    let note = Note { is_unlike, ..Note::default() }.renewed(config, &taken.worker);
    state.remember(config, &note).map(|()| true)
}

/// Says on stdout what would be done.
fn rehearse(args: &Args, state: &State) -> Result<(), Failure> {
    let config = Config::read(&args.config)?;
    let instance = Instance::find(&config, &args.hints())?;
    let text = config.text();
    let layout = Layout::read(&text);
    let worker = instance.worker();
    let runtime = worker.as_ref().and_then(|worker| args.runtime(&instance, worker));
    let lines = match decide(&config, &layout, worker.as_ref(), runtime.as_ref(), state, args.force) {
        Decision::Nothing(how) => format!("nothing to do: {how}\n"),
        Decision::Servers(found, why) if args.talk.verbose => {
            let lines = found.lines(&Parked::new());
            format!("runtime: {why}\n{}\n", lines.join("\n"))
        }
        Decision::Servers(_, why) => format!("runtime: {why}\n"),
        Decision::Reload(why) => format!("reload ({}): {why}\n", args.method(&instance, &why)?.title()),
    };
    let written = io::stdout().write_all(lines.as_bytes());
    written.map_err(|err| Failure::new(Code::Files, format!("cannot write 'stdout': {err}")))
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
            Method::Auto => reload::supported(instance),
            Method::Runtime => {
                let line = format!("cannot change 'haproxy' while it runs: {why}; --method auto reloads it");
                Err(Failure::new(Code::Haproxy, line))
            }
            method => Ok(method),
        }
    }

    /// The worker's socket for changes of servers, if they are wanted and the file is all that it runs.
    fn runtime<'a>(&self, instance: &'a Instance, worker: &'a Worker) -> Option<Runtime<'a>> {
        let is_wanted = matches!(self.method, Method::Auto | Method::Runtime);
        let is_all = instance.main.as_ref().is_none_or(|main| main.files().len() <= 1);
        let socket = instance.stats_socket.as_deref().filter(|_| is_wanted && is_all)?;
        Some(Runtime { socket, worker, version: worker.version?, patience: self.timeout })
    }

    /// The program to check with: the one named, the one that runs, or the one on the PATH.
    fn program(&self, instance: &Instance) -> PathBuf {
        let running = || instance.main.as_ref().and_then(process::Process::program);
        self.haproxy.clone().or_else(running).unwrap_or_else(|| "haproxy".into())
    }
}

/// What there is to do.
fn decide<'t>(
    config: &Config,
    layout: &Layout<'t>,
    worker: Option<&Worker>,
    runtime: Option<&Runtime>,
    state: &State,
    is_forced: bool,
) -> Decision<'t> {
    match worker {
        None => Decision::Reload("no worker says what it runs".to_owned()),
        Some(_) if is_forced => Decision::Reload("--force".to_owned()),
        Some(worker) => Facts { config, layout, worker, runtime, state }.decide(),
    }
}

/// Checks the file and reloads.
fn reload(
    args: &Args,
    config: &Config,
    instance: &Instance,
    method: Method,
    talk: &mut Talk,
) -> Result<Taken, Failure> {
    let program = args.program(instance);
    let load_time = check::check(config, instance, &program, args.timeout, talk)?;
    check::look_ahead(config, instance)?;
    let reload = Reload { config, instance, program: &program, load_time, timeout: args.timeout };
    reload.run(method, talk)
}

fn some_time(text: &str) -> Result<Duration, String> {
    let time = duration(text)?;
    if time.is_zero() { Err("HAProxy needs some time".to_owned()) } else { Ok(time) }
}
