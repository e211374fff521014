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
mod service_manager;
mod signals;
mod then;
mod watcher;

use std::time::Duration;

use common::duration::duration;
use common::failure::{Code, Failure};
use common::messages::Messages;

use crate::{Args, some_time};

use then::Then;
use watcher::Watcher;

/// The options about watching.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct WatchArgs {
    /// Go on, and render whenever the nodes directory or the template changes
    #[arg(long, conflicts_with_all = ["diff", "dry_run", "time_limit"])]
    pub(crate) watch: bool,
    /// How long to wait after a change for another one
    #[arg(long, value_name = "TIME", default_value = "100ms", value_parser = duration, requires = "watch")]
    quiet_for: Duration,
    /// How long to wait after the first of many changes
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = duration, requires = "watch")]
    at_most: Duration,
    /// How often to look without having been told of a change
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = some_time, requires = "watch")]
    look_every: Duration,
    /// Command to run after each change of the output, again and again until it succeeds
    #[arg(long, value_name = "CMD", value_parser = Then::parse, requires = "watch")]
    then: Option<Then>,
    /// How long that may take
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = some_time, requires = "watch")]
    then_timeout: Duration,
    /// Write a newline to this file descriptor when ready (s6); systemd is told by itself
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(3..), requires = "watch")]
    ready_fd: Option<i32>,
}

/// Watches until a signal ends it. Fails only if it was called wrongly or cannot begin.
pub(crate) fn watch(args: Args, messages: &mut Messages) -> Result<(), Failure> {
    if args.output.as_os_str() == "-" {
        return Err(Failure::new(Code::Usage, "cannot watch for 'stdout': name an --output"));
    }
    Watcher::start(args, messages)?.run()
}
