//! `--watch`: renders at once, and again whenever the nodes directory, the template or a file of settings changes; then
//! runs `--then`. That also runs at intervals, and when a file changes that it has listed.
//!
//! The kernel drops some events, and some file systems send none. So an event is only a reason to render: each render
//! reads all its input again, and renders also happen regularly without an event. One thread does one thing at a time,
//! so a render includes every change that came before it began.

mod debounce;
mod events;
mod faults;
mod poll;
mod reported;
mod retry;
mod route;
mod service_manager;
mod signals;
mod sources;
mod then_files;
mod then_runs;
mod watcher;

use common::failure::{Code, Failure};
use common::messages::Messages;

use crate::args::Args;

use watcher::Watcher;

/// Watches until a signal ends it. Fails only for a usage error, or if it cannot start.
pub(crate) fn watch(args: Args, messages: &mut Messages) -> Result<(), Failure> {
    if args.output.as_os_str() == "-" {
        return Err(Failure::new(Code::Usage, "cannot watch for 'stdout': give an --output"));
    }
    Watcher::start(args, messages)?.run()
}
