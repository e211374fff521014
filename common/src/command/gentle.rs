//! Runs a command that is asked to end before it is killed. A signal to this program ends it early.
//!
//! SIGTERM goes to the command's whole process group, because a script does not pass a signal on. What is left of the
//! group after a while gets SIGKILL.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::output_pipe::{Kept, OutputPipe};
use super::{Outcome, attach, id};

/// The longest pause between two checks whether a command has ended.
const PAUSE: Duration = Duration::from_millis(20);

/// How long a command may run.
#[derive(Clone, Copy, Debug)]
pub struct Limits<'a> {
    /// It is ended after this time.
    pub timeout: Duration,
    /// How long its processes may take to end after SIGTERM.
    pub grace: Duration,
    /// It is ended as soon as this is set.
    pub is_interrupted: &'a AtomicBool,
    /// Whether its stderr is kept with its stdout. Otherwise its stderr is that of this program.
    pub keeps_stderr: bool,
    /// Which part of its output is kept, if it is long.
    pub kept: Kept,
}

/// Runs `command` without input, in a process group of its own, and waits for its exit; `started` gets its process id.
/// If it does not end within the limits, the whole group is ended, and its status is `None`. If it does, a process that it
/// leaves in the background goes on. Fails if the command cannot be started.
pub fn run_gently(
    command: &mut Command,
    limits: &Limits<'_>,
    started: impl FnOnce(u32),
) -> io::Result<Outcome> {
    let output = OutputPipe::open(limits.kept)?;
    attach(command, &output)?;
    if !limits.keeps_stderr {
        command.stderr(Stdio::inherit());
    }
    let child = command.process_group(0).spawn();
    let status = child.and_then(|child| {
        started(child.id());
        wait(child, limits)
    });
    let words = output.end();
    Ok(Outcome { status: status?, words })
}

/// Ends a process group: SIGTERM, and SIGKILL for what is left after `grace`. `reap` collects the exit status of a child
/// among them, which would otherwise seem to be left.
pub fn end_group(group: u32, grace: Duration, mut reap: impl FnMut()) {
    let group = pid(group);
    let deadline = Instant::now() + grace;
    let mut is_left = killpg(group, Signal::SIGTERM).is_ok();
    while is_left && Instant::now() < deadline {
        thread::sleep(PAUSE);
        reap();
        is_left = killpg(group, None).is_ok();
    }
    if is_left {
        // This fails only if the group has just ended.
        let _ = killpg(group, Signal::SIGKILL);
    }
}

fn wait(mut child: Child, limits: &Limits<'_>) -> io::Result<Option<ExitStatus>> {
    let deadline = Instant::now() + limits.timeout;
    let mut pause = Duration::from_millis(1);
    while Instant::now() < deadline && !limits.is_interrupted.load(Ordering::SeqCst) {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        thread::sleep(pause);
        pause = (pause * 2).min(PAUSE);
    }
    let group = id(&child).as_raw().unsigned_abs();
    end_group(group, limits.grace, || {
        // This fails only if it is not a child.
        let _ = child.try_wait();
    });
    child.wait().map(|_| None)
}

fn pid(number: u32) -> Pid {
    Pid::from_raw(i32::try_from(number).expect("Linux's process ids are below 2^22"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn shell(script: &str, timeout: Duration, grace: Duration, is_interrupted: bool) -> Outcome {
        let is_interrupted = &AtomicBool::new(is_interrupted);
        let limits = Limits { timeout, grace, is_interrupted, keeps_stderr: true, kept: Kept::Last };
        let mut pid = 0;
        let outcome = run_gently(Command::new("sh").args(["-c", script]), &limits, |id| pid = id).unwrap();
        assert_ne!(pid, 0);
        outcome
    }

    #[test]
    fn a_command_that_ends_in_time_has_its_status_and_output() {
        let outcome = shell("echo out; exit 3", LONG, LONG, false);
        assert_eq!(outcome.status.and_then(|status| status.code()), Some(3));
        assert_eq!(outcome.words, "out\n");
    }

    #[test]
    fn the_end_of_a_long_output_can_be_kept() {
        let outcome =
            shell("echo first; head -c 300000 /dev/zero | tr '\\0' x; echo; echo last", LONG, LONG, false);
        assert!((60_000..=64 * 1024).contains(&outcome.words.len()), "{}", outcome.words.len());
        assert!(outcome.words.starts_with('x') && outcome.words.ends_with("x\nlast\n"));
    }

    #[test]
    fn stdout_can_be_kept_alone() {
        let is_interrupted = &AtomicBool::new(false);
        let limits =
            Limits { timeout: LONG, grace: LONG, is_interrupted, keeps_stderr: false, kept: Kept::First };
        let mut command = Command::new("sh");
        let outcome = run_gently(command.args(["-c", "echo out; echo err >&2"]), &limits, |_| {}).unwrap();
        assert_eq!(outcome.words, "out\n");
    }

    #[test]
    fn at_the_limit_the_whole_group_is_asked_to_end() {
        let script = "trap 'echo asked; exit' TERM; sh -c 'trap \"echo too; exit\" TERM; sleep 600 & wait' & sleep 600 & wait";
        let start = Instant::now();
        let outcome = shell(script, Duration::from_millis(500), LONG, false);
        assert!(outcome.status.is_none());
        assert!(outcome.words.contains("asked\n") && outcome.words.contains("too\n"), "{}", outcome.words);
        assert!(start.elapsed() < LONG, "what had ended was waited for");
    }

    #[test]
    fn a_command_that_ignores_sigterm_is_killed() {
        let start = Instant::now();
        let outcome =
            shell("trap '' TERM; sleep 600; sleep 600", Duration::from_millis(200), PAUSE * 5, false);
        assert!(outcome.status.is_none() && start.elapsed() < LONG);
    }

    #[test]
    fn an_interrupt_ends_it_before_the_limit() {
        let start = Instant::now();
        assert!(shell("sleep 600", LONG, LONG, true).status.is_none());
        assert!(start.elapsed() < LONG);
    }
}
