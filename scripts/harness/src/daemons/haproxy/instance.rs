//! HAProxy in each of the modes in which it is used in production, and what its sockets report.
//!
//! Its servers and settings are read from HAProxy (`show info`, `show stat`, `show servers state`), never assumed
//! from a file or a signal.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};

use crate::daemons::haproxy::command_socket::{ask, wrong};
use crate::daemons::haproxy::server::Server;
use crate::daemons::haproxy::servers::{Servers, servers_in_service};
use crate::daemons::haproxy::statistics::{rows, servers_of_rows};
use crate::network::namespace;
use crate::run::daemon::Daemon;
use crate::run::error::{Error, Result};
use crate::run::{Run, poll, process, programs};

/// With a hundred thousand servers, HAProxy takes seconds to start.
const READY: Duration = Duration::from_secs(30);

/// How it is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// `-W -S SOCKET`: master and worker, with the master's socket.
    MasterSocket,
    /// `-W -p FILE`: master and worker, reloaded by SIGUSR2.
    MasterWorker,
    /// `-D -p FILE`: a daemon, reloaded by starting another HAProxy with `-sf`.
    Classic,
    /// `-db`: one process in the foreground, without a pid file.
    Foreground,
}

/// A running HAProxy. When dropped, it gets SIGTERM. A master must not get SIGKILL first, because its workers would
/// keep running.
#[derive(Debug)]
pub struct Haproxy {
    mode: Mode,
    config: PathBuf,
    admin: Option<PathBuf>,
    pid_file: PathBuf,
    master: PathBuf,
    daemon: Option<Daemon>,
}

impl Haproxy {
    /// Starts HAProxy on a configuration file. `admin` is the path of the `stats socket` in that file, if it has one;
    /// then the start waits until the socket answers. The pid file and master socket are `NAME.pid` and
    /// `NAME-master.sock` in the run's directory.
    pub fn start(run: &Run, name: &str, config: &Path, mode: Mode, admin: Option<&Path>) -> Result<Haproxy> {
        let program = programs::find("haproxy")?;
        Haproxy::start_program(&program, run, name, config, mode, admin)
    }

    /// Like `start`, with another HAProxy than the installed one.
    pub fn start_program(
        program: &Path,
        run: &Run,
        name: &str,
        config: &Path,
        mode: Mode,
        admin: Option<&Path>,
    ) -> Result<Haproxy> {
        Haproxy::start_by(|command| command, program, run, (name, config, mode, admin))
    }

    /// Like `start`, in a network namespace (see `network::namespace`).
    pub fn start_within(
        namespace: &str,
        run: &Run,
        name: &str,
        config: &Path,
        mode: Mode,
        admin: Option<&Path>,
    ) -> Result<Haproxy> {
        let within = |command| namespace::within(namespace, &command);
        Haproxy::start_by(within, &programs::find("haproxy")?, run, (name, config, mode, admin))
    }

    fn start_by(
        make: impl FnOnce(Command) -> Command,
        program: &Path,
        run: &Run,
        (name, config, mode, admin): (&str, &Path, Mode, Option<&Path>),
    ) -> Result<Haproxy> {
        let mut haproxy = Haproxy {
            mode,
            config: config.to_owned(),
            admin: admin.map(Path::to_owned),
            pid_file: run.join(&format!("{name}.pid")),
            master: run.join(&format!("{name}-master.sock")),
            daemon: None,
        };
        let mut command = make(haproxy.command_line(program));
        if mode == Mode::Classic {
            process::output(run, &mut command)?;
        } else {
            haproxy.daemon = Some(Daemon::start(run, name, command)?);
        }
        haproxy.wait_until_ready()?;
        Ok(haproxy)
    }

    fn command_line(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.arg("-f").arg(&self.config);
        match self.mode {
            Mode::MasterSocket => command.args(["-W", "-S"]).arg(&self.master).arg("-p").arg(&self.pid_file),
            Mode::MasterWorker => command.args(["-W", "-p"]).arg(&self.pid_file),
            Mode::Classic => command.args(["-D", "-p"]).arg(&self.pid_file),
            Mode::Foreground => command.arg("-db"),
        };
        command
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let (config, has_admin) = (self.config.display().to_string(), self.admin.is_some());
        let has_master = self.mode == Mode::MasterSocket;
        poll::try_until(READY, &format!("HAProxy on '{config}'"), || {
            if let Some(daemon) = &mut self.daemon {
                daemon.check()?;
            }
            let serves = match (has_admin, self.mode) {
                (true, _) => self.show_info().is_ok(),
                // It has no pid file and no socket, so there is nothing to wait for.
                (false, Mode::Foreground) => true,
                (false, _) => self.written_pid().is_some(),
            };
            // The master accepts commands a moment later than its worker.
            let is_ready = serves && (!has_master || self.master_command("show proc").is_ok());
            Ok(is_ready.then_some(()))
        })
    }

