//! HAProxy's processes as /proc shows them: a pid alone proves nothing.
//!
//! A pid file may be stale and its pid reused, and a signal to the wrong process ends it. So a process counts as
//! HAProxy only after its name and command line were checked.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::geteuid;

use crate::haproxy::proc;

/// Prefixes of variables that a master sets when it executes itself again, or that are for the loader.
const OWN_VARIABLES: [&str; 7] = [
    "LD_",
    "HAPROXY_MWORKER",
    "HAPROXY_PROCESSES",
    "HAPROXY_STARTUPLOGS_FD",
    "HAPROXY_LOAD_SUCCESS",
    "HAPROXY_CFGFILES",
    "NOTIFY_SOCKET",
];

/// A HAProxy process that is alive.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    pub(crate) parent: i32,
    /// When it began, since the machine did.
    pub(crate) birth: Duration,
    /// Its real and its effective user.
    pub(crate) users: [u32; 2],
    /// Its command line, the program's name first.
    pub(crate) arguments: Vec<OsString>,
}

impl Process {
    /// The process `pid`, if there is one and it is a HAProxy called `name`.
    pub(crate) fn find(pid: i32, name: &str) -> Option<Process> {
        let directory = proc::directory(pid);
        let stat = proc::parse_stat(&fs::read_to_string(directory.join("stat")).ok()?)?;
        // The kernel keeps 15 bytes of a name. A zombie serves no requests.
        let is_name = |known: &str| stat.name == known.get(..15).unwrap_or(known);
        if stat.is_dead || !(is_name("haproxy") || is_name(name)) {
            return None;
        }
        let arguments = proc::command_line(pid)?;
        let users = proc::parse_users(&fs::read_to_string(directory.join("status")).ok()?)?;
        let process = Process { pid, parent: stat.parent, birth: stat.birth, users, arguments };
        // All of it is about one process, unless the pid was reused meanwhile.
        (!process.has_ended()).then_some(process)
    }

    /// All HAProxy processes called `name`, the oldest first.
    pub(crate) fn all(name: &str) -> Vec<Process> {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let mut all: Vec<Process> = pids.filter_map(|pid| Process::find(pid, name)).collect();
        all.sort_by_key(|process| (process.birth, process.pid));
        all
    }

    /// The HAProxy that is its parent.
    pub(crate) fn master(&self, name: &str) -> Option<Process> {
        Process::find(self.parent, name)
    }

    pub(crate) fn children(&self, name: &str) -> Vec<Process> {
        Process::all(name).into_iter().filter(|process| process.parent == self.pid).collect()
    }

    pub(crate) fn has_children(&self, name: &str) -> bool {
        !self.children(name).is_empty()
    }

    /// Whether it has ended since; its number may be another's by now.
    pub(crate) fn has_ended(&self) -> bool {
        self.stat().is_none_or(|stat| stat.is_dead)
    }

    /// Whether a signal stopped it (and no SIGCONT came yet).
    pub(crate) fn is_stopped(&self) -> bool {
        self.stat().is_some_and(|stat| stat.is_stopped)
    }

    fn stat(&self) -> Option<proc::Stat> {
        let stat = proc::parse_stat(&fs::read_to_string(proc::directory(self.pid).join("stat")).ok()?)?;
        (stat.birth == self.birth).then_some(stat)
    }

    /// Whether it lives in this program's namespace of that kind (`mnt`, `net`). If that is unknown, yes.
    pub(crate) fn shares(&self, namespace: &str) -> bool {
        let inode = |pid: &str| fs::metadata(format!("/proc/{pid}/ns/{namespace}")).map(|m| m.ino()).ok();
        let theirs = inode(&self.pid.to_string());
        theirs.is_none() || theirs == inode("self")
    }

    /// Whether it belongs to root or the caller. Any user can call a program `haproxy` and give it any
    /// command line, environment and directory, so nothing of another user's process is executed.
    pub(crate) fn is_trusted(&self) -> bool {
        let own = geteuid().as_raw();
        self.users.iter().all(|user| *user == 0 || *user == own)
    }

    /// Whether it runs as the caller does.
    pub(crate) fn is_callers(&self) -> bool {
        self.users[1] == geteuid().as_raw()
    }

    /// The program that it runs, if it is trusted and the file still exists.
    pub(crate) fn program(&self) -> Option<PathBuf> {
        let program = fs::read_link(proc::directory(self.pid).join("exe")).ok().filter(|path| path.exists());
        program.filter(|_| self.is_trusted())
    }

    /// Its working directory, or `/` if it changed its root since and paths mean something else there.
    pub(crate) fn directory(&self) -> PathBuf {
        let link = |name| fs::read_link(proc::directory(self.pid).join(name)).ok();
        match link("root") {
            Some(root) if root != Path::new("/") => "/".into(),
            _ => link("cwd").unwrap_or_else(|| "/".into()),
        }
    }

