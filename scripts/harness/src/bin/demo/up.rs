//! `demo up`: a balancer and backends that stay up, and the listener for the commands from other shells.
//!
//! It owns every process; the other commands only send requests. A backend that is being stopped is first removed
//! from the list, so that `status` can answer during the seconds that the stop takes.

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use harness::cluster::local_cluster::Cluster;
use harness::run::Run;
use harness::run::poll;
use harness::{Error, Result};

use crate::backends;
use crate::backends::Backends;
use crate::control::Request;
use crate::{running_demos, status};

// A systemd timer runs it in production (docs/installation.md, step 7).
const RECONCILE: Duration = Duration::from_secs(10);

/// Starts everything and runs until a signal or `down`.
pub fn run(name: Option<&str>, count: u8) -> Result<ExitCode> {
    let (name, directory) = running_demos::claim(name)?;
    let run = Run::over(directory.clone(), Some(&running_demos::home()))?;
    let backends = start(run, count)?;
    let listener = listen(&running_demos::socket(&directory))?;
    say(&format!("demo '{name}' is up; Ctrl-C or 'demo down' ends it"))?;
    for line in status::addresses(&backends.cluster) {
        say(&line)?;
    }
    say("from another shell: demo add [NAME] | stop NAME | kill NAME | drain NAME | status | down")?;
    let backends = Arc::new(Mutex::new(backends));
    let request = serve(&listener, &backends)?;
    // This ends all processes and removes the directory.
    drop(backends);
    if let Some(request) = request {
        request.end(Ok(()));
    }
    say("ended")?;
    Ok(ExitCode::SUCCESS)
}

fn start(run: Run, count: u8) -> Result<Backends> {
    let mut backends = Backends::new(Cluster::on(run)?);
    backends.cluster.start_balancer()?;
    backends.cluster.balancer.reconcile_every(RECONCILE);
    for _ in 0..count {
        backends.add(None)?;
    }
    Ok(backends)
}

fn listen(socket: &Path) -> Result<UnixListener> {
    let failed = |err| Error::System { verb: "listen on", object: socket.display().to_string(), err };
    let listener = UnixListener::bind(socket).map_err(failed)?;
    // The directory is already private; this gives the socket a matching mode.
    fs::set_permissions(socket, Permissions::from_mode(0o600)).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    Ok(listener)
}

/// Answers requests until a signal or a `down` comes. A `down` is returned, so that it is answered after everything
/// has ended.
fn serve(listener: &UnixListener, backends: &Arc<Mutex<Backends>>) -> Result<Option<Request>> {
    let (end, ended): (Sender<Request>, Receiver<Request>) = mpsc::channel();
    let mut answering: Vec<JoinHandle<()>> = Vec::new();
    let forever = Duration::from_secs(u64::from(u32::MAX));
    let request = poll::try_until(forever, "the end", || {
        if let Some(stream) = accept(listener)? {
            let (backends, end) = (Arc::clone(backends), end.clone());
            answering.retain(|thread| !thread.is_finished());
            answering.push(std::thread::spawn(move || answer(stream, &backends, &end)));
        }
        Ok(ended.try_recv().ok())
    });
    for thread in answering {
        // A panic in the thread has already been printed on stderr.
        let _ = thread.join();
    }
    match request {
        Ok(request) => Ok(Some(request)),
        Err(Error::Interrupted) => Ok(None),
        Err(err) => Err(err),
    }
}

fn accept(listener: &UnixListener) -> Result<Option<UnixStream>> {
    match listener.accept() {
        Ok((stream, _)) => Ok(Some(stream)),
        Err(err) if matches!(err.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(None),
        Err(err) => Err(Error::System { verb: "listen on", object: "the socket".to_owned(), err }),
    }
}

fn answer(stream: UnixStream, backends: &Mutex<Backends>, end: &Sender<Request>) {
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
            let result = obey(words, &mut request, backends);
            request.end(result);
        }
    }
}

fn obey(words: &[&str], request: &mut Request, backends: &Mutex<Backends>) -> Result<()> {
    match words {
        ["add"] => add(None, request, backends),
        ["add", name] => add(Some(checked(name)?), request, backends),
        ["stop", name] => stop(name, request, backends),
        ["kill", name] => {
            lock(backends).kill(name)?;
            request.say(format!(
                "{name} is killed; HAProxy's checks notice within 3 s, Serf marks it failed after 6 to 25 s"
            ));
            Ok(())
        }
        ["drain", name] => {
            lock(backends).drain(name)?;
            request.say(format!("{name} is tagged state=drain; in about 1 s it gets no new sessions"));
            Ok(())
        }
        ["status"] => {
            let lines = status::lines(&mut lock(backends).cluster)?;
            lines.iter().for_each(|line| request.say(line));
            Ok(())
        }
        _ => Err(Error::Unfit("unknown command".to_owned())),
    }
}

fn add(name: Option<String>, request: &mut Request, backends: &Mutex<Backends>) -> Result<()> {
    let (name, address) = lock(backends).add(name)?;
    request.say(format!("{name} is started at {address}; it is served in about 1 s"));
    Ok(())
}

fn stop(name: &str, request: &mut Request, backends: &Mutex<Backends>) -> Result<()> {
    let (mut backend, run) = {
        let mut backends = lock(backends);
        (backends.take(name)?, backends.cluster.run().clone())
    };
    request.say(format!("{name} leaves the cluster, then drains for 3 s"));
    backend.stop(&run)?;
    request.say(format!("{name} has ended"));
    Ok(())
}

fn checked(name: &str) -> Result<String> {
    backends::check_name(name).map_err(Error::Unfit)
}

fn lock(backends: &Mutex<Backends>) -> MutexGuard<'_, Backends> {
    // A panic in a method of `Backends` leaves the list intact.
    backends.lock().unwrap_or_else(PoisonError::into_inner)
}

fn say(line: &str) -> Result<()> {
    let written = writeln!(io::stdout(), "{line}");
    written.map_err(|err| Error::System { verb: "write to", object: "stdout".to_owned(), err })
}
