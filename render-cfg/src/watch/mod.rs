//! `--watch`: look at once, and again whenever the nodes directory or the template changes; then `--then`.
//!
//! An event is a reason to look, never the truth: the kernel drops some, and of some file systems it sends none.
//! So everything is looked at every now and then in any case, and each look is that of a program that has just
//! been started. One thread does one thing at a time, so a look reads what came before it began.

mod debounce;
mod events;
mod poll;
mod reported;
mod retry;
mod route;
mod service_manager;
mod signals;
mod watcher;

use common::failure::{Code, Failure};
use common::messages::Messages;

use crate::args::Args;

use watcher::Watcher;

/// Watches until a signal ends it. Fails only if it was called wrongly or cannot begin.
pub(crate) fn watch(args: Args, messages: &mut Messages) -> Result<(), Failure> {
    if args.output.as_os_str() == "-" {
        return Err(Failure::new(Code::Usage, "cannot watch for 'stdout': name an --output"));
    }
    Watcher::start(args, messages)?.run()
}
