//! What is printed.

mod json;
mod line;
mod metrics;
mod servers;

use crate::sizing::limits::Signal;

pub(crate) use json::json;
pub(crate) use line::line;
pub(crate) use metrics::metrics;
pub(crate) use servers::servers;

/// The name of a signal on the command line.
pub(crate) fn word(signal: Signal) -> &'static str {
    match signal {
        Signal::Sessions => "sessions",
        Signal::Rate => "rate",
    }
}
