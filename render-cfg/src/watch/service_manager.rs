//! Notifies a service manager: s6 by a line on a file descriptor, systemd by datagrams to its socket.
//!
//! The service is ready after the first render and before `--then`, because a reload may wait for HAProxy, and HAProxy
//! may start only when this service is ready. The crate sd-notify is not used: it does not support abstract sockets,
//! which systemd uses in a container.

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

/// How long to wait for a manager that does not read.
const PATIENCE: Duration = Duration::from_secs(1);

/// The service manager, if there is one.
#[derive(Debug)]
pub(crate) struct ServiceManager {
    ready: Option<File>,
    socket: Option<(UnixDatagram, SocketAddr)>,
    is_ready: bool,
    beat_every: Option<Duration>,
    next_beat: Instant,
}

impl ServiceManager {
    /// Reads the environment. `ready_fd` is the value of `--ready-fd`.
    pub(crate) fn find(ready_fd: Option<i32>, now: Instant) -> Result<ServiceManager, Failure> {
        let ready = ready_fd.map(take).transpose().map_err(|err| {
            let fd = ready_fd.unwrap_or_default();
            Failure::new(Code::Usage, format!("cannot use '--ready-fd {fd}': {err}"))
        })?;
        let name = env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty());
        let socket = name.as_deref().map(|name| open(name).map_err(|err| refuse(name, err))).transpose()?;
        let beat_every = watchdog_time().filter(|_| socket.is_some()).map(|time| time / 2);
        Ok(ServiceManager { ready, socket, is_ready: false, beat_every, next_beat: now })
    }

    /// Whether it has reported that it is ready.
    pub(crate) fn is_ready(&self) -> bool {
        self.is_ready
    }

    /// How long the manager waits for a watchdog message.
    pub(crate) fn watchdog(&self) -> Option<Duration> {
        self.beat_every.map(|time| time * 2)
    }

    /// Reports that the service is ready, once.
    pub(crate) fn ready(&mut self) -> io::Result<()> {
        if std::mem::replace(&mut self.is_ready, true) {
            return Ok(());
        }
        let sent = self.send("READY=1");
        self.ready.take().map_or(Ok(()), |mut fd| fd.write_all(b"\n")).and(sent)
    }

    /// Reports that the service ends.
    pub(crate) fn stopping(&self) {
        // The manager notices the end in any case.
        let _ = self.send("STOPPING=1");
    }

    /// When the next watchdog message is due.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.beat_every.map(|_| self.next_beat)
    }

    /// Sends a watchdog message.
    pub(crate) fn beat(&mut self, now: Instant) {
        if let Some(every) = self.beat_every {
            self.next_beat = now + every;
            // If it is lost, the manager acts as if it had not been sent.
            let _ = self.send("WATCHDOG=1");
        }
    }

    fn send(&self, line: &str) -> io::Result<()> {
        let Some((socket, address)) = &self.socket else { return Ok(()) };
        socket.send_to_addr(line.as_bytes(), address).map(drop)
    }
}

/// Opens the pipe again, and closes the inherited descriptor, so that no child inherits it.
fn take(fd: i32) -> io::Result<File> {
    let path = format!("/proc/self/fd/{fd}");
    // Opening a device, for example, could have side effects.
    if !fs::metadata(&path)?.file_type().is_fifo() {
        return Err(io::Error::other("it is not a pipe"));
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

/// How long systemd waits for a watchdog message of this process.
fn watchdog_time() -> Option<Duration> {
    let number = |key| env::var(key).ok().and_then(|text| text.parse::<u64>().ok());
    let is_ours =
        env::var_os("WATCHDOG_PID").is_none() || number("WATCHDOG_PID") == Some(std::process::id().into());
    number("WATCHDOG_USEC").filter(|time| is_ours && *time > 0).map(Duration::from_micros)
}
