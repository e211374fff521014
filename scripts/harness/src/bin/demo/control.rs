//! The protocol between `up` and the other commands: a request of one line, then lines of an answer.
//!
//! Only this user can open the socket (mode 0600 in a directory of mode 0700), so a request is trusted as much as the
//! user is. Its length and its time are limited all the same.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::time::Duration;

use harness::{Error, Result};

use crate::running_demos;

const MAX_REQUEST: u64 = 256;
const PATIENCE: Duration = Duration::from_secs(60);
// The start of the last line of every answer; the digit after it is the exit code.
const END: &str = "end ";

/// Sends a request to a running demo, prints the answer, and returns its exit code.
pub fn ask(name: Option<&str>, request: &str) -> Result<ExitCode> {
    let directory = running_demos::find(name)?;
    let failed =
        |err| Error::System { verb: "send a request to", object: directory.display().to_string(), err };
    let mut stream = UnixStream::connect(running_demos::socket(&directory)).map_err(failed)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
    writeln!(stream, "{request}").map_err(failed)?;
    for line in BufReader::new(stream).lines() {
        let line = line.map_err(failed)?;
        match line.strip_prefix(END) {
            Some("0") => return Ok(ExitCode::SUCCESS),
            Some(_) => return Ok(ExitCode::FAILURE),
            None => writeln!(io::stdout(), "{line}").map_err(failed)?,
        }
    }
    Err(Error::Unfit("the demo ended before it had answered".to_owned()))
}

/// A request that is being answered.
#[derive(Debug)]
pub struct Request {
    stream: UnixStream,
}

impl Request {
    /// Reads a request; also returns its words.
    pub fn read(stream: UnixStream) -> io::Result<(Request, Vec<String>)> {
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.set_write_timeout(Some(Duration::from_secs(5)))?;
        let mut line = String::new();
        BufReader::new((&stream).take(MAX_REQUEST)).read_line(&mut line)?;
        let words = line.split_whitespace().map(str::to_owned).collect();
        Ok((Request { stream }, words))
    }

    /// Sends a line of the answer.
    pub fn say(&mut self, line: impl AsRef<str>) {
        // The client may have gone; the request is carried out anyway.
        let _ = writeln!(self.stream, "{}", line.as_ref());
    }

    /// Sends the result, which is the last line.
    pub fn end(mut self, result: Result<()>) {
        if let Err(err) = &result {
            self.say(format!("demo: {err}"));
        }
        self.say(format!("{END}{}", u8::from(result.is_err())));
    }
}
