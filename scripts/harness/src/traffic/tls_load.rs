//! Steady load over TLS, by `openssl s_client`: half of the visitors keep their connection and send one request after
//! the other, the other half open a new one for each request.
//!
//! A kept connection that the server closes is a failure, as is a request without an answer.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::Duration;

const VISITORS: usize = 6;
const EVERY: Duration = Duration::from_millis(10);

/// Load that runs until it is stopped.
#[derive(Debug)]
pub struct TlsLoad {
    counts: Arc<Counts>,
    visitors: Vec<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Counts {
    answered: AtomicU64,
    failed: AtomicU64,
    is_over: AtomicBool,
}

impl TlsLoad {
    /// Starts the load on a host at an address.
    pub fn start(address: SocketAddr, host: &str) -> TlsLoad {
        let counts = Arc::new(Counts::default());
        let visitor = |number: usize| {
            let (counts, host) = (Arc::clone(&counts), host.to_owned());
            spawn(move || {
                if number.is_multiple_of(2) {
                    keep(address, &host, &counts)
                } else {
                    open(address, &host, &counts)
                }
            })
        };
        TlsLoad { visitors: (0..VISITORS).map(visitor).collect(), counts }
    }

    /// How many requests were answered until now.
    pub fn answered(&self) -> u64 {
        self.counts.answered.load(Ordering::Relaxed)
    }

    /// Ends the load; returns how many requests were answered, and how many failed or lost their connection.
    pub fn stop(self) -> (u64, u64) {
        self.counts.is_over.store(true, Ordering::Relaxed);
        for visitor in self.visitors {
            // A visitor that panicked has printed why.
            if visitor.join().is_err() {
                self.counts.failed.fetch_add(1, Ordering::Relaxed);
            }
        }
        (self.counts.answered.load(Ordering::Relaxed), self.counts.failed.load(Ordering::Relaxed))
    }
}

impl Counts {
    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// Counts a request; returns whether it was answered.
    fn count(&self, is_answered: bool) -> bool {
        let counter = if is_answered { &self.answered } else { &self.failed };
        counter.fetch_add(1, Ordering::Relaxed);
        is_answered
    }
}

/// Sends requests over one connection. A new one follows only if it fails.
fn keep(address: SocketAddr, host: &str, counts: &Counts) {
    while !counts.is_over() {
        let mut connection = Connection::open(address, host);
        while !counts.is_over() && counts.count(connection.get(host).is_some()) {
            sleep(EVERY);
        }
    }
}

fn open(address: SocketAddr, host: &str, counts: &Counts) {
    while !counts.is_over() {
        counts.count(Connection::open(address, host).get(host).is_some());
        sleep(EVERY);
    }
}

/// A connection by a process of openssl, which ends with it.
struct Connection {
    client: Child,
    answers: BufReader<std::process::ChildStdout>,
}

impl Connection {
    fn open(address: SocketAddr, host: &str) -> Connection {
        let mut command = Command::new("openssl");
        command.args(["s_client", "-quiet", "-connect", &address.to_string(), "-servername", host]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut client = command.spawn().expect("openssl is installed");
        let answers = BufReader::new(client.stdout.take().expect("its stdout is a pipe"));
        Connection { client, answers }
    }

    /// Sends a request and reads its answer; `None` if it is not a whole answer with status 200.
    fn get(&mut self, host: &str) -> Option<()> {
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        self.client.stdin.as_mut()?.write_all(request.as_bytes()).ok()?;
        let (mut is_well, mut length) = (false, 0);
        loop {
            let mut line = String::new();
            self.answers.read_line(&mut line).ok().filter(|count| *count > 0)?;
            is_well |= line.starts_with("HTTP/1.1 200 ");
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
                length = value.trim().parse().ok()?;
            }
            if line == "\r\n" {
                break;
            }
        }
        self.answers.read_exact(&mut vec![0; length]).ok()?;
        is_well.then_some(())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.client.kill();
        let _ = self.client.wait();
    }
}
