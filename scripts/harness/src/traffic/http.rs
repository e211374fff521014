//! A small HTTP client that hides nothing: it does not follow redirects, does not retry unless it is told to, and
//! reports the kind of every failure.
//!
//! The load and the tests count the failures that a visitor would see. A client library that retries silently would
//! hide them, so this client is only a socket, a request and httparse.

use std::io::{ErrorKind, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::traffic::answer_reader::read_response;
use crate::traffic::response::{Failure, Response};

/// Sends requests to one address, each over a new connection or all over one that is kept.
#[derive(Debug)]
pub struct Client {
    address: SocketAddr,
    keep_alive: bool,
    timeout: Duration,
    sends_again: bool,
    kept: Option<TcpStream>,
    opened: Instant,
}

impl Client {
    /// A client that opens a new connection for every request.
    pub fn fresh(address: SocketAddr) -> Client {
        Client {
            address,
            keep_alive: false,
            timeout: Duration::from_secs(10),
            sends_again: false,
            kept: None,
            opened: Instant::now(),
        }
    }

    /// A client that keeps its connection as long as the server does.
    pub fn keep_alive(address: SocketAddr) -> Client {
        Client { keep_alive: true, ..Client::fresh(address) }
    }

    /// Sets the time limit of a request, connecting and the whole answer included; 10 s by default.
    pub fn with_timeout(mut self, timeout: Duration) -> Client {
        self.timeout = timeout;
        self
    }

    /// Sends a GET again, once, if its connection is closed without a byte, as RFC 9110 (9.2.2) allows. HAProxy 2.6.12
    /// sometimes closes one so when the server that has the request is killed.
    pub fn sending_again(mut self) -> Client {
        self.sends_again = true;
        self
    }

    /// When the connection of the last request was opened.
    pub fn opened(&self) -> Instant {
        self.opened
    }

    /// Sends `GET path`; returns the answer whatever its status.
    pub fn get(&mut self, path: &str) -> Result<Response, Failure> {
        self.send("GET", path, &[], b"")
    }

    /// Sends a request with headers and a body; returns the answer whatever its status. A request that fails on a
    /// kept connection is not sent again; see `sending_again`.
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
        if self.sends_again && method == "GET" && is_closed(&stream, self.timeout) {
            self.sends_again = false;
            let answer = self.send(method, path, headers, body);
            self.sends_again = true;
            return answer;
        }
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

/// Whether the other side closed the connection without a byte.
fn is_closed(stream: &TcpStream, timeout: Duration) -> bool {
    let peeked = stream.set_read_timeout(Some(timeout)).and_then(|()| stream.peek(&mut [0]));
    peeked.map_or_else(|err| err.kind() == ErrorKind::ConnectionReset, |bytes| bytes == 0)
}
