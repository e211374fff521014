//! A command on a timer, as cron or a systemd timer would run it: one run at a time, the next one a period after
//! the end of the last.

use std::process::Command;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

/// Runs a command repeatedly. When dropped, it waits for the current run.
#[derive(Debug)]
pub(crate) struct Timer {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Timer {
    pub(crate) fn start(period: Duration, mut command: Command) -> Timer {
        let (stop, stopped) = mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            while stopped.recv_timeout(period) == Err(RecvTimeoutError::Timeout) {
                // Its errors are in its own log, and the next run retries.
                let _ = command.status();
            }
        });
        Timer { stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic in it has been reported on stderr.
            let _ = thread.join();
        }
    }
}
