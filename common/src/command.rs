//! Running another program with a limit on its time and on what is kept of its words.
//!
//! Its words go to a pipe that is drained while it runs, and its exit ends the wait, never the end of the
//! pipe: a daemon that stays behind holds that open (HAProxy 1.8 does). Such a daemon must not suffer when
//! this program goes, so it holds the pipe for reading too: no SIGPIPE, and a full pipe says EAGAIN. A file
//! in memory grows without bound; sealed, it makes a talkative `sh` fail, and `>/dev/stderr` at once.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::{Pid, pipe2};

/// More of what a program says than this is not kept. It is as much as a pipe holds: one read empties it.
const WORDS_MAX: usize = 64 * 1024;

/// How a program ended.
#[derive(Debug)]
pub struct Outcome {
    /// Its exit status; `None` if its time was over and it was killed.
    pub status: Option<ExitStatus>,
    /// What it wrote to stdout and stderr, in that order of time, the first 64 KiB; NUL bytes are left out.
    pub words: String,
}

/// Runs `command` without input and waits for its exit, at most `timeout`; then it is killed with all its
/// process group, which is its own. What it leaves behind when it ends by itself is left alone. Fails if it
/// cannot be started.
pub fn run(command: &mut Command, timeout: Duration) -> io::Result<Outcome> {
    run_beside(command, timeout, || {})
}

/// The same, and does `work` once the command has been started. If that takes longer than `timeout`, the
/// command is judged when it is done.
pub fn run_beside(command: &mut Command, timeout: Duration, work: impl FnOnce()) -> io::Result<Outcome> {
    let words = Words::listen()?;
    command.stdin(Stdio::null()).stdout(words.pipe.try_clone()?).stderr(words.pipe.try_clone()?);
    let child = command.process_group(0).spawn();
    let status = child.and_then(|child| wait(child, timeout, work));
    let words = words.end();
    Ok(Outcome { status: status?, words })
}

fn wait(mut child: Child, timeout: Duration, work: impl FnOnce()) -> io::Result<Option<ExitStatus>> {
    let ended = has_ended(&child, timeout, work);
    if !matches!(ended, Ok(true)) {
        // It has not been reaped, so its id is no other group's.
        killpg(id(&child), Signal::SIGKILL)?;
    }
    let status = child.wait()?;
    Ok(ended?.then_some(status))
}

/// Waits for the child's end, at most `timeout`, without reaping it: until somebody does, its process id
/// is nobody else's, and may be killed. The wait is a thread, so that an end is seen at once.
fn has_ended(child: &Child, timeout: Duration, work: impl FnOnce()) -> io::Result<bool> {
    let pid = id(child);
    let start = Instant::now();
    let (tell, told) = mpsc::channel();
    thread::Builder::new().spawn(move || {
        while waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) == Err(Errno::EINTR) {}
        // Nobody listens once the time is over.
        let _ = tell.send(());
    })?;
    work();
    Ok(told.recv_timeout(timeout.saturating_sub(start.elapsed())).is_ok())
}

fn id(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).expect("Linux's process ids are below 2^22"))
}

/// A pipe with a thread that drains it.
struct Words {
    /// Open for reading and writing, as all its copies are.
    pipe: File,
    is_over: Arc<AtomicBool>,
    listener: JoinHandle<Vec<u8>>,
}

impl Words {
    fn listen() -> io::Result<Words> {
        let pipe = pipe()?;
        let is_over = Arc::new(AtomicBool::new(false));
        let (ear, until) = (pipe.try_clone()?, Arc::clone(&is_over));
        let listener = thread::Builder::new().spawn(move || drain(&ear, &until))?;
        Ok(Words { pipe, is_over, listener })
    }