    /// The path as this program must open it to reach what the process sees there; `None` if the process has
    /// changed its root and this cannot be determined.
    pub(crate) fn place(&self, path: &Path) -> Option<PathBuf> {
        if self.shares("mnt") {
            return Some(path.to_owned());
        }
        let root = proc::directory(self.pid).join("root");
        let is_whole = fs::read_link(&root).is_ok_and(|root| root == Path::new("/"));
        is_whole.then(|| root.join(path.strip_prefix("/").unwrap_or(path)))
    }

    /// The environment that it was started with, without what a master sets for a reload (with that, `haproxy
    /// -c` reads no file and finds nothing); empty if it cannot be read.
    pub(crate) fn environment(&self) -> Vec<(OsString, OsString)> {
        let own =
            |name: &OsString| OWN_VARIABLES.iter().any(|own| name.as_bytes().starts_with(own.as_bytes()));
        proc::environment(self.pid).into_iter().filter(|(name, _)| !own(name)).collect()
    }

    /// Its configuration files: the values of `-f`, and everything after `--`.
    pub(crate) fn files(&self) -> Vec<&Path> {
        let rest = self.arguments.iter().skip_while(|argument| *argument != "--").skip(1);
        self.option("-f").into_iter().chain(rest.map(Path::new)).collect()
    }

    /// Whether it was started on more than one file, or on a directory.
    pub(crate) fn has_several_files(&self) -> bool {
        match self.files()[..] {
            [file] => self.directory().join(file).is_dir(),
            _ => true,
        }
    }

    /// The values of an option that takes one, such as `-S`, in order.
    pub(crate) fn option(&self, name: &str) -> Vec<&Path> {
        let mut arguments = self.arguments.iter().skip(1).take_while(|argument| *argument != "--");
        let mut values = Vec::new();
        while let Some(argument) = arguments.next() {
            if argument == name {
                values.extend(arguments.next().map(Path::new));
            }
        }
        values
    }

    /// Whether its command line has this flag.
    pub(crate) fn has_flag(&self, name: &str) -> bool {
        self.arguments.iter().skip(1).any(|argument| argument == name)
    }

    /// Whether it was started on the configuration file at `config` (symlinks resolved), or on its directory.
    /// The files themselves are compared: a container may have another file at the same path, and Debian's
    /// unit gives HAProxy its own view of the file system with the same file.
    pub(crate) fn runs(&self, config: &Path) -> bool {
        let directory = self.directory();
        let root = proc::directory(self.pid).join("root");
        let is_chrooted = fs::read_link(&root).map_or(true, |root| root != Path::new("/"));
        if is_chrooted && !self.shares("mnt") {
            return false;
        }
        self.files().into_iter().any(|file| {
            // After a chroot paths cannot be resolved; only the name can be compared.
            if is_chrooted && file.is_relative() {
                return file.file_name() == config.file_name();
            }
            let file = directory.join(file);
            let file = if is_chrooted { file } else { root.join(file.strip_prefix("/").unwrap_or(&file)) };
            is_same(&file, config) || config.parent().is_some_and(|parent| is_same(&file, parent))
        })
    }
}

/// Whether both paths lead to one file.
fn is_same(one: &Path, other: &Path) -> bool {
    let identity = |path: &Path| fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino())).ok();
    // The file may have just been replaced; then its directory and its name are still the same.
    let place = |path: &Path| Some((identity(path.parent()?)?, path.file_name()?.to_owned()));
    let same = |found: Option<bool>| found == Some(true);
    same(identity(one).map(|found| Some(found) == identity(other)))
        || same(place(one).map(|found| Some(found) == place(other)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_is_not_haproxy_is_not_found() {
        assert!(Process::find(1, "haproxy").is_none());
        assert!(Process::find(i32::MAX, "haproxy").is_none());
    }

    fn like(arguments: &[&str], users: [u32; 2]) -> Process {
        let arguments = arguments.iter().map(OsString::from).collect();
        Process { pid: 0, parent: 0, birth: Duration::ZERO, users, arguments }
    }

    #[test]
    fn a_process_of_another_user_is_not_trusted() {
        let own = geteuid().as_raw();
        assert!(like(&[], [0, 0]).is_trusted() && like(&[], [own, own]).is_trusted());
        assert!(!like(&[], [65534, 0]).is_trusted() && !like(&[], [0, 65534]).is_trusted());
    }

    #[test]
    fn options_of_a_command_line_are_found() {
        let process =
            like(&["haproxy", "-W", "-S", "/run/m.sock", "-f", "a", "-f", "b", "-D", "--", "c"], [0, 0]);
        assert_eq!(process.files(), [Path::new("a"), Path::new("b"), Path::new("c")]);
        assert_eq!(process.option("-S"), [Path::new("/run/m.sock")]);
        assert!(process.has_flag("-W") && !process.has_flag("-Ws"));
    }
}