    /// Its configuration file.
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// The socket of the configuration, if it has one.
    pub fn admin_socket(&self) -> Option<&Path> {
        self.admin.as_deref()
    }

    /// The master's socket, if it has one.
    pub fn master_socket(&self) -> Option<&Path> {
        (self.mode == Mode::MasterSocket).then_some(self.master.as_path())
    }

    /// Its pid file.
    pub fn pid_file(&self) -> &Path {
        &self.pid_file
    }

    /// The process that was started and stays: the master in master-worker mode. In classic mode, the process that is
    /// in the pid file now.
    pub fn pid(&self) -> Option<u32> {
        self.daemon.as_ref().map(Daemon::id).or_else(|| self.written_pid())
    }

    fn written_pid(&self) -> Option<u32> {
        fs::read_to_string(&self.pid_file).ok()?.split_whitespace().next()?.parse().ok()
    }

    /// The process that serves requests now.
    pub fn worker_pid(&self) -> Result<u32> {
        let info = self.show_info()?;
        let pid = info.get("Pid").and_then(|pid| pid.parse().ok());
        pid.ok_or_else(|| wrong("show info", "no Pid in it"))
    }

    /// Runs a command on the socket of the configuration.
    pub fn command(&self, command: &str) -> Result<String> {
        let socket = self.admin.as_ref();
        ask(socket.ok_or_else(|| Error::Unfit("this HAProxy has no stats socket".to_owned()))?, command)
    }

    /// Runs a command on the master's socket.
    pub fn master_command(&self, command: &str) -> Result<String> {
        ask(&self.master, command)
    }

    /// `show info` as names and values.
    pub fn show_info(&self) -> Result<BTreeMap<String, String>> {
        let answer = self.command("show info")?;
        let pairs = answer.lines().filter_map(|line| line.split_once(':'));
        Ok(pairs.map(|(key, value)| (key.to_owned(), value.trim().to_owned())).collect())
    }

    /// The `description` in its running configuration.
    pub fn description(&self) -> Result<String> {
        Ok(self.show_info()?.remove("description").unwrap_or_default())
    }

    /// `show stat`: a map for each row, column to value.
    pub fn show_stat(&self) -> Result<Vec<BTreeMap<String, String>>> {
        Ok(rows(&self.command("show stat")?))
    }

    /// The servers of all backends now.
    pub fn servers(&self) -> Result<Vec<Server>> {
        Ok(servers_of_rows(self.show_stat()?))
    }

    /// The servers that are in service, of all backends.
    pub fn in_service(&self) -> Result<Servers> {
        let answer = self.command("show servers state")?;
        servers_in_service(&answer).ok_or_else(|| wrong("show servers state", "it is not a table of servers"))
    }

    /// Sends SIGTERM and waits for its end.
    pub fn stop(&mut self) -> Result<()> {
        match (&mut self.daemon, self.mode) {
            (Some(daemon), _) => daemon.stop().map(drop),
            (None, Mode::Classic) => self.stop_classic(),
            (None, _) => Ok(()),
        }
    }

    fn stop_classic(&self) -> Result<()> {
        let Some(pid) = self.written_pid().filter(|pid| is_haproxy(*pid)) else { return Ok(()) };
        // It may end in between; then there is nothing to stop.
        let _ = kill(process::id(pid), Signal::SIGTERM);
        poll::until(READY, "the end of HAProxy", || (!is_haproxy(pid)).then_some(()))
    }
}

impl Drop for Haproxy {
    fn drop(&mut self) {
        // If this fails, the run's guardian ends it.
        let _ = self.stop();
    }
}

/// True if this process runs and is a HAProxy.
pub fn is_haproxy(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.contains("(haproxy) ") && !stat.contains("(haproxy) Z")
}
