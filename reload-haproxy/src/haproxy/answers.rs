//! Answers of HAProxy's sockets, in the forms of all versions: `show info`, the master's `show proc` and `reload`.

use std::time::Duration;

use crate::haproxy::version::Version;

/// What `show info` reports about the worker that answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Info {
    pub(crate) pid: i32,
    pub(crate) uptime: Duration,
    /// The text of `global` / `description`, empty if there is none.
    pub(crate) description: String,
    pub(crate) version: Option<Version>,
    /// Whether it is stopping and only finishes its connections.
    pub(crate) is_stopping: bool,
}

/// Reads the answer to `show info`; `None` if it is something else.
pub(crate) fn parse_info(answer: &str) -> Option<Info> {
    let field = |name: &str| answer.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    Some(Info {
        pid: field("Pid")?.parse().ok().filter(|pid| *pid > 0)?,
        uptime: Duration::from_secs(field("Uptime_sec")?.parse().ok()?),
        description: field("description").unwrap_or_default().to_owned(),
        version: field("Version").and_then(Version::parse),
        is_stopping: field("Stopping").is_some_and(|stopping| stopping != "0"),
    })
}

/// What the master's `show proc` reports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Processes {
    pub(crate) master: i32,
    /// How often it has reloaded.
    pub(crate) reloads: Option<u32>,
    /// How many reloads failed in a row; only 2.5 and later say so.
    pub(crate) failed: Option<u32>,
    /// Workers of the configuration loaded last.
    pub(crate) workers: Vec<i32>,
    /// Workers of earlier ones. After a failed reload 1.9 to 2.4 and 3.1 and later list the serving one here.
    pub(crate) old_workers: Vec<i32>,
}

/// Reads the answer to `show proc`; `None` if it is something else.
///
/// Columns are `PID TYPE [RELATIVE] RELOADS UPTIME [VERSION]`.
pub(crate) fn parse_processes(answer: &str) -> Option<Processes> {
    let mut processes = Processes::default();
    let mut old = false;
    let before_reloads = usize::from(answer.contains("<relative PID>"));
    for line in answer.lines() {
        if line.starts_with('#') {
            old = line.starts_with("# old workers");
            continue;
        }
        let mut columns = line.split_whitespace();
        let Some(pid) = columns.next().and_then(|pid| pid.parse().ok()) else { continue };
        match columns.next() {
            Some("master") => {
                processes.master = pid;
                processes.failed = failed_count(line);
                processes.reloads = columns.nth(before_reloads).and_then(|count| count.parse().ok());
            }
            Some("worker") if old => processes.old_workers.push(pid),
            Some("worker") => processes.workers.push(pid),
            _ => {}
        }
    }
    (processes.master != 0).then_some(processes)
}

fn failed_count(line: &str) -> Option<u32> {
    let (_, rest) = line.split_once("[failed: ")?;
    rest.split(']').next()?.parse().ok()
}

/// The master's answer to `reload`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ReloadAnswer {
    /// Before 2.7 it answers nothing and closes.
    Nothing,
    Success,
    /// It is busy with another reload.
    Busy,
    /// HAProxy's messages, one line each.
    Failure(Vec<String>),
}

/// Reads the answer to the master's `reload`: `Success=1`, or `Success=0`, `--` and what was wrong.
pub(crate) fn parse_reload(answer: &str) -> ReloadAnswer {
    let mut lines = answer.lines().map(str::trim).filter(|line| !line.is_empty() && *line != "--");
    match lines.next() {
        None => ReloadAnswer::Nothing,
        Some("Success=1") => ReloadAnswer::Success,
        Some("Success=0") => refused(lines.map(str::to_owned).collect()),
        Some(other) => refused(std::iter::once(other).chain(lines).map(str::to_owned).collect()),
    }
}

fn refused(words: Vec<String>) -> ReloadAnswer {
    // From 3.1 on the master accepts connections while it loads.
    if words.iter().any(|line| line.contains("Another reload is still in progress")) {
        ReloadAnswer::Busy
    } else {
        ReloadAnswer::Failure(words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn show_proc_is_read_in_the_forms_of_all_versions() {
        let v26 = "#<PID>          <type>          <reloads>       <uptime>        <version>\n\
                   5847            master          17 [failed: 2]  0d00h00m54s     2.6.12-1+deb12u4\n\
                   # workers\n6001            worker          1               0d00h00m01s     2.6.12\n\
                   # old workers\n5900            worker          9               0d00h00m31s     2.6.12\n\
                   # programs\n\n";
        let processes = parse_processes(v26).unwrap();
        assert_eq!((processes.master, processes.failed, processes.reloads), (5847, Some(2), Some(17)));
        assert_eq!((processes.workers, processes.old_workers), (vec![6001], vec![5900]));
        let v24 = "#<PID>  <type>  <relative PID>  <reloads>  <uptime>  <version>\n\
                   10  master  0  3  0d00h00m54s  2.4.0\n# workers\n# old workers\n\
                   12  worker  [was: 1]  3  0d00h00m54s  2.4.0\n# programs\n";
        let processes = parse_processes(v24).unwrap();
        assert_eq!((processes.failed, processes.reloads), (None, Some(3)));
        assert_eq!((processes.workers, processes.old_workers), (vec![], vec![12]));
        assert_eq!(parse_processes("Unknown command\n"), None);
    }

    #[test]
    fn show_info_is_read() {
        let answer = "Name: HAProxy\nPid: 42\nUptime: 0d 0h00m07s\nUptime_sec: 7\nnode: vm\n\
                      description: rollcall-0000000000000001\nStopping: 1\n\n";
        let info = parse_info(answer).unwrap();
        assert_eq!((info.pid, info.uptime.as_secs(), info.is_stopping), (42, 7, true));
        assert_eq!(info.description, "rollcall-0000000000000001");
        assert_eq!(parse_info("Permission denied\n"), None);
    }

    #[test]
    fn the_answer_to_a_reload_is_read() {
        assert_eq!(parse_reload(""), ReloadAnswer::Nothing);
        assert_eq!(parse_reload("Success=1\n--\n[NOTICE] ...\n"), ReloadAnswer::Success);
        let words = vec!["[ALERT] (1) : config : no".to_owned()];
        assert_eq!(
            parse_reload("Success=0\n--\n[ALERT] (1) : config : no\n\n"),
            ReloadAnswer::Failure(words)
        );
    }
}
