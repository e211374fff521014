//! A real HAProxy (or the one that the environment variable HAPROXY names) on a rendered file.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use super::{skip, until};

/// A template for `-c` alone. A node's tag `name` is its server's name, and its tag `options` is added to the line.
pub const WITH_OPTIONS: &str = "\
global
    description {{ revision }}
defaults
    mode http
    timeout connect 1s
    timeout client 1s
    timeout server 1s
frontend f
    bind 127.0.0.1:80
    default_backend b
backend b
{%- for node in nodes %}
    server {{ node.tags.name or node.name }} {{ node.address }}:80{% if node.tags.options %} {{ node.tags.options | safe }}{% endif %}
{%- endfor %}
";

pub fn program() -> String {
    std::env::var("HAPROXY").unwrap_or_else(|_| "haproxy".to_owned())
}

/// Whether HAProxy is installed. Otherwise the test is skipped.
pub fn is_there() -> bool {
    let there = Command::new(program()).arg("-v").output().is_ok();
    if !there {
        skip("haproxy is not installed");
    }
    there
}

/// A free port on a loopback address that no other test uses. It is below the ephemeral ports, so that no program gets it
/// by chance, on all addresses, before it is used here.
pub fn free_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let [high, low] = (std::process::id() as u16).to_be_bytes();
    let last = 1 + NEXT.fetch_add(1, Ordering::Relaxed) % 250;
    let address = Ipv4Addr::new(127, 1 + high % 250, low, last as u8);
    let mut free = (20_000..30_000).filter_map(|port| TcpListener::bind((address, port)).ok());
    free.next().unwrap().local_addr().unwrap()
}

/// Whether `haproxy -c` accepts a file, and its output.
pub fn check(config: &Path) -> (bool, String) {
    verdict(Command::new(program()).arg("-c").arg("-f").arg(config))
}

/// The same, with scripts/check.cfg before it as scripts/reconcile has it.
pub fn check_spared(spared: &Path, config: &Path) -> (bool, String) {
    let mut command = Command::new(program());
    command.env("ROLLCALL_CHECK_CFG", spared).arg("-c").arg("-f").arg(spared).arg("-f").arg(config);
    verdict(&mut command)
}

fn verdict(command: &mut Command) -> (bool, String) {
    let output = command.output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

/// A running HAProxy; killed when it is dropped.
pub struct HaProxy {
    child: Child,
    socket: PathBuf,
    stderr: File,
}

impl HaProxy {
    /// Starts one and waits until its stats socket answers.
    pub fn start(config: &Path, socket: &Path) -> HaProxy {
        let stderr = tempfile::tempfile().unwrap();
        let mut command = Command::new(program());
        command.arg("-db").arg("-f").arg(config).stdin(Stdio::null()).stderr(stderr.try_clone().unwrap());
        let haproxy = HaProxy { child: command.spawn().unwrap(), socket: socket.to_owned(), stderr };
        until("haproxy's stats socket", || UnixStream::connect(socket).ok());
        haproxy
    }

    /// What it has printed on stderr so far. It answers commands only once its start has printed all.
    pub fn said(&self) -> String {
        let mut stderr = &self.stderr;
        let mut said = String::new();
        stderr.rewind().unwrap();
        stderr.read_to_string(&mut said).unwrap();
        said
    }

    /// Sends a command to the stats socket and returns the response.
    pub fn ask(&self, command: &str) -> Vec<u8> {
        let mut socket = UnixStream::connect(&self.socket).unwrap();
        socket.write_all(format!("{command}\n").as_bytes()).unwrap();
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).unwrap();
        answer
    }

    /// The column of `show stat` for a server of the backend `nodes`.
    pub fn stat(&self, server: &str, column: &str) -> Option<String> {
        self.stat_of("nodes", server, column)
    }

    /// The column of `show stat` for a server of this backend.
    pub fn stat_of(&self, backend: &str, server: &str, column: &str) -> Option<String> {
        let text = String::from_utf8(self.ask("show stat")).unwrap();
        let mut lines = text.lines().map(|line| line.trim_start_matches("# ").split(',').collect::<Vec<_>>());
        let at = lines.next()?.iter().position(|name| *name == column)?;
        lines.find(|fields| fields.starts_with(&[backend, server])).map(|fields| fields[at].to_owned())
    }
}

impl Drop for HaProxy {
    fn drop(&mut self) {
        // It may have ended already; the test reports that.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a request and returns the whole response; `None` if there is none.
pub fn request(address: SocketAddr, method: &str, path: &str, headers: &str) -> Option<String> {
    exchange(
        address,
        &format!(
            "{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: 0\r\n{headers}\r\n"
        ),
    )
}

/// Sends a GET to a host of this name, and returns the whole response.
pub fn get(address: SocketAddr, host: &str, path: &str) -> String {
    exchange(address, &format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")).unwrap()
}

/// Sends bytes and returns all that comes back; `None` if there is no connection.
pub fn exchange(address: SocketAddr, text: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.write_all(text.as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    Some(String::from_utf8_lossy(&answer).into_owned())
}

/// A web server on a thread: `answer` receives each request's head and returns a body, or nothing to close the connection
/// without a response. /healthz gets a response in any case.
pub fn serve(address: SocketAddr, mut answer: impl FnMut(&str) -> Option<String> + Send + 'static) {
    let listener = until("a free address", || TcpListener::bind(address).ok());
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut stream = stream;
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read == 1) {
                head.push(byte[0]);
            }
            let head = String::from_utf8_lossy(&head).into_owned();
            let body = if head.contains(" /healthz ") { Some(String::new()) } else { answer(&head) };
            if let Some(body) = body {
                let length = body.len();
                // The client may have gone away.
                let _ = write!(
                    stream,
                    "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
                );
            }
        }
    });
}
