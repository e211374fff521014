//! Keeps the health of servers over a reload. Without this a new worker begins with every server up, dead or not.
//!
//! HAProxy loads the state of servers from the `server-state-file` at a reload, but also at a cold start, when the
//! state is out of date. So the file names servers only while a reload takes place. Nothing here may prevent a
//! reload: without the file only the health is lost.

mod rows;
mod servers;

use std::path::PathBuf;

use common::messages::Messages;
use thiserror::Error;

use crate::config::file::Config;
use crate::haproxy::instance::Instance;
use crate::reload::carried::{self, Unwritten, put};
use rows::HEAD;
use servers::Wanted;

/// Why the servers' health is not kept.
#[derive(Debug, Error)]
enum Loss {
    #[error("cannot ask HAProxy for 'show servers state': it does not answer")]
    Silence,
    #[error("cannot read the answer to 'show servers state': it begins with '{0}'")]
    Answer(String),
    #[error(
        "cannot use 'server-state-file': HAProxy warns about servers that start DOWN, and zero-warning makes that an error"
    )]
    ZeroWarning,
    #[error(transparent)]
    Write(#[from] Unwritten),
}

/// Reloads, with the servers' health in the file that the configuration names, if it names one.
pub(crate) fn kept_over<T>(
    config: &Config,
    instance: &Instance,
    messages: &mut Messages,
    reload: impl FnOnce(&mut Messages) -> T,
) -> T {
    let wanted = wanted(config);
    let Some(path) = wanted.file.as_ref().map(|file| directory(instance).join(file)) else {
        return reload(messages);
    };
    match text(&wanted, instance).and_then(|text| Ok(put(&path, &text)?)) {
        Ok(()) => carried::reload_with(&path, HEAD, messages, reload),
        Err(loss) => {
            messages.warn(format!("{loss}; the new worker starts with every server up"));
            reload(messages)
        }
    }
}

/// Makes the file that the configuration names if it is missing, and empties it if a run was killed in the
/// middle of a reload. Reports no failure: the next reload does.
pub(crate) fn tidy(config: &Config) {
    if let Some(path) = wanted(config).file.filter(|path| path.is_absolute()) {
        carried::tidy(&path, HEAD);
    }
}

fn wanted(config: &Config) -> Wanted {
    let text = config.text();
    // Reading ten thousand servers takes longer than changing one, and most files do not use this.
    if text.contains("server-state-file") { servers::wanted(&text) } else { Wanted::default() }
}

/// Where HAProxy looks for a relative path.
fn directory(instance: &Instance) -> PathBuf {
    let main = instance.main.as_ref().filter(|main| main.is_trusted());
    main.map_or_else(|| "/".into(), |main| main.directory())
}

/// The content of the file during a reload.
fn text(wanted: &Wanted, instance: &Instance) -> Result<String, Loss> {
    if wanted.forbids_warnings || instance.main.as_ref().is_some_and(|main| main.has_flag("-dW")) {
        return Err(Loss::ZeroWarning);
    }
    let answer = instance.ask_worker("show servers state").ok_or(Loss::Silence)?;
    let first = || answer.lines().next().unwrap_or_default().to_owned();
    rows::text(&answer, &wanted.servers).ok_or_else(|| Loss::Answer(first()))
}
