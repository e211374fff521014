//! Asks HAProxy for its servers ahead: it writes their state while this program reads the file. With thousands of servers
//! each of the two takes a while.
//!
//! The answer comes in parts of whole lines, so the first ones are read while HAProxy writes the others.

use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, JoinHandle};

use common::haproxy_socket::{ask_in_parts, text};
use memchr::memrchr;

use crate::servers::apply::{Runtime, SERVERS, socket_failed};
use crate::servers::reason::Reason;

/// A part has about this many bytes.
const PART: usize = 16 << 10;

/// A question that was asked. If this is dropped, the answer is lost.
pub(crate) struct Asked {
    /// The parts of the answer. All but the last one end with a newline.
    parts: Receiver<String>,
    /// How the answer ended.
    end: JoinHandle<io::Result<()>>,
    socket: PathBuf,
    /// The worker that must answer.
    pub(super) pid: i32,
}

impl Runtime<'_> {
    /// Asks for the servers, and does not wait; `None` if that is not possible.
    pub(crate) fn ask_ahead(&self) -> Option<Asked> {
        let (sender, parts) = channel();
        let (socket, path, patience) = (self.socket.to_owned(), self.socket.to_owned(), self.patience);
        let run = move || {
            let mut rest = Vec::new();
            let end = ask_in_parts(&path, SERVERS, patience, |bytes| {
                rest.extend_from_slice(bytes);
                if rest.len() >= PART {
                    send_lines(&mut rest, &sender);
                }
            });
            send(rest, &sender);
            end
        };
        let end = Builder::new().spawn(run).ok()?;
        Some(Asked { parts, end, socket, pid: self.worker.pid })
    }
}

/// Sends all complete lines, and leaves what follows them.
fn send_lines(bytes: &mut Vec<u8>, sender: &Sender<String>) {
    if let Some(end) = memrchr(b'\n', bytes) {
        let rest = bytes.split_off(end + 1);
        send(std::mem::replace(bytes, rest), sender);
    }
}

fn send(part: Vec<u8>, sender: &Sender<String>) {
    // An error means that the answer is not needed.
    let _ = sender.send(text(part));
}

impl Asked {
    /// Waits for the next part; `None` after the last one.
    pub(super) fn next(&self) -> Option<String> {
        self.parts.recv().ok()
    }

    /// Fails if the answer did not come to its end.
    pub(super) fn end(self) -> Result<(), Reason> {
        let end = self.end.join().unwrap_or_else(|_| Err(io::Error::other("the answer was lost")));
        end.map_err(|err| socket_failed(&self.socket, &err))
    }
}
