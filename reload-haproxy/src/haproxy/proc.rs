//! Reads /proc/PID (proc(5)), and converts between its clock and that of files.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

use nix::time::{ClockId, clock_gettime};

/// How often, 5 ms apart, the command line of a process that is executing another program is read.
const EXECUTING: u32 = 40;

/// The arguments in /proc/PID/cmdline. They are empty for a moment while a process executes another program,
/// as a master does for each reload.
pub(crate) fn command_line(path: &Path) -> Option<Vec<OsString>> {
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

pub(crate) fn directory(pid: i32) -> PathBuf {
    format!("/proc/{pid}").into()
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) name: String,
    pub(crate) is_dead: bool,
    pub(crate) is_stopped: bool,
    pub(crate) parent: i32,
    pub(crate) birth: Duration,
}

/// Reads /proc/PID/stat (proc(5)): `PID (NAME) STATE PPID ... STARTTIME ...`; the name may hold anything.
pub(crate) fn parse_stat(text: &str) -> Option<Stat> {
    let (_, rest) = text.split_once('(')?;
    let (name, rest) = rest.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    let ticks: u64 = fields.get(19)?.parse().ok()?;
    // Clock ticks are hundredths of a second in /proc on every Linux.
    let birth = Duration::from_millis(ticks.checked_mul(10)?);
    Some(Stat {
        name: name.to_owned(),
        is_dead: matches!(fields[0], "Z" | "X"),
        is_stopped: fields[0] == "T",
        parent: fields[1].parse().ok()?,
        birth,
    })
}

/// The real and the effective user in /proc/PID/status (proc(5)). The owner of /proc/PID is not enough: it is
/// root for a process that has changed its user.
pub(crate) fn parse_users(text: &str) -> Option<[u32; 2]> {
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
    fn stat_is_read_with_any_name() {
        let text = "7 (a) b (c) S 1 7 7 0 -1 4194304 2 0 0 0 3 0 0 0 20 0 1 0 158391 97890304 3157";
        let stat = parse_stat(text).unwrap();
        assert_eq!((stat.name.as_str(), stat.is_dead, stat.parent), ("a) b (c", false, 1));
        assert_eq!(stat.birth, Duration::from_millis(1_583_910));
        assert_eq!(parse_stat("7 (haproxy) S 1"), None);
    }

    #[test]
    fn the_users_of_a_process_are_read() {
        assert_eq!(parse_users("Name:\thaproxy\nUid:\t0\t105\t105\t105\nGid:\t0\n"), Some([0, 105]));
    }
}
