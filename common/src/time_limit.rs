//! A limit for a whole run, whatever it waits for: a lock and a check have theirs, a template that is a pipe or a
//! file system that went away has none.
//!
//! Serf runs one handler at a time and waits for it without end. coreutils' `timeout` around each step would do, but
//! costs two more process starts, and says nothing.

use std::process;
use std::thread::{self, Builder};
use std::time::Duration;

use clap::Args;
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::alarm;

use crate::duration::whole_seconds;
use crate::failure::{Code, Failure};
use crate::messages::{MessageArgs, Messages};

/// The option about it that all four programs take.
#[derive(Args, Clone, Debug, Default)]
pub struct TimeLimit {
    /// End with exit code 1 when not done after so long, whatever it waits for; in whole seconds
    #[arg(long, value_name = "TIME", value_parser = whole_seconds)]
    time_limit: Option<Duration>,
}

impl TimeLimit {
    /// Lets the time run from now on. When it is over the program says so and ends, in whatever state: what it
    /// writes is made for that, but for a file that can only be written in place. A program that it has started
    /// is left to itself.
    pub fn start(&self, program: &'static str, messages: &MessageArgs) {
        let Some(limit) = self.time_limit else { return };
        // Where not even that line can be said: a second later the kernel ends it, by SIGALRM.
        let mut alarm = SigSet::empty();
        alarm.add(Signal::SIGALRM);
        let _ = alarm.thread_unblock();
        // At most a day, see `duration`.
        alarm::set(u32::try_from(limit.as_secs() + 1).unwrap_or(u32::MAX));
        let messages = messages.clone();
        let watch = move || {
            thread::sleep(limit);
            let late = format!(
                "cannot finish: it has taken {}; see --time-limit",
                humantime::format_duration(limit)
            );
            Messages::open(program, &messages).fault(Failure::new(Code::Unforeseen, late));
            process::exit(Code::Unforeseen as i32);
        };
        // Without a thread there is the alarm.
        let _ = Builder::new().spawn(watch);
    }
}
