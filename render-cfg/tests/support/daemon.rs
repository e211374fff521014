//! Real servers behind HAProxy: databases and the like. Each ends with its test.

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, User, geteuid};

use super::skip;

/// Where Debian has the programs of PostgreSQL, in a directory for each version. They are not in the PATH.
const POSTGRESQL: &str = "/usr/lib/postgresql";

/// A running server; gets its signal when it is dropped.
pub struct Daemon {
    child: Child,
    end: Signal,
    log: PathBuf,
}

impl Daemon {
    /// Starts a server, which needs this signal to end at once. Its output goes to this file, and is printed if the test
    /// fails.
    pub fn start(command: &mut Command, end: Signal, log: &Path) -> Daemon {
        let output = fs::File::options().create(true).append(true).open(log).unwrap();
        command.stdout(output.try_clone().unwrap()).stderr(output);
        // A server of openssl ends with its input.
        let child = command.stdin(Stdio::piped()).spawn().unwrap();
        Daemon { child, end, log: log.to_owned() }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = kill(Pid::from_raw(self.child.id() as i32), self.end);
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("{}:\n{}", self.log.display(), fs::read_to_string(&self.log).unwrap_or_default());
        }
    }
}

/// Whether these programs are installed. Otherwise the test is skipped.
pub fn are_there(programs: &[&str]) -> bool {
    let missing = programs.iter().find(|program| find(program).is_none());
    if let Some(program) = missing {
        skip(&format!("{program} is not installed"));
    }
    missing.is_none()
}

/// A program of the PATH, or of the newest PostgreSQL.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let in_path = std::env::split_paths(&path).map(|directory| directory.join(program));
    let found = in_path.chain([Path::new("/usr/sbin").join(program)]).find(|path| path.is_file());
    found.or_else(|| Some(postgresql()?.join(program)).filter(|path| path.is_file()))
}

/// The directory with the programs of the newest PostgreSQL.
pub fn postgresql() -> Option<PathBuf> {
    let versions =
        fs::read_dir(POSTGRESQL).ok()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let newest = versions.filter_map(|name| name.parse::<u32>().ok()).max()?;
    Some(Path::new(POSTGRESQL).join(newest.to_string()).join("bin"))
}

/// A program that refuses to run as root: the command for it, as an unprivileged user if the test is root.
pub fn unprivileged(program: &str) -> Command {
    let mut command = Command::new(find(program).unwrap());
    if let Some(user) = nobody() {
        command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }
    command
}

/// A directory for such a program. The directories above it must be open to everyone.
pub fn unprivileged_directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    if let Some(user) = nobody() {
        chown(directory.path(), Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
    }
    directory
}

fn nobody() -> Option<User> {
    if geteuid().is_root() { User::from_name("nobody").unwrap() } else { None }
}

/// Runs a command and asserts that it succeeds.
#[track_caller]
pub fn succeed(command: &mut Command) -> Output {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    output
}

/// The output of a client of a database: stdout, or stderr if it fails.
pub fn output(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = if output.status.success() { output.stdout } else { output.stderr };
    String::from_utf8_lossy(&text).trim_end().to_owned()
}
