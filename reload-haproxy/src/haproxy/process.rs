//! HAProxy's processes as /proc shows them: a pid alone proves nothing.
//!
//! A pid file may be stale and its number somebody else's by now; a signal to the wrong process kills it.
//! So a process counts as HAProxy only after a look at what it is.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

use nix::time::{ClockId, clock_gettime};
use nix::unistd::geteuid;

/// What the variables begin with that a master hands itself when it executes itself anew, or that are for
/// the loader.
const OWN_VARIABLES: [&str; 7] = [
    "LD_",
    "HAPROXY_MWORKER",
    "HAPROXY_PROCESSES",
    "HAPROXY_STARTUPLOGS_FD",
    "HAPROXY_LOAD_SUCCESS",
    "HAPROXY_CFGFILES",
    "NOTIFY_SOCKET",
];

/// So many looks, 5 ms apart, at a process that is executing another program.
const EXECUTING: u32 = 40;

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
        let directory = proc(pid);
        let stat = parse_stat(&fs::read_to_string(directory.join("stat")).ok()?)?;
        // The kernel keeps 15 bytes of a name. A zombie serves nobody.
        let is_name = |known: &str| stat.name == known.get(..15).unwrap_or(known);
        if stat.is_dead || !(is_name("haproxy") || is_name(name)) {
            return None;
        }
        let arguments = command_line(&directory.join("cmdline"))?;
        let users = parse_users(&fs::read_to_string(directory.join("status")).ok()?)?;
        Some(Process { pid, parent: stat.parent, birth: stat.birth, users, arguments })
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

    fn stat(&self) -> Option<Stat> {
        let stat = parse_stat(&fs::read_to_string(proc(self.pid).join("stat")).ok()?)?;
        (stat.birth == self.birth).then_some(stat)
    }

    /// Whether it lives in this program's namespace of that kind (`mnt`, `net`). Unknown counts as yes.
    pub(crate) fn shares(&self, namespace: &str) -> bool {
        let inode = |pid: &str| fs::metadata(format!("/proc/{pid}/ns/{namespace}")).map(|m| m.ino()).ok();
        let theirs = inode(&self.pid.to_string());
        theirs.is_none() || theirs == inode("self")
    }

    /// Whether it is root's or the caller's own. Anybody can call a program `haproxy` and give it any
    /// command line, environment and directory: of another user's process nothing is executed.
    pub(crate) fn is_trusted(&self) -> bool {
        let own = geteuid().as_raw();
        self.users.iter().all(|user| *user == 0 || *user == own)
    }

    /// Whether it runs as the caller does.
    pub(crate) fn is_callers(&self) -> bool {
        self.users[1] == geteuid().as_raw()
    }

    /// The program that it runs, if it is to be trusted and that still stands where it was started from.
    pub(crate) fn program(&self) -> Option<PathBuf> {
        let program = fs::read_link(proc(self.pid).join("exe")).ok().filter(|path| path.exists());
        program.filter(|_| self.is_trusted())
    }

    /// Its working directory, or `/` if it changed its root since and paths mean something else there.
    pub(crate) fn directory(&self) -> PathBuf {
        let link = |name| fs::read_link(proc(self.pid).join(name)).ok();
        match link("root") {
            Some(root) if root != Path::new("/") => "/".into(),
            _ => link("cwd").unwrap_or_else(|| "/".into()),
        }
    }

    /// Where that path leads to as it sees it, as a path for this program; `None` if it changed its root since
    /// and that cannot be told.
    pub(crate) fn place(&self, path: &Path) -> Option<PathBuf> {
        if self.shares("mnt") {
            return Some(path.to_owned());
        }
        let root = proc(self.pid).join("root");
        let is_whole = fs::read_link(&root).is_ok_and(|root| root == Path::new("/"));
        is_whole.then(|| root.join(path.strip_prefix("/").unwrap_or(path)))
    }

    /// The environment that it was started with, without what a master tells itself over a reload (with
    /// that, `haproxy -c` reads no file and finds nothing); empty if it may not be read.
    pub(crate) fn environment(&self) -> Vec<(OsString, OsString)> {
        let bytes = fs::read(proc(self.pid).join("environ")).unwrap_or_default();
        let pair = |entry: &[u8]| {
            let at = entry.iter().position(|&b| b == b'=').filter(|&at| at > 0)?;
            Some((OsString::from_vec(entry[..at].to_vec()), OsString::from_vec(entry[at + 1..].to_vec())))
        };
        let own =
            |name: &OsString| OWN_VARIABLES.iter().any(|own| name.as_bytes().starts_with(own.as_bytes()));
        bytes.split(|&b| b == 0).filter_map(pair).filter(|(name, _)| !own(name)).collect()
    }

    /// Its configuration files: the values of `-f`, and all that stands after `--`.
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

    /// Whether it was started on the configuration file at `config` (symlinks resolved), or on the
    /// directory that holds it. It is asked for the very file: a container has one of the same path, and
    /// Debian's unit gives HAProxy a view of the file system of its own in which the file is the same.
    pub(crate) fn runs(&self, config: &Path) -> bool {
        let directory = self.directory();
        let root = proc(self.pid).join("root");
        let is_chrooted = fs::read_link(&root).map_or(true, |root| root != Path::new("/"));
        if is_chrooted && !self.shares("mnt") {
            return false;
        }
        self.files().into_iter().any(|file| {
            // From within a chroot nothing can be looked up any more; there only the name is left.
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
    // The file may just be replaced; then its directory and its name are still the same.
    let place = |path: &Path| Some((identity(path.parent()?)?, path.file_name()?.to_owned()));
    let same = |found: Option<bool>| found == Some(true);
    same(identity(one).map(|found| Some(found) == identity(other)))
        || same(place(one).map(|found| Some(found) == place(other)))
}

/// The words of /proc/PID/cmdline. They are gone for a moment while a process executes another program, as
/// a master does for each reload.
fn command_line(path: &Path) -> Option<Vec<OsString>> {
    let mut bytes = fs::read(path).ok()?;
    for _ in 0..EXECUTING {
        if !bytes.is_empty() {
            break;
        }
        thread::sleep(Duration::from_millis(5));
        bytes = fs::read(path).ok()?;
    }
    // The last one ends in a NUL too.
    let bytes = bytes.strip_suffix(b"\0")?;
    Some(bytes.split(|&b| b == 0).map(|word| OsString::from_vec(word.to_vec())).collect())
}

fn proc(pid: i32) -> PathBuf {
    format!("/proc/{pid}").into()
}

#[derive(Debug, PartialEq, Eq)]
struct Stat {
    name: String,
    is_dead: bool,
    is_stopped: bool,
    parent: i32,
    birth: Duration,
}

/// Reads /proc/PID/stat (proc(5)): `PID (NAME) STATE PPID ... STARTTIME ...`; the name may hold anything.
fn parse_stat(text: &str) -> Option<Stat> {
    let (_, rest) = text.split_once('(')?;
    let (name, rest) = rest.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    let ticks: u64 = fields.get(19)?.parse().ok()?;
    // Clock ticks are hundredths of a second in /proc on every Linux that there is.
    let birth = Duration::from_millis(ticks.checked_mul(10)?);
    Some(Stat {
        name: name.to_owned(),
        is_dead: matches!(fields[0], "Z" | "X"),
        is_stopped: fields[0] == "T",
        parent: fields[1].parse().ok()?,
        birth,
    })
}

/// The real and the effective user in /proc/PID/status (proc(5)). The owner of /proc/PID is no answer: it
/// is root for a process that has changed its user.
fn parse_users(text: &str) -> Option<[u32; 2]> {
    let line = text.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    let mut users = line.split_whitespace().map(|user| user.parse().ok());
    Some([users.next()??, users.next()??])
}

/// How long the machine has been up, on the clock of a process's birth.
pub(crate) fn since_boot() -> Duration {
    clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::ZERO, Duration::from)
}

/// A moment since boot, on the clock of files.
pub(crate) fn wall_clock(moment: Duration) -> SystemTime {
    SystemTime::now() - since_boot().saturating_sub(moment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_is_read_whatever_the_name_holds() {
        let text = "7 (a) b (c) S 1 7 7 0 -1 4194304 2 0 0 0 3 0 0 0 20 0 1 0 158391 97890304 3157";
        let stat = parse_stat(text).unwrap();
        assert_eq!((stat.name.as_str(), stat.is_dead, stat.parent), ("a) b (c", false, 1));
        assert_eq!(stat.birth, Duration::from_millis(1_583_910));
        assert_eq!(parse_stat("7 (haproxy) S 1"), None);
    }

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
        assert_eq!(parse_users("Name:\thaproxy\nUid:\t0\t105\t105\t105\nGid:\t0\n"), Some([0, 105]));
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
