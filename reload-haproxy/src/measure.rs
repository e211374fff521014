//! Metrics: collects what they are made from, and prints or writes them; and counts how a run has ended.
//!
//! Counting must not harm a run: if it fails, that is logged, and the run ends as it would have ended.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

use common::failure::{Code, Failure};
use common::messages::Messages;
use common::records::read_all;
use common::replace::Staged;

use crate::args::Args;
use crate::config::file::Config;
use crate::haproxy::certificates::{Expiry, first_expiry};
use crate::output::metrics::Metrics;
use crate::output::report::print;
use crate::output::status::Status;
use crate::settled;
use crate::state::counter_file::CounterFile;
use crate::state::counters::{Counters, OWN_NAME};
use crate::state::directory::StateDir;

/// node_exporter has a user of its own.
const FILE_MODE: u32 = 0o644;

/// What is found out now, beside the counters.
#[derive(Default)]
struct Findings {
    status: Option<Status>,
    expiry: Option<Expiry>,
    nodes: Option<BTreeMap<String, usize>>,
}

/// Notes how a run has ended, and with --metrics-file writes the metrics.
pub(crate) fn end_run(args: &Args, result: &Result<(), Failure>, messages: &mut Messages) {
    let state = state(args);
    let noted = match result {
        Ok(()) => state.note_success(),
        Err(failure) => {
            state.count(|counters| counters.end(OWN_NAME, failure.code as u8));
            state.keep_counts()
        }
    };
    // If the state directory cannot be used, that is the run's own fault.
    if noted.is_ok() && args.metrics.are_wanted() {
        publish(args, messages).unwrap_or_else(|failure| messages.standing_warning(failure.line));
    }
}

/// Adds what a run has counted to the counters.
pub(crate) fn keep_counts(state: &StateDir, messages: &mut Messages) {
    if let Err(err) = state.keep_counts() {
        messages.standing_warning(format!("cannot count what was done: {err}"));
    }
}

/// Counts what --ended has, and prints or writes the metrics.
pub(crate) fn publish(args: &Args, messages: &mut Messages) -> Result<(), Failure> {
    let state = state(args);
    let findings = Findings::now(args, &state, messages);
    // Locked until the file is written: older numbers after newer ones would look like a restart.
    let counters = count_ended(args, &state)?;
    let none = Counters::default();
    let metrics = Metrics {
        counters: counters.as_ref().map_or(&none, CounterFile::counters),
        times: state.times(),
        status: findings.status.as_ref(),
        expiry: findings.expiry.as_ref(),
        nodes: findings.nodes.as_ref(),
    };
    let text = metrics.text();
    let written = args.metrics.metrics_file.as_ref().map_or(Ok(()), |path| write(path, &text));
    // A pipe that nobody reads must not keep other runs from counting.
    drop(counters);
    if args.metrics.metrics { print(&text).and(written) } else { written }
}

/// Counts what --ended has. Returns the counters, locked; `None` if no run has made their directory yet.
fn count_ended(args: &Args, state: &StateDir) -> Result<Option<CounterFile>, Failure> {
    let mut ended = Counters::default();
    args.metrics.ended.iter().for_each(|(program, code)| ended.end(program, *code));
    let counters = state.counters().and_then(|mut counters| counters.add(&ended).map(|()| counters));
    match counters {
        Ok(counters) => Ok(Some(counters)),
        Err(err) if err.kind() == ErrorKind::NotFound && args.metrics.ended.is_empty() => Ok(None),
        Err(err) => {
            let line = format!("cannot use the counters in '{}': {err}", args.state_dir.display());
            Err(Failure::new(Code::Files, line))
        }
    }
}

/// Replaces the file at `path`. It is not synced, because the next run writes it again.
fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let written = Staged::write(path, text.as_bytes(), FILE_MODE).and_then(Staged::rename);
    written.map_err(|err| Failure::new(Code::Files, format!("cannot write '{}': {err}", path.display())))
}

/// The state directory, also if the configuration is not there.
fn state(args: &Args) -> StateDir {
    let path = Config::resolve(&args.config).unwrap_or_else(|_| args.config.clone());
    StateDir::read_only(&args.state_dir, &path)
}

impl Findings {
    fn now(args: &Args, state: &StateDir, messages: &mut Messages) -> Findings {
        let nodes = args.metrics.nodes.as_ref().and_then(|path| match read_all(path) {
            Ok((nodes, _)) => Some(nodes),
            Err(err) => {
                messages.standing_warning(err);
                None
            }
        });
        let nodes = nodes.map(|nodes| {
            let mut roles = BTreeMap::new();
            nodes.into_iter().for_each(|node| *roles.entry(node.role).or_default() += 1);
            roles
        });
        let (status, expiry) = Findings::of_haproxy(args, state).unzip();
        Findings { status, expiry: expiry.flatten(), nodes }
    }

    /// What runs, and the first certificate that expires; `None` if no HAProxy is found. The metrics tell that.
    fn of_haproxy(args: &Args, state: &StateDir) -> Option<(Status, Option<Expiry>)> {
        let (status, instance) = settled::status(args, &args.config, state).ok()?;
        Some((status, first_expiry(&instance)))
    }
}
