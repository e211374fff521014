//! HAProxy's sockets: one command, its answer, with a limit on the wait.
//!
//! A connection takes one line: 3.0 and later run only the first of several. The answer ends when HAProxy
//! closes. A master that is loading a configuration refuses for a moment; callers ask again.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, socket};

/// The state of half a million servers is shorter.
const ANSWER_MAX: usize = 64 << 20;

/// The answer to one command, as text. Fails if it is not whole within `timeout`, connecting included, or half as
/// long again.
pub fn ask(path: &Path, command: &str, timeout: Duration) -> io::Result<String> {
    let mut answer = Vec::new();
    ask_in_parts(path, command, timeout, |part| answer.extend_from_slice(part))?;
    Ok(text(answer))
}

/// The same, but hands out each part of the answer as it arrives.
pub fn ask_in_parts(
    path: &Path,
    command: &str,
    timeout: Duration,
    mut hand_out: impl FnMut(&[u8]),
) -> io::Result<()> {
    let deadline = Instant::now() + timeout;
    let mut stream = connect(path, deadline)?;
    stream.set_write_timeout(Some(timeout.max(Duration::from_millis(1))))?;
    stream.write_all(format!("{command}\n").as_bytes())?;
    // A master that passes a command on to a worker closes only after the client has.
    stream.shutdown(Shutdown::Write)?;
    let mut length = 0;
    let mut buffer = [0; 16384];
    let mut limit = Duration::ZERO;
    while length < ANSWER_MAX {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        // There may be thousands of reads, and the limit need not be exact.
        if limit.is_zero() || left < limit / 2 {
            limit = left;
            stream.set_read_timeout(Some(limit))?;
        }
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => {
                length += count;
                hand_out(&buffer[..count]);
            }
            Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
            Err(err) if err.kind() == io::ErrorKind::WouldBlock => return Err(io::ErrorKind::TimedOut.into()),
            Err(err) => return Err(err),
        }
    }
    Err(io::Error::other("the answer is too long"))
}

/// The bytes of an answer as text.
pub fn text(answer: Vec<u8>) -> String {
    String::from_utf8(answer).unwrap_or_else(|err| String::from_utf8_lossy(err.as_bytes()).into_owned())
}

/// Connects before `deadline`: a HAProxy that hangs accepts no connections, and once its queue is full a
/// plain connect would block for ever.
fn connect(path: &Path, deadline: Instant) -> io::Result<UnixStream> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    let address = UnixAddr::new(path)?;
    loop {
        match nix::sys::socket::connect(socket.as_raw_fd(), &address) {
            Ok(()) => break,
            Err(Errno::EAGAIN) if Instant::now() < deadline => thread::sleep(Duration::from_millis(2)),
            Err(Errno::EAGAIN) => return Err(io::ErrorKind::TimedOut.into()),
            Err(errno) => return Err(errno.into()),
        }
    }
    let stream = UnixStream::from(socket);
    stream.set_nonblocking(false)?;
    Ok(stream)
}
