//! A web server in a thread of the test. It reports its address, counts requests, and can delay an answer.
//!
//! The sample web app takes half a second to start and needs a process of its own. Some tests need several servers at
//! once, and the number of requests that reached each.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::run::error::Result;
use crate::run::error::system;
use crate::run::poll;

const PAUSE: Duration = Duration::from_millis(50);
const BUSY: Duration = Duration::from_secs(10);

/// A web server that can be stopped; its answers contain its address. `GET /slow/MS` is answered after MS
/// milliseconds.
#[derive(Debug)]
pub struct CountingServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    is_over: AtomicBool,
    begun: AtomicU64,
    connections: AtomicU64,
}

impl CountingServer {
    /// Starts the server.
    pub fn start(address: SocketAddr) -> Result<CountingServer> {
        let listener = TcpListener::bind(address).map_err(system("listen at", address))?;
        let shared = Arc::<Shared>::default();
        let its = Arc::clone(&shared);
        let thread = thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if its.is_over.load(Ordering::Relaxed) {
                    return;
                }
                let its = Arc::clone(&its);
                // If the client has closed the connection, it needs no answer; a health check only connects.
                thread::spawn(move || its.serve(stream, address));
            }
        });
        Ok(CountingServer { address, shared, thread: Some(thread) })
    }

    /// The address at which it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many requests have reached it, answered or not.
    pub fn begun(&self) -> u64 {
        self.shared.begun.load(Ordering::Relaxed)
    }

    /// The number of connections over which requests have reached it.
    pub fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// Waits until this number of requests has reached it.
    pub fn wait_for(&self, begun: u64) -> Result<()> {
        let what = format!("request {begun} at {}", self.address);
        poll::until(BUSY, &what, || (self.begun() >= begun).then_some(()))
    }
}

impl Drop for CountingServer {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        // This only wakes the thread up, which may have ended already.
        let _ = TcpStream::connect(self.address);
        self.thread.take().into_iter().for_each(|thread| drop(thread.join()));
    }
}

impl Shared {
    /// Serves one connection until either side closes it.
    fn serve(&self, mut stream: TcpStream, address: SocketAddr) -> io::Result<()> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PAUSE))?;
        let mut is_first = true;
        while let Some(head) = self.next_head(&mut stream)? {
            self.begun.fetch_add(1, Ordering::Relaxed);
            self.connections.fetch_add(u64::from(std::mem::take(&mut is_first)), Ordering::Relaxed);
            if let Some(time) = delay(&head) {
                thread::sleep(time);
            }
            let ip = address.ip();
            let head = format!("HTTP/1.1 200 OK\r\nx-backend-ip: {ip}\r\nContent-Length: 0\r\n\r\n");
            stream.write_all(head.as_bytes())?;
        }
        Ok(())
    }

    /// The head of the next request; `None` if none comes.
    fn next_head(&self, stream: &mut TcpStream) -> io::Result<Option<String>> {
        let (mut head, mut buffer, start) = (Vec::new(), [0; 4096], Instant::now());
        while !head.ends_with(b"\r\n\r\n") && start.elapsed() < BUSY {
            match stream.read(&mut buffer) {
                Ok(0) => return Ok(None),
                Ok(count) => head.extend_from_slice(&buffer[..count]),
                Err(err) if matches!(err.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    if self.is_over.load(Ordering::Relaxed) {
                        return Ok(None);
                    }
                }
                Err(err) => return Err(err),
            }
        }
        Ok(head.ends_with(b"\r\n\r\n").then(|| String::from_utf8_lossy(&head).into_owned()))
    }
}

fn delay(head: &str) -> Option<Duration> {
    let path = head.split(' ').nth(1)?;
    path.strip_prefix("/slow/")?.parse().ok().map(Duration::from_millis)
}
