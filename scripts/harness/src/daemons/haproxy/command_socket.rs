//! One command on one of HAProxy's sockets, and its answer.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use crate::run::error::{Error, Result, system};

/// A HAProxy with a hundred thousand servers takes seconds to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Sends one command to one of HAProxy's sockets; returns the whole answer.
pub fn ask(socket: &Path, command: &str) -> Result<String> {
    let shown = socket.display().to_string();
    let mut stream = UnixStream::connect(socket).map_err(system("connect to", &shown))?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(system("read", &shown))?;
    stream.write_all(format!("{command}\n").as_bytes()).map_err(system("write to", &shown))?;
    // The master's socket waits for more commands until the write side is closed.
    stream.shutdown(Shutdown::Write).map_err(system("write to", &shown))?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).map_err(system("read", &shown))?;
    String::from_utf8(answer).map_err(|_| wrong(&shown, "it is not UTF-8"))
}

/// The error for an answer that cannot be read.
pub(super) fn wrong(from: &str, reason: &str) -> Error {
    Error::Answer { from: from.to_owned(), reason: reason.to_owned() }
}
