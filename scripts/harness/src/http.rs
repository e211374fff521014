//! A small HTTP client that hides nothing: no retries, no redirects, and every failure with its kind.
//!
//! Load and tests count what a visitor would see. A client library that tries again in silence would hide
//! exactly that, so this one is a socket, a request and httparse.

use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

mod answer;

use answer::read_response;

/// How a request failed, as its sender sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failure {
    /// Nobody listens there.
    Refused,
    /// The connection was reset.
    Reset,
    /// The connection was closed before the whole answer was there.
    Eof,
    /// There was no whole answer in time.
    Timeout,
    /// The answer was an error.
    Status(u16),
    /// The answer was no HTTP, or the system said something else.
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

    /// The body as JSON; null if it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// Itself if its status is 2xx, otherwise that as a failure.
    pub fn success(self) -> Result<Response, Failure> {
        if (200..300).contains(&self.status) { Ok(self) } else { Err(Failure::Status(self.status)) }
    }

    fn keeps_alive(&self) -> bool {
        !self.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }
}

/// Sends requests to one address, over a fresh connection each or over one that is kept.
#[derive(Debug)]
pub struct Client {
    address: SocketAddr,
    keep_alive: bool,
    timeout: Duration,
    kept: Option<TcpStream>,
    opened: Instant,
}

impl Client {
    /// A client with a fresh connection for every request.
    pub fn fresh(address: SocketAddr) -> Client {
        Client {
            address,
            keep_alive: false,
            timeout: Duration::from_secs(10),
            kept: None,
            opened: Instant::now(),
        }
    }

    /// A client that keeps its connection as long as the server does.
    pub fn keep_alive(address: SocketAddr) -> Client {
        Client { keep_alive: true, ..Client::fresh(address) }
    }

    /// Gives a request another time than 10 s, connecting and the whole answer included.
    pub fn with_timeout(mut self, timeout: Duration) -> Client {
        self.timeout = timeout;
        self
    }

    /// When the connection of the last request was opened.
    pub fn opened(&self) -> Instant {
        self.opened
    }

    /// `GET path`, any status.
    pub fn get(&mut self, path: &str) -> Result<Response, Failure> {
        self.send("GET", path, &[], b"")
    }

    /// A request with headers and a body, any status. One that fails on a kept connection fails: it is not
    /// sent again.
    pub fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Response, Failure> {
        let deadline = Instant::now() + self.timeout;
        let mut stream = match self.kept.take() {
            Some(stream) => stream,
            None => {
                self.opened = Instant::now();
                TcpStream::connect_timeout(&self.address, self.timeout)?
            }
        };
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(self.timeout))?;
        stream.write_all(&self.request(method, path, headers, body))?;
        let (response, delimited) = read_response(&mut stream, deadline, method == "HEAD")?;
        if self.keep_alive && delimited && response.keeps_alive() {
            self.kept = Some(stream);
        }
        Ok(response)
    }

    fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
        let connection = if self.keep_alive { "keep-alive" } else { "close" };
        let mut head =
            format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: {connection}\r\n", self.address);
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        [head.as_bytes(), body].concat()
    }
}
