//! Connections through HAProxy, and servers that tell who they are.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use super::haproxy::HaProxy;
use super::until;

/// A server that answers each line with its name, and keeps its connections.
pub fn lines(address: SocketAddr, name: &'static str) {
    let listener = TcpListener::bind(address).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                let mut answers = stream.try_clone().unwrap();
                for _ in BufReader::new(stream).lines().map_while(Result::ok) {
                    if writeln!(answers, "{name}").is_err() {
                        return;
                    }
                }
            });
        }
    });
}

pub fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
}

/// Sends a line and returns the answer; empty if the connection was closed.
pub fn ask(stream: &TcpStream, line: &str) -> String {
    let mut stream = stream;
    // A closed connection can refuse the line or the read; both mean that there is no answer.
    let _ = stream.write_all(format!("{line}\r\n").as_bytes());
    let mut answer = String::new();
    match BufReader::new(stream).read_line(&mut answer) {
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
            panic!("neither an answer nor an end")
        }
        _ => answer.trim_end().to_owned(),
    }
}

/// Waits until the last check of a server has this result.
#[track_caller]
pub fn until_check(haproxy: &HaProxy, backend: &str, server: &str, wanted: &str) {
    until(&format!("{backend}/{server} to be {wanted}"), || {
        haproxy.stat_of(backend, server, "check_status").filter(|status| status == wanted)
    });
}

/// Waits until a server gets connections, or no more of them: its status is UP or DOWN.
#[track_caller]
pub fn until_status(haproxy: &HaProxy, backend: &str, server: &str, wanted: &str) {
    until(&format!("{backend}/{server} to be {wanted}"), || {
        haproxy.stat_of(backend, server, "status").filter(|status| status == wanted)
    });
}
