//! The options that `autoscale` gets unless the operator has given them: its state, its log, and its time limit.

use std::io;
use std::path::PathBuf;

use common::failure::{Code, Failure};
use common::regular_file;
use common::replace::Staged;
use tempfile::TempDir;

use super::args::Args;
use super::settings::Settings;

/// The state of `autoscale`, in the state directory.
const STATE: &str = "autoscale.json";
/// The limit of `state_file`.
const STATE_MAX: u64 = 4 << 20;

/// A copy of the state of `autoscale`, which a dry run may change. If `autoscale` runs on another machine or in a container,
/// there is no copy, and the number is what this moment needs.
pub(crate) fn scratch(args: &Args, settings: &Settings) -> Result<Option<TempDir>, Failure> {
    if !args.dry_run || !settings.is_local {
        return Ok(None);
    }
    let failed = |err: io::Error| Failure::new(Code::Files, format!("cannot copy '{STATE}': {err}"));
    let scratch = TempDir::new().map_err(failed)?;
    if let Ok(bytes) = regular_file::read(&args.state_dir.join(STATE), STATE_MAX) {
        Staged::write(&scratch.path().join(STATE), &bytes, 0o600).and_then(Staged::rename).map_err(failed)?;
    }
    Ok(Some(scratch))
}

/// The options that `autoscale` gets unless the operator gave them.
pub(crate) fn additions(
    args: &Args,
    settings: &Settings,
    scratch: Option<&TempDir>,
) -> Vec<(&'static str, String)> {
    let limit = ("--time-limit", format!("{}s", settings.step_timeout.as_secs()));
    let shown = |path: PathBuf| path.display().to_string();
    if args.dry_run {
        let state = scratch.map(|scratch| ("--state", shown(scratch.path().join(STATE))));
        return state.into_iter().chain([limit]).collect();
    }
    let mut all = vec![limit, ("--state", shown(args.state_dir.join(STATE)))];
    if let Some(log) = &args.messages.log {
        all.push(("--log", shown(log.clone())));
        all.push(("--log-state", shown(args.state_dir.join("autoscale.faults"))));
    }
    all
}
