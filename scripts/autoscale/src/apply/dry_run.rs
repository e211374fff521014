//! What --dry-run prints.

use std::io::{self, Write};

use super::decision::deed::Deed;
use super::engine::command;
use super::setup::settings::Settings;

/// Prints what would be done.
pub(crate) fn show(settings: &Settings, deed: &Deed) {
    match deed {
        Deed::Run(wish, _) => {
            let shown = command(settings, wish).map(|words| words.shown()).unwrap_or_default();
            print(&format!("would run {shown}, to {}: {}", wish.deed, wish.because));
        }
        Deed::Wait { deed, left, .. } => {
            print(&format!("would wait {} s before it tries again to {deed}", left.div_ceil(1000)));
        }
        Deed::Settle { .. } | Deed::Note(_) | Deed::Forget { .. } => {}
    }
}

/// Prints a line.
pub(crate) fn print(line: &str) {
    // A closed stdout must not make the run fail.
    let _ = writeln!(io::stdout(), "{line}");
}
