//! Telling a service manager: s6 by a line on a file descriptor, systemd by datagrams to its socket.
//!
//! Ready is when the first look is done, before any `--then`: what reloads HAProxy may wait for a HAProxy that
//! waits for its file. The crate sd-notify does not know abstract sockets, which systemd has in a container.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::{Duration, Instant};

use common::failure::{Code, Failure};

/// So long a manager that does not read is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// The service manager, if there is one.
#[derive(Debug)]
pub(crate) struct Service {
    ready: Option<File>,
    socket: Option<(UnixDatagram, SocketAddr)>,
    is_ready: bool,
    beat_every: Option<Duration>,
    next_beat: Instant,
}

impl Service {
    /// Finds it in the environment; `ready_fd` is the descriptor that it has been given.
    pub(crate) fn find(ready_fd: Option<i32>, now: Instant) -> Result<Service, Failure> {
        let ready = ready_fd.map(take).transpose().map_err(|err| {
            let fd = ready_fd.unwrap_or_default();
            Failure::new(Code::Usage, format!("cannot use '--ready-fd {fd}': {err}"))
        })?;
        let name = env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty());
        let socket = name.as_deref().map(|name| open(name).map_err(|err| refuse(name, err))).transpose()?;
        let beat_every = watchdog().filter(|_| socket.is_some()).map(|time| time / 2);
        Ok(Service { ready, socket, is_ready: false, beat_every, next_beat: now })
    }

    /// Whether it has said so.
    pub(crate) fn is_ready(&self) -> bool {
        self.is_ready
    }

    /// How long the manager waits for a sign of life.
    pub(crate) fn patience(&self) -> Option<Duration> {
        self.beat_every.map(|time| time * 2)
    }

    /// Says that it is ready, once.
    pub(crate) fn ready(&mut self) -> io::Result<()> {
        if std::mem::replace(&mut self.is_ready, true) {
            return Ok(());
        }
        let told = self.tell("READY=1");
        self.ready.take().map_or(Ok(()), |mut fd| fd.write_all(b"\n")).and(told)
    }

    /// Says that it ends.
    pub(crate) fn stopping(&self) {
        // The end itself is seen anyway.
        let _ = self.tell("STOPPING=1");
    }

    /// When the next sign of life is due.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.beat_every.map(|_| self.next_beat)
    }

    /// Gives a sign of life.
    pub(crate) fn beat(&mut self, now: Instant) {
        if let Some(every) = self.beat_every {
            self.next_beat = now + every;
            // Not heard, it is as if it had not been given, which is what the manager then acts on.
            let _ = self.tell("WATCHDOG=1");
        }
    }

    fn tell(&self, line: &str) -> io::Result<()> {
        let Some((socket, address)) = &self.socket else { return Ok(()) };
        socket.send_to_addr(line.as_bytes(), address).map(drop)
    }
}

/// Opens the pipe behind a descriptor anew, and closes that: no child inherits it.
fn take(fd: i32) -> io::Result<File> {
    let path = format!("/proc/self/fd/{fd}");
    // Opening anything else could do something to it.
    if !fs::metadata(&path)?.file_type().is_fifo() {
        return Err(io::Error::other("it is no pipe"));
    }
    let file = OpenOptions::new().write(true).open(&path)?;
    nix::unistd::close(fd)?;
    Ok(file)
}

fn open(name: &OsStr) -> io::Result<(UnixDatagram, SocketAddr)> {
    let address = match name.as_bytes() {
        [b'@', rest @ ..] => SocketAddr::from_abstract_name(rest)?,
        [b'/', ..] => SocketAddr::from_pathname(name)?,
        _ => return Err(io::Error::other("it is neither a path nor an abstract name")),
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_write_timeout(Some(PATIENCE))?;
    Ok((socket, address))
}

fn refuse(name: &OsStr, err: io::Error) -> Failure {
    Failure::new(Code::Usage, format!("cannot use NOTIFY_SOCKET '{}': {err}", name.to_string_lossy()))
}

/// How long systemd waits for a sign of life of this very process.
fn watchdog() -> Option<Duration> {
    let number = |key| env::var(key).ok().and_then(|text| text.parse::<u64>().ok());
    let is_ours =
        env::var_os("WATCHDOG_PID").is_none() || number("WATCHDOG_PID") == Some(std::process::id().into());
    number("WATCHDOG_USEC").filter(|time| is_ours && *time > 0).map(Duration::from_micros)
}
