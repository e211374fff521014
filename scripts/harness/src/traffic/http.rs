//! A small HTTP client that hides nothing: no retries, no redirects, and every failure with its kind.
//!
//! Load and tests count what a visitor would see. A client library that tries again in silence would hide
//! exactly that, so this one is a socket, a request and httparse.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::traffic::answer_reader::read_response;
use crate::traffic::response::{Failure, Response};

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
