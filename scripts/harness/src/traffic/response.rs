//! The answer to a request, or how the request failed.

use std::fmt;
use std::io::{self, ErrorKind};

/// How a request failed, as its sender sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failure {
    /// Nothing listens at the address.
    Refused,
    /// The connection was reset.
    Reset,
    /// The connection was closed before the answer was complete.
    Eof,
    /// The answer was not complete in time.
    Timeout,
    /// The answer had an error status.
    Status(u16),
    /// The answer was not HTTP, or the system reported another error.
    Broken,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Refused => f.write_str("refused"),
            Failure::Reset => f.write_str("reset"),
            Failure::Eof => f.write_str("eof"),
            Failure::Timeout => f.write_str("timeout"),
            Failure::Status(status) => write!(f, "{status}"),
            Failure::Broken => f.write_str("broken"),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(err: io::Error) -> Failure {
        match err.kind() {
            ErrorKind::ConnectionRefused => Failure::Refused,
            ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => {
                Failure::Reset
            }
            ErrorKind::UnexpectedEof => Failure::Eof,
            ErrorKind::WouldBlock | ErrorKind::TimedOut => Failure::Timeout,
            _ => Failure::Broken,
        }
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The headers in their order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// The first header of that name (in lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; null if it is not JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// Returns the answer if its status is 2xx; otherwise the status as a failure.
    pub fn success(self) -> Result<Response, Failure> {
        if (200..300).contains(&self.status) { Ok(self) } else { Err(Failure::Status(self.status)) }
    }

    pub(super) fn keeps_alive(&self) -> bool {
        !self.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }
}
