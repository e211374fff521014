//! The command that runs, noted for the next run: if this program is killed, the command goes on without a lock.
//!
//! The command does not inherit the lock, because a process that it leaves in the background would hold the lock for ever.
//! So the next run gets the lock at once. It waits for the command's process, and ends its group when its time is over.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use common::command::end_group;
use serde::{Deserialize, Serialize};

use crate::sizing::look::Millis;

/// How long a command may take to end after SIGTERM.
pub(crate) const GRACE: Duration = Duration::from_secs(5);

const PAUSE: Duration = Duration::from_millis(50);

/// A command's process, which leads a group of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Running {
    pub(crate) process: u32,
    /// When it started, in the ticks of /proc. Later another process may get the same id.
    pub(crate) started: u64,
    /// What it does.
    pub(crate) goal: String,
    /// The time at which it is ended.
    pub(crate) until: Millis,
}

impl Running {
    /// The command that has just started; `None` if it has already ended.
    pub(crate) fn of(process: u32, goal: &str, until: Millis) -> Option<Running> {
        Some(Running { process, started: started(process)?, goal: goal.to_owned(), until })
    }

    /// Whether it still runs.
    pub(crate) fn lives(&self) -> bool {
        started(self.process) == Some(self.started)
    }

    /// Waits until the command ends, or ends it when its time is over. After a signal it only stops waiting.
    pub(crate) fn wait(&self, now: impl Fn() -> Millis, is_interrupted: &AtomicBool) {
        while self.lives() && !is_interrupted.load(Ordering::SeqCst) {
            if now() >= self.until {
                return end_group(self.process, GRACE, || {});
            }
            thread::sleep(PAUSE);
        }
    }
}

/// When a process started, in ticks since the start of the machine. `None` if it has ended, even if it is still a zombie.
fn started(process: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The program's name in front of it may contain blanks and parentheses.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    let is_over = matches!(fields.next()?, "Z" | "X");
    fields.nth(18)?.parse().ok().filter(|_| !is_over)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    #[test]
    fn a_process_that_has_the_same_id_later_is_not_waited_for() {
        let own = Running::of(std::process::id(), "test", 0).unwrap();
        assert!(own.lives());
        let other = Running { started: own.started + 1, ..own };
        assert!(!other.lives());
        other.wait(|| 0, &AtomicBool::new(false));
    }

    #[test]
    fn a_command_whose_time_is_over_is_ended() {
        let mut child = Command::new("sleep").arg("600").process_group(0).spawn().unwrap();
        let running = Running::of(child.id(), "test", 5).unwrap();
        let waiter = thread::spawn(move || child.wait().unwrap());
        running.wait(|| 5, &AtomicBool::new(false));
        assert!(!waiter.join().unwrap().success());
        assert!(!running.lives());
    }
}
