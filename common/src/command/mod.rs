//! Running another program with a limit on its time and on how much of its output is kept.
//!
//! The wait ends when the program exits, not when its output ends: a daemon that it leaves behind keeps the pipe open.

mod ahead;
mod gentle;
mod output_pipe;

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;

pub use ahead::Ahead;
pub use gentle::{Limits, end_group, run_gently};
pub use output_pipe::Kept;
use output_pipe::OutputPipe;

/// How a program ended.
#[derive(Debug)]
pub struct Outcome {
    /// Its exit status; `None` if it was ended at the time limit.
    pub status: Option<ExitStatus>,
    /// 64 KiB of its stdout and stderr, in the order of writing, without NUL bytes: the first ones, unless `Limits` say
    /// otherwise.
    pub words: String,
}

/// Runs `command` without input, in a process group of its own, and waits for its exit. At `timeout` the whole group is
/// killed. A process that it leaves behind when it exits in time is not. Fails if it cannot be started.
pub fn run(command: &mut Command, timeout: Duration) -> io::Result<Outcome> {
    run_beside(command, timeout, || {})
}

/// The same, and does `work` while the command runs. If that takes longer than `timeout`, the limit is checked after it.
pub fn run_beside(command: &mut Command, timeout: Duration, work: impl FnOnce()) -> io::Result<Outcome> {
    let output = OutputPipe::open(Kept::First)?;
    attach(command, &output)?;
    let child = command.process_group(0).spawn();
    let status = child.and_then(|child| wait(child, timeout, work));
    let words = output.end();
    Ok(Outcome { status: status?, words })
}

fn attach(command: &mut Command, output: &OutputPipe) -> io::Result<()> {
    command.stdin(Stdio::null()).stdout(output.pipe.try_clone()?).stderr(output.pipe.try_clone()?);
    Ok(())
}

fn wait(mut child: Child, timeout: Duration, work: impl FnOnce()) -> io::Result<Option<ExitStatus>> {
    let ended = has_ended(&child, timeout, work);
    if !matches!(ended, Ok(true)) {
        // It has not been reaped, so its id cannot be another group's.
        killpg(id(&child), Signal::SIGKILL)?;
    }
    let status = child.wait()?;
    Ok(ended?.then_some(status))
}

/// Waits for the child's exit, at most `timeout`, without reaping it: until then its process id is not reused, and is
/// safe to kill. A thread waits, so that the exit is noticed at once.
fn has_ended(child: &Child, timeout: Duration, work: impl FnOnce()) -> io::Result<bool> {
    let pid = id(child);
    let start = Instant::now();
    let (sender, receiver) = mpsc::channel();
    thread::Builder::new().spawn(move || {
        while waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) == Err(Errno::EINTR) {}
        // After the timeout there is no receiver.
        let _ = sender.send(());
    })?;
    work();
    Ok(receiver.recv_timeout(timeout.saturating_sub(start.elapsed())).is_ok())
}

fn id(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).expect("Linux's process ids are below 2^22"))
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::fs::OpenOptions;
    use std::io::Write;

    const LONG: Duration = Duration::from_secs(60);

    fn shell(script: &str, timeout: Duration) -> Outcome {
        run(Command::new("sh").args(["-c", script]), timeout).unwrap()
    }

    /// Whether a process lives; a zombie does not.
    fn lives(pid: &str) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
        stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['Z', 'X']))
    }

    fn until(what: &str, is_so: impl Fn() -> bool) {
        let deadline = Instant::now() + LONG;
        while !is_so() {
            assert!(Instant::now() < deadline, "timed out waiting for {what}");
            thread::yield_now();
        }
    }

    #[test]
    fn the_exit_status_and_the_output_are_kept() {
        let outcome = shell("echo out; echo err >&2; echo again >/dev/stderr; exit 3", LONG);
        assert_eq!(outcome.status.and_then(|status| status.code()), Some(3));
        assert_eq!(outcome.words, "out\nerr\nagain\n");
    }

    #[test]
    fn a_program_that_does_not_end_is_killed_with_its_children() {
        let script = "sleep 600 & echo $!; sleep 601 & echo $!; wait";
        let outcome = shell(script, Duration::from_millis(500));
        assert!(outcome.status.is_none());
        let pids: Vec<&str> = outcome.words.lines().collect();
        assert_eq!(pids.len(), 2);
        until("the children's end", || pids.iter().all(|pid| !lives(pid)));
    }

    #[test]
    fn a_program_that_exits_in_time_is_not_killed_because_of_long_work_beside_it() {
        let mut command = Command::new("sh");
        let outcome = run_beside(command.args(["-c", "echo done"]), Duration::from_millis(500), || {
            thread::sleep(Duration::from_secs(1));
        });
        assert!(outcome.unwrap().status.unwrap().success());
    }

    #[test]
    fn a_program_that_writes_too_much_succeeds_and_its_first_output_is_kept() {
        let outcome = shell("set -e; echo first; head -c 50000000 /dev/zero | tr '\\0' x; echo last", LONG);
        assert!(outcome.status.unwrap().success());
        assert_eq!(outcome.words.len(), output_pipe::OUTPUT_MAX);
        assert!(outcome.words.starts_with("first\nxxx"));
    }

    #[test]
    fn a_daemon_that_stays_is_not_waited_for_and_can_go_on_writing() {
        // It writes only when the run is over: far more than a pipe holds, with a plain SIGPIPE.
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str| dir.path().join(name).display().to_string();
        let (go, done) = (file("go"), file("done"));
        nix::unistd::mkfifo(go.as_str(), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let daemon = format!(
            "read line <{go}; i=0; while [ $i -lt 3000 ]; do i=$((i+1)); \
             echo 0123456789012345678901234567890123456789 || :; done; echo end >&2; : >{done}"
        );
        let outcome = shell(&format!("echo begin; ({daemon}) 2>&1 & echo $!"), LONG);
        assert!(outcome.status.unwrap().success());
        let pid = outcome.words.strip_prefix("begin\n").unwrap().to_owned();
        assert!(lives(&pid), "a daemon that stays after success is not killed");
        OpenOptions::new().write(true).open(&go).unwrap().write_all(b"go\n").unwrap();
        until("the daemon's end", || !lives(&pid));
        assert!(std::path::Path::new(&done).exists(), "its output killed it");
    }

    #[test]
    fn a_missing_program_is_an_error() {
        assert!(run(&mut Command::new("/nonexistent/program"), Duration::from_secs(1)).is_err());
    }
}
