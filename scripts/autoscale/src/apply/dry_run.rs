//! What --dry-run prints.

use std::io::{self, Write};

use super::decision::action::Action;
use super::engine::command;
use super::setup::settings::Settings;

/// Prints what would be done.
pub(crate) fn show(settings: &Settings, action: &Action) {
    match action {
        Action::Run(order, _) => {
            let shown = command(settings, order).map(|words| words.shown()).unwrap_or_default();
            print(&format!("would run {shown}, to {}: {}", order.goal, order.because));
        }
        Action::Wait { goal, left, .. } => {
            print(&format!("would wait {} s before it tries again to {goal}", left.div_ceil(1000)));
        }
        Action::Settle { .. } | Action::Note(_) | Action::Forget { .. } => {}
    }
}

/// Prints a line.
pub(crate) fn print(line: &str) {
    // A closed stdout must not make the run fail.
    let _ = writeln!(io::stdout(), "{line}");
}
