//! One run: a directory for all that it writes, and a guardian that cleans up after it.
//!
//! A run can be ended by kill -9, and then it cannot clean up. The guardian is a separate small process that notices
//! the end of the run, ends every process with the run's mark in its environment (a HAProxy daemon and a running
//! handler no longer have a parent), and removes the directory. A run that ends normally is cleaned up in the same
//! way, so the guardian is tested all the time.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::run::error::Result;
use crate::run::error::system;
use crate::run::programs;

const GUARDIAN: &str = include_str!("guardian.sh");

/// The variable that marks the processes of a run; its value is the run's directory.
pub const MARK: &str = "ROLLCALL_RUN";

/// A run's directory and guardian. Drop it last: that ends all of the run's processes, removes the directory and
/// waits for both. If `$ROLLCALL_KEEP` is set, the directory stays.
#[derive(Debug)]
pub struct Run {
    directory: PathBuf,
    guardian: Child,
}

impl Run {
    /// Makes a directory (mode 0700) in the system's temporary directory, and starts a guardian for it.
    pub fn new() -> Result<Run> {
        let private = Permissions::from_mode(0o700);
        let made = tempfile::Builder::new().prefix("rollcall-").permissions(private).tempdir();
        let directory = made.map_err(system("make a directory in", std::env::temp_dir().display()))?;
        Run::over(directory.keep(), None)
    }

    /// Starts a guardian for an existing directory. `parent` is removed too if it is empty by then.
    pub fn over(directory: PathBuf, parent: Option<&Path>) -> Result<Run> {
        let mut command = Command::new(programs::find("sh")?);
        command.args(["-c", GUARDIAN, "guardian"]).arg(&directory).args(parent);
        // A separate process group: Ctrl-C goes to the run, which then ends.
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let guardian = command.current_dir("/").env_remove(MARK).spawn();
        Ok(Run { guardian: guardian.map_err(system("run", "sh"))?, directory })
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.directory
    }

    /// A file in the directory.
    pub fn join(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Marks a command as the run's, and keeps its temporary files in the run's directory.
    pub fn adopt<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.env(MARK, &self.directory).env("TMPDIR", &self.directory)
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        drop(self.guardian.stdin.take());
        // Its exit code does not matter: the run is ending.
        let _ = self.guardian.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::poll;
    use crate::run::process::is_running;
    use std::time::Duration;

    #[test]
    fn the_end_of_a_run_ends_its_processes_and_removes_its_directory() {
        let run = Run::new().unwrap();
        let directory = run.path().to_owned();
        let mut stays = Command::new("sleep").arg("60").spawn().unwrap();
        // A grandchild that has left its parent, session and terminal, as a daemon does.
        let script = "setsid sleep 60 >/dev/null 2>&1 & echo $!";
        let mut command = Command::new("sh");
        let output = run.adopt(command.args(["-c", script])).output().unwrap();
        let pid: u32 = String::from_utf8(output.stdout).unwrap().trim().parse().unwrap();
        poll::until(Duration::from_secs(5), "the daemon", || is_running(pid).then_some(())).unwrap();
        drop(run);
        assert!(!is_running(pid));
        assert!(!directory.exists());
        assert!(is_running(stays.id()), "a process without the mark was ended");
        stays.kill().unwrap();
        stays.wait().unwrap();
    }
}
