//! Reads /proc/PID (proc(5)), and converts between its clock and that of files.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

use nix::time::{ClockId, clock_gettime};

/// The unit of a process's birth, which is rounded down: a hundredth of a second in /proc on every Linux.
pub(crate) const TICK: Duration = Duration::from_millis(TICK_MS);
const TICK_MS: u64 = 10;
/// How often, at most, the memory of a process is read until two reads agree.
const READS: u32 = 40;
/// More than the command line or environment of most processes.
const USUAL_SIZE: usize = 16 << 10;

/// The arguments of the process `pid`.
pub(crate) fn command_line(pid: i32) -> Option<Vec<OsString>> {
    let bytes = memory(&directory(pid).join("cmdline")).ok()?;
    // The last one ends in a NUL too.
    let bytes = bytes.strip_suffix(b"\0")?;
    Some(bytes.split(|&b| b == 0).map(|word| OsString::from_vec(word.to_vec())).collect())
}

/// The environment that the process `pid` was started with, empty if it cannot be read.
pub(crate) fn environment(pid: i32) -> Vec<(OsString, OsString)> {
    let bytes = memory(&directory(pid).join("environ")).unwrap_or_default();
    let pair = |entry: &[u8]| {
        let at = entry.iter().position(|&b| b == b'=').filter(|&at| at > 0)?;
        Some((OsString::from_vec(entry[..at].to_vec()), OsString::from_vec(entry[at + 1..].to_vec())))
    };
    bytes.split(|&b| b == 0).filter_map(pair).collect()
}

/// Reads /proc/PID/cmdline or environ. A process gets new memory when it executes a program, as a master does
/// for each reload. For a moment the text is empty then, and two halves may be of different programs. So it is
/// read until two reads agree.
fn memory(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = read_at_once(path)?;
    for _ in 0..READS {
        if bytes.is_empty() {
            thread::sleep(Duration::from_millis(5));
        }
        let again = read_at_once(path)?;
        if again == bytes && !again.is_empty() {
            break;
        }
        bytes = again;
    }
    Ok(bytes)
}

/// Reads a file by one `read`: the kernel copies the process's memory of that moment.
fn read_at_once(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; USUAL_SIZE];
    loop {
        let length = File::open(path)?.read(&mut bytes)?;
        if length < bytes.len() {
            bytes.truncate(length);
            return Ok(bytes);
        }
        bytes.resize(2 * length, 0);
    }
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
    let birth = Duration::from_millis(ticks.checked_mul(TICK_MS)?);
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
    use std::collections::BTreeSet;
    use std::iter;
    use std::process::Command;
    use std::time::Instant;

    use super::*;

    /// Executes itself again and again, with its two command lines by turns.
    const AGAIN: &str = r#"case $1 in
        one) exec sh -eu -f -c "$0" "$0" another ;;
        *) exec sh -c "$0" "$0" one ;;
    esac"#;

    #[test]
    fn what_is_read_of_a_process_that_executes_itself_again_is_whole() {
        let lines = [vec!["-c", AGAIN, AGAIN, "one"], vec!["-eu", "-f", "-c", AGAIN, AGAIN, "another"]];
        let mut child = Command::new("sh").args(&lines[0]).env("AGAIN", AGAIN).spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let (mut seen, mut is_whole) = (BTreeSet::new(), true);
        let end = Instant::now() + Duration::from_secs(1);
        while Instant::now() < end {
            seen.extend(command_line(pid));
            is_whole &= environment(pid).contains(&("AGAIN".into(), AGAIN.into()));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let with_name = |line: Vec<&str>| iter::once("sh").chain(line).map(OsString::from).collect();
        assert_eq!(seen, lines.map(with_name).into());
        assert!(is_whole, "a part of an environment was read");
    }

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
