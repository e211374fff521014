//! A program that is started before its input is known, and loads while the input is made.

use std::io::{self, ErrorKind, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::Duration;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::{Signal, killpg};

use super::output_pipe::{Kept, OutputPipe};
use super::{Outcome, attach, id, wait};

/// A program that waits for its stdin. If this is dropped, it is killed with its process group.
pub struct Ahead(Option<(Child, OutputPipe)>);

impl Ahead {
    /// Starts `command`, in a process group of its own. Fails if it cannot be started.
    pub fn start(command: &mut Command) -> io::Result<Ahead> {
        let output = OutputPipe::open(Kept::First)?;
        attach(command, &output)?;
        match command.stdin(Stdio::piped()).process_group(0).spawn() {
            Ok(child) => Ok(Ahead(Some((child, output)))),
            Err(err) => {
                output.end();
                Err(err)
            }
        }
    }

    /// Gives it `input` as its whole stdin, does `work` meanwhile, and waits for its exit. It is killed after `timeout`,
    /// counted from this call. A program that does not read its stdin to the end can succeed too.
    pub fn run(mut self, input: Vec<u8>, timeout: Duration, work: impl FnOnce()) -> io::Result<Outcome> {
        let (mut child, output) = self.0.take().expect("it is taken only here and when this is dropped");
        let written = child.stdin.take().map_or(Ok(()), |stdin| feed(stdin, input));
        let status = wait(child, if written.is_ok() { timeout } else { Duration::ZERO }, work);
        let words = output.end();
        Ok(Outcome { status: written.and(status)?, words })
    }
}

/// Writes what has room in the pipe at once, and the rest in a thread, because a program that does not read must not outlast
/// the limit. Its end ends the write.
fn feed(mut stdin: ChildStdin, mut input: Vec<u8>) -> io::Result<()> {
    fcntl(&stdin, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    match stdin.write(&input) {
        Ok(length) => drop(input.drain(..length)),
        Err(err) if matches!(err.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
        // It has ended, or does not read.
        Err(_) => return Ok(()),
    }
    if input.is_empty() {
        return Ok(());
    }
    fcntl(&stdin, FcntlArg::F_SETFL(OFlag::empty()))?;
    thread::Builder::new().spawn(move || stdin.write_all(&input)).map(drop)
}

impl Drop for Ahead {
    fn drop(&mut self) {
        if let Some((mut child, output)) = self.0.take() {
            // It has not been reaped, so its id cannot be another group's. Both fail only if there is no such child.
            let _ = killpg(id(&child), Signal::SIGKILL);
            let _ = child.wait();
            output.end();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    const LONG: Duration = Duration::from_secs(60);

    fn shell(script: &str) -> Ahead {
        Ahead::start(Command::new("sh").args(["-c", script])).unwrap()
    }

    #[test]
    fn the_input_is_all_of_its_stdin() {
        let input = vec![b'x'; 1 << 20];
        let mut is_done = false;
        let outcome = shell("wc -c").run(input, LONG, || is_done = true).unwrap();
        assert!(outcome.status.unwrap().success() && is_done);
        assert_eq!(outcome.words.trim(), "1048576");
    }

    #[test]
    fn a_program_that_reads_nothing_ends_as_it_likes() {
        let outcome = shell("echo no; exit 3").run(vec![b'x'; 1 << 20], LONG, || {}).unwrap();
        assert_eq!((outcome.status.unwrap().code(), &*outcome.words), (Some(3), "no\n"));
    }

    #[test]
    fn a_program_that_reads_nothing_and_does_not_end_is_killed_at_the_limit() {
        let begun = Instant::now();
        let outcome = shell("sleep 600 & sleep 601");
        let outcome = outcome.run(vec![b'x'; 1 << 20], Duration::from_millis(200), || {}).unwrap();
        assert!(outcome.status.is_none() && begun.elapsed() < LONG);
    }

    #[test]
    fn a_program_that_is_not_needed_is_killed() {
        let scratch = tempfile::tempdir().unwrap();
        let file = scratch.path().join("pid");
        let script = format!("echo $$ >{0}.new; mv {0}.new {0}; sleep 600", file.display());
        let ahead = shell(&script);
        let begun = Instant::now();
        while !file.exists() && begun.elapsed() < LONG {
            thread::yield_now();
        }
        let pid = std::fs::read_to_string(&file).unwrap();
        drop(ahead);
        assert!(begun.elapsed() < LONG && !std::path::Path::new("/proc").join(pid.trim()).exists());
    }

    #[test]
    fn a_missing_program_is_an_error() {
        assert!(Ahead::start(&mut Command::new("/nonexistent/program")).is_err());
    }
}
