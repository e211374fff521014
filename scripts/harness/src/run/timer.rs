//! Runs a command on a timer, as cron or a systemd timer does: one run at a time, each starting one period after the
//! end of the one before.

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
                // The command logs its own errors, and the next run retries.
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
            // A panic in the thread has already been printed on stderr.
            let _ = thread.join();
        }
    }
}
