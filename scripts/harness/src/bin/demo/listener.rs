//! The socket of a running demo: it accepts the requests of the other commands, each answered on a thread of its own.

use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use harness::run::poll;
use harness::{Error, Result};

use crate::control::Request;
use crate::desk::Desk;

/// The socket of a running demo.
#[derive(Debug)]
pub struct Listener {
    socket: UnixListener,
    desk: Arc<Desk>,
    is_over: Arc<AtomicBool>,
}

impl Listener {
    /// Opens the socket.
    pub fn open(path: &Path, desk: Arc<Desk>) -> Result<Listener> {
        let failed = |err| Error::System { verb: "listen on", object: path.display().to_string(), err };
        let socket = UnixListener::bind(path).map_err(failed)?;
        // The directory is already private; this gives the socket a matching mode.
        fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(failed)?;
        socket.set_nonblocking(true).map_err(failed)?;
        Ok(Listener { socket, desk, is_over: Arc::default() })
    }

    /// Answers requests until a signal or a `down` comes, or until `Answering` ends. A `down` is returned, so that it is answered
    /// after everything has ended.
    pub fn serve(self) -> Result<Option<Request>> {
        let (end, ended): (Sender<Request>, Receiver<Request>) = mpsc::channel();
        let mut answering: Vec<JoinHandle<()>> = Vec::new();
        let forever = Duration::from_secs(u64::from(u32::MAX));
        let request = poll::try_until(forever, "the end", || {
            if let Some(stream) = accept(&self.socket)? {
                let (desk, end) = (Arc::clone(&self.desk), end.clone());
                answering.retain(|thread| !thread.is_finished());
                answering.push(std::thread::spawn(move || answer(stream, &desk, &end)));
            }
            let is_over = self.is_over.load(Ordering::Relaxed);
            Ok(ended.try_recv().ok().map(Some).or(is_over.then_some(None)))
        });
        for thread in answering {
            // A panic in the thread has already been printed on stderr.
            let _ = thread.join();
        }
        match request {
            Err(Error::Interrupted) => Ok(None),
            request => request,
        }
    }
}

fn accept(listener: &UnixListener) -> Result<Option<UnixStream>> {
    match listener.accept() {
        Ok((stream, _)) => Ok(Some(stream)),
        Err(err) if matches!(err.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(None),
        Err(err) => Err(Error::System { verb: "listen on", object: "the socket".to_owned(), err }),
    }
}

fn answer(stream: UnixStream, desk: &Desk, end: &Sender<Request>) {
    // A client that does not send a request in time only checked whether the socket answers.
    let Ok((mut request, words)) = Request::read(stream) else { return };
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] => {}
        ["down"] => {
            request.say("ending");
            // The listener has gone only if it has already ended.
            let _ = end.send(request);
        }
        words => {
            let result = desk.obey(words, &mut request);
            request.end(result);
        }
    }
}

/// A listener that answers on a thread of its own, while the demo does something else.
#[derive(Debug)]
pub struct Answering {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<Result<Option<Request>>>,
}

impl Answering {
    /// Begins to answer. A `down` interrupts the run, as Ctrl-C does.
    pub fn start(listener: Listener) -> Answering {
        let is_over = Arc::clone(&listener.is_over);
        let thread = std::thread::spawn(move || {
            let request = listener.serve();
            if matches!(request, Ok(Some(_))) {
                poll::interruption().store(true, Ordering::Relaxed);
            }
            request
        });
        Answering { is_over, thread }
    }

    /// Ends after the requests that are being answered. Returns a `down`, which is still to be answered.
    pub fn end(self) -> Option<Request> {
        self.is_over.store(true, Ordering::Relaxed);
        // A panic or an error concerns only the commands from other shells.
        self.thread.join().ok().and_then(Result::ok).flatten()
    }
}
