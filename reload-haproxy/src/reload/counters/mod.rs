//! Keeps HAProxy's counters over a reload. Without this every count begins at zero with the new worker.
//!
//! HAProxy 3.0 and later load the counters from the `stats-file`, for all objects with a `guid`. They do so at a
//! cold start, too, where the counts would be those of an earlier reload: a monitor that sees a count fall to a
//! number takes all of that number for new, but knows what a fall to zero means. So the file holds counts only while
//! a reload takes place. Nothing here may prevent a reload: without the file only the counts are lost.
//!
//! What the old worker still does after the dump is not in it. `shm-stats-file` (3.3) would have it, but up to 3.4.7
//! it loses the counts of backends, and HAProxy dies of an empty file, so it is not used.

mod dump;
mod guids;
mod named;

use common::messages::Messages;
use thiserror::Error;

use crate::config::file::Config;
use crate::haproxy::instance::Instance;
use crate::reload::carried::{self, Unwritten, put};
use dump::{Dump, HEAD};
use guids::Guids;
use named::{Named, named};

/// Why the counters are not kept.
#[derive(Debug, Error)]
enum Loss {
    #[error("cannot ask HAProxy for 'dump stats-file': it does not answer")]
    Silence,
    #[error("cannot read the answer to 'dump stats-file': it begins with '{0}'")]
    Answer(String),
    #[error(transparent)]
    Write(#[from] Unwritten),
}

/// Reloads, with the counters in the file that the configuration names, if it names one. The file is written as
/// late as possible.
pub(crate) fn kept_over<T>(
    config: &Config,
    instance: &Instance,
    messages: &mut Messages,
    reload: impl FnOnce(&mut Messages) -> T,
) -> T {
    let path = match named(config) {
        Named::Nothing => return reload(messages),
        Named::Unclear { line, why } => {
            messages.verbose(format!("the counters are not kept: 'stats-file' in line {line} {why}"));
            return reload(messages);
        }
        Named::File(path) => path,
    };
    let written = dump(config, instance).and_then(|dump| {
        put(&path, &dump.text)?;
        Ok(dump.objects)
    });
    match written {
        Ok(objects) => {
            messages.verbose(format!("'{}' carries the counters of {objects} objects", path.display()));
            carried::reload_with(&path, HEAD, messages, reload)
        }
        Err(loss) => {
            messages.warn(format!("{loss}; the new worker starts with its counters at zero"));
            reload(messages)
        }
    }
}

/// Makes the file that the configuration names if it is missing, because HAProxy warns then, and empties it if a
/// run was killed in the middle of a reload.
pub(crate) fn tidy(config: &Config) {
    if let Named::File(path) = named(config) {
        carried::tidy(&path, HEAD);
    }
}

/// The counters of the running worker, as the new one can load them.
fn dump(config: &Config, instance: &Instance) -> Result<Dump, Loss> {
    let answer = instance.ask_worker("dump stats-file").ok_or(Loss::Silence)?;
    let first = || answer.lines().next().unwrap_or_default().to_owned();
    dump::read(&answer, &Guids::read(&config.text())).ok_or_else(|| Loss::Answer(first()))
}
