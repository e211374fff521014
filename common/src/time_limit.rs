//! A limit for a whole run. A lock and a check have limits of their own; opening a template that is a pipe, or a file on a
//! file system that does not respond, has none.
//!
//! Serf runs one handler at a time and waits for it for ever. coreutils' `timeout` around each step would do, but costs
//! two more process starts, and prints no error.

use std::process;
use std::thread::{self, Builder};
use std::time::Duration;

use clap::Args;
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::alarm;

use crate::duration::whole_seconds;
use crate::failure::{Code, Failure};
use crate::messages::{MessageArgs, Messages};

/// The time limit option of all programs.
#[derive(Args, Clone, Debug, Default)]
pub struct TimeLimit {
    /// End with exit code 1 after this time, even if not done; in whole seconds
    #[arg(long, value_name = "TIME", value_parser = whole_seconds)]
    time_limit: Option<Duration>,
}

impl TimeLimit {
    /// Starts the time limit. When it expires, the program reports that and ends, even in the middle of a step. Files stay whole,
    /// except one that can only be written in place. A program that it has started is not stopped.
    pub fn start(&self, program: &'static str, messages: &MessageArgs) {
        let Some(limit) = self.time_limit else { return };
        // If even that message cannot be written, SIGALRM ends the program a second later.
        let mut alarm = SigSet::empty();
        alarm.add(Signal::SIGALRM);
        let _ = alarm.thread_unblock();
        // At most a day, see `duration`.
        alarm::set(u32::try_from(limit.as_secs() + 1).unwrap_or(u32::MAX));
        let messages = messages.clone();
        let watch = move || {
            thread::sleep(limit);
            let late =
                format!("cannot finish within {}; see --time-limit", humantime::format_duration(limit));
            Messages::open(program, &messages).fault(Failure::new(Code::Unforeseen, late));
            process::exit(Code::Unforeseen as i32);
        };
        // If the thread cannot start, there is still the alarm.
        let _ = Builder::new().spawn(watch);
    }
}