    /// What has been written until now. From now on no write and no read blocks, whoever does it.
    fn end(self) -> String {
        self.is_over.store(true, Ordering::SeqCst);
        // Both can only fail on a descriptor that is none.
        let _ = fcntl(&self.pipe, FcntlArg::F_SETFL(OFlag::O_RDWR | OFlag::O_NONBLOCK));
        // Wakes a listener that waits; if the pipe is full, none does.
        let _ = (&self.pipe).write(&[0]);
        let mut kept = self.listener.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        kept.retain(|byte| *byte != 0);
        String::from_utf8_lossy(&kept).into_owned()
    }
}

/// A pipe in one descriptor, which only /proc can give.
fn pipe() -> io::Result<File> {
    let (read, _write) = pipe2(OFlag::O_CLOEXEC)?;
    OpenOptions::new().read(true).write(true).open(format!("/proc/self/fd/{}", read.as_raw_fd()))
}

/// Reads until it is over and the pipe is empty, or has been emptied once: a daemon that never stops talking
/// must not hold us. Gives the beginning.
fn drain(mut pipe: &File, is_over: &AtomicBool) -> Vec<u8> {
    let (mut kept, mut buffer) = (Vec::new(), vec![0; WORDS_MAX]);
    loop {
        let is_last = is_over.load(Ordering::SeqCst);
        match pipe.read(&mut buffer) {
            Ok(length) => kept.extend_from_slice(&buffer[..length.min(WORDS_MAX - kept.len())]),
            Err(err) if err.kind() == ErrorKind::Interrupted => continue,
            Err(_) => return kept,
        }
        if is_last {
            return kept;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert!(Instant::now() < deadline, "waited in vain for {what}");
            thread::yield_now();
        }
    }

    #[test]
    fn the_exit_status_and_the_words_are_kept() {
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
    fn a_program_that_ended_in_time_is_not_killed_for_what_was_done_beside_it() {
        let mut command = Command::new("sh");
        let outcome = run_beside(command.args(["-c", "echo done"]), Duration::from_millis(500), || {
            thread::sleep(Duration::from_secs(1));
        });
        assert!(outcome.unwrap().status.unwrap().success());
    }

    #[test]
    fn a_program_that_says_too_much_succeeds_and_its_first_words_are_kept() {
        let outcome = shell("set -e; echo first; head -c 50000000 /dev/zero | tr '\\0' x; echo last", LONG);
        assert!(outcome.status.unwrap().success());
        assert_eq!(outcome.words.len(), WORDS_MAX);
        assert!(outcome.words.starts_with("first\nxxx"));
    }

    #[test]
    fn a_daemon_that_stays_is_not_waited_for_and_may_go_on_talking() {
        // It talks only when the run is over: far more than a pipe holds, with a plain SIGPIPE.
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
        assert!(lives(&pid), "what stays after success is left alone");
        OpenOptions::new().write(true).open(&go).unwrap().write_all(b"go\n").unwrap();
        until("the daemon's end", || !lives(&pid));
        assert!(std::path::Path::new(&done).exists(), "it died of its words");
    }

    #[test]
    fn a_daemon_that_never_stops_talking_does_not_hold_the_run() {
        // As if it had filled the pipe again: a pipe that holds twice as much as one read takes.
        let pipe = pipe().unwrap();
        fcntl(&pipe, FcntlArg::F_SETPIPE_SZ(2 * WORDS_MAX as i32)).unwrap();
        (&pipe).write_all(&[b'x'; 2 * WORDS_MAX]).unwrap();
        fcntl(&pipe, FcntlArg::F_SETFL(OFlag::O_RDWR | OFlag::O_NONBLOCK)).unwrap();
        assert_eq!(drain(&pipe, &AtomicBool::new(true)).len(), WORDS_MAX);
        assert!((&pipe).read(&mut [0]).is_ok(), "it read on");
    }

    #[test]
    fn a_program_that_is_not_there_is_an_error() {
        assert!(run(&mut Command::new("/nonexistent/program"), Duration::from_secs(1)).is_err());
    }
}
