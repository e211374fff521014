//! HAProxy in each of the modes in which it is used in production, and what its sockets report.
//!
//! What it serves is read from HAProxy, never assumed from a file or a signal: `show info`, `show stat`,
//! `show servers state`.

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
use crate::run::daemon::Daemon;
use crate::run::error::{Error, Result};
use crate::run::{Run, poll, process, programs};

/// With a hundred thousand servers it takes seconds to start.
const READY: Duration = Duration::from_secs(30);

/// How it is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// `-W -S SOCKET`: master and worker, with the master's socket.
    MasterSocket,
    /// `-W -p FILE`: master and worker, reloaded by SIGUSR2.
    MasterWorker,
    /// `-D -p FILE`: it makes itself a daemon; reloaded by starting another with `-sf`.
    Classic,
    /// `-db`: one process that stays and writes no pid file.
    Foreground,
}

/// A running HAProxy. When dropped, it gets SIGTERM (never SIGKILL to a master first: its workers
/// would linger).
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
    /// Starts it on a configuration file. `admin` is the path of the `stats socket` in that, if it has one:
    /// then its answer is waited for. Its pid file and master socket are `NAME.pid` and `NAME-master.sock` in
    /// the run's directory.
    pub fn start(run: &Run, name: &str, config: &Path, mode: Mode, admin: Option<&Path>) -> Result<Haproxy> {
        let program = programs::find("haproxy")?;
        Haproxy::start_program(&program, run, name, config, mode, admin)
    }

    /// The same with another HAProxy than the installed one.
    pub fn start_program(
        program: &Path,
        run: &Run,
        name: &str,
        config: &Path,
        mode: Mode,
        admin: Option<&Path>,
    ) -> Result<Haproxy> {
        let mut haproxy = Haproxy {
            mode,
            config: config.to_owned(),
            admin: admin.map(Path::to_owned),
            pid_file: run.join(&format!("{name}.pid")),
            master: run.join(&format!("{name}-master.sock")),
            daemon: None,
        };
        let mut command = haproxy.command_line(program);
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
                // It writes no pid file and has no socket: there is nothing to see it by.
                (false, Mode::Foreground) => true,
                (false, _) => self.written_pid().is_some(),
            };
            // The master takes commands a moment after its worker.
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

    /// The process that was started and, in master-worker mode, stays: the master. In classic mode the one that
    /// the pid file names now.
    pub fn pid(&self) -> Option<u32> {
        self.daemon.as_ref().map(Daemon::id).or_else(|| self.written_pid())
    }

    fn written_pid(&self) -> Option<u32> {
        fs::read_to_string(&self.pid_file).ok()?.split_whitespace().next()?.parse().ok()
    }

    /// The process that serves now.
    pub fn worker_pid(&self) -> Result<u32> {
        let info = self.show_info()?;
        let pid = info.get("Pid").and_then(|pid| pid.parse().ok());
        pid.ok_or_else(|| wrong("show info", "no Pid in it"))
    }

    /// A command on the socket of the configuration.
    pub fn command(&self, command: &str) -> Result<String> {
        let socket = self.admin.as_ref();
        ask(socket.ok_or_else(|| Error::Unfit("this HAProxy has no stats socket".to_owned()))?, command)
    }

    /// A command on the master's socket.
    pub fn master_command(&self, command: &str) -> Result<String> {
        ask(&self.master, command)
    }

    /// `show info` as names and values.
    pub fn show_info(&self) -> Result<BTreeMap<String, String>> {
        let answer = self.command("show info")?;
        let pairs = answer.lines().filter_map(|line| line.split_once(':'));
        Ok(pairs.map(|(key, value)| (key.to_owned(), value.trim().to_owned())).collect())
    }

    /// The `description` of the configuration that it runs.
    pub fn description(&self) -> Result<String> {
        Ok(self.show_info()?.remove("description").unwrap_or_default())
    }

    /// `show stat`: a map for each row, column to value.
    pub fn show_stat(&self) -> Result<Vec<BTreeMap<String, String>>> {
        Ok(rows(&self.command("show stat")?))
    }

    /// The servers of all backends, as it has them now.
    pub fn servers(&self) -> Result<Vec<Server>> {
        Ok(servers_of_rows(self.show_stat()?))
    }

    /// The servers that are in service, of all backends.
    pub fn in_service(&self) -> Result<Servers> {
        let answer = self.command("show servers state")?;
        servers_in_service(&answer).ok_or_else(|| wrong("show servers state", "it is not a table of servers"))
    }

    /// SIGTERM, and its end awaited.
    pub fn stop(&mut self) -> Result<()> {
        match (&mut self.daemon, self.mode) {
            (Some(daemon), _) => daemon.stop().map(drop),
            (None, Mode::Classic) => self.stop_classic(),
            (None, _) => Ok(()),
        }
    }

    fn stop_classic(&self) -> Result<()> {
        let Some(pid) = self.written_pid().filter(|pid| is_haproxy(*pid)) else { return Ok(()) };
        // It may end by itself in between; then there is nothing to stop.
        let _ = kill(process::id(pid), Signal::SIGTERM);
        poll::until(READY, "the end of HAProxy", || (!is_haproxy(pid)).then_some(()))
    }
}

impl Drop for Haproxy {
    fn drop(&mut self) {
        // The run's guardian ends what does not end here.
        let _ = self.stop();
    }
}

/// True if that process runs, and is a HAProxy.
pub fn is_haproxy(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.contains("(haproxy) ") && !stat.contains("(haproxy) Z")
}
