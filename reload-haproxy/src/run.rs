//! One run: it takes the lock, restores a rejected file so that it is tried again, and reconciles until HAProxy
//! runs the file that is on disk.

use std::path::Path;
use std::time::Instant;

use common::failure::{Code, Failure};
use common::messages::Messages;

use crate::args::Args;
use crate::config::file::Config;
use crate::config::sections::Layout;
use crate::decision::Decision;
use crate::files::refusals::Refusals;
use crate::haproxy::instance::Instance;
use crate::measure;
use crate::output;
use crate::reconcile::{Pass, Reconcile};
use crate::reload::attempt::Unproven;
use crate::reload::counters;
use crate::reload::health;
use crate::servers::reason::Reason;
use crate::settled;
use crate::state::directory::StateDir;
use crate::state::rollback::Rollback;

/// How long a run keeps reloading a file that keeps changing, in multiples of `--timeout`.
const RELOADS_MAX: u32 = 3;
/// So many passes a run may make even if each takes long: a large map alone may take that time.
const PASSES_MIN: u32 = 5;

/// Runs what the command line asks for.
pub(crate) fn run(args: &Args, messages: &mut Messages) -> Result<(), Failure> {
    if args.status && args.metrics.are_wanted() {
        return measure::publish(args, messages);
    }
    if args.only_look() {
        let path = Config::resolve(&args.config)?;
        return inspect(args, &path, &StateDir::read_only(&args.state_dir, &path));
    }
    let result = apply(args, messages);
    measure::end_run(args, &result, messages);
    result
}

/// Makes HAProxy run the file.
fn apply(args: &Args, messages: &mut Messages) -> Result<(), Failure> {
    let path = Config::resolve(&args.config)?;
    let state = StateDir::lock(&args.state_dir, &path, args.lock_timeout)?;
    let rollback = Rollback::new(&state, &path, args.lock_timeout);
    if rollback.due().is_some() {
        // If no HAProxy runs, the file cannot be tried, and the next start needs the good one.
        Instance::find(&Config::read(&path)?, &args.hints())?;
        rollback.try_again(messages)?;
    }
    let reconciled = reconcile_until_stable(args, &path, &state, messages);
    measure::keep_counts(&state, messages);
    match reconciled {
        // Bad files are reported after everything else was done.
        Ok(bad_files) => rollback.forget().and(bad_files.map_or(Ok(()), Err)),
        Err(unproven) => {
            let line = rollback.put_back(unproven.refused.as_deref());
            Err(unproven.end(line))
        }
    }
}

/// Reconciles until HAProxy runs the file that is on disk. Returns the failure that names files that must not be loaded.
fn reconcile_until_stable(
    args: &Args,
    path: &Path,
    state: &StateDir,
    messages: &mut Messages,
) -> Result<Option<Failure>, Unproven> {
    let deadline = Instant::now() + RELOADS_MAX * args.timeout;
    let mut force = args.force;
    let mut refused = Refusals::default();
    let mut passes = 0;
    loop {
        passes += 1;
        // Read under the lock: a run that waited reads the latest file, and mostly has nothing to do.
        let config = Config::read(path)?;
        health::tidy(&config);
        counters::tidy(&config);
        let instance = Instance::find(&config, &args.hints())?;
        let text = config.text();
        let layout = Layout::new(&text);
        let pass = Reconcile::new(args, &config, &layout, &instance, state, &refused);
        if let Pass::Done = pass.apply(std::mem::take(&mut force), &mut refused, messages)? {
            return Ok(refused.failure(pass.unreadable()));
        }
        if passes >= PASSES_MIN && Instant::now() >= deadline {
            let line = "it keeps changing while HAProxy loads it; run again once it is stable";
            let line = format!("cannot load '{}': {line}", path.display());
            return Err(Failure::new(Code::Haproxy, line).into());
        }
    }
}

/// Prints what runs, or what would be done.
fn inspect(args: &Args, path: &Path, state: &StateDir) -> Result<(), Failure> {
    let config = Config::read(path)?;
    if args.up || args.health {
        let instance = Instance::seek(&config, &args.hints())?;
        let print = if args.up { output::up::print_up } else { output::up::print_health };
        return print(instance.as_ref());
    }
    if args.status {
        return settled::print_status(args, path, state);
    }
    let instance = Instance::find(&config, &args.hints())?;
    let text = config.text();
    let layout = Layout::new(&text);
    let reconcile = Reconcile::new(args, &config, &layout, &instance, state, &Refusals::default());
    let rollback = Rollback::new(state, path, args.lock_timeout);
    let again = |refused: &Path| Reason::TriedAgain(refused.display().to_string());
    let refused = rollback.due().map(|refused| Decision::Reload(again(refused)));
    reconcile.dry_run(refused.unwrap_or_else(|| reconcile.decide(args.force)))
}
